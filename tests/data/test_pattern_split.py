"""Splits of powder patterns: by class, seeded, and nothing in a file is executed."""

import os

import pytest
import torch

from app.data.sources.pattern_split import split
from app.errors import InputError


class Payload:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.fixture
def patterns(tmp_path):
    x = torch.arange(100.0)[:, None, None].expand(100, 1, 7).clone()
    for part, rows in (("a", slice(0, 60)), ("b", slice(60, 100))):
        torch.save({"X": x[rows], "Y": torch.arange(100)[rows] % 5}, tmp_path / f"{part}.pt")
    return tmp_path


def test_each_class_gives_its_share_and_no_row_is_lost_or_doubled(patterns):
    rows = split(patterns, patterns / "out", tag="T", val_fraction=0.2, seed=0)
    assert list(rows.values()) == [80, 20]
    train, val = (torch.load(path, weights_only=True) for path in rows)
    assert val["Y"].bincount().tolist() == [4] * 5 and val["X"].shape == (20, 1, 7)
    assert sorted(torch.cat([train["X"], val["X"]])[:, 0, 0].tolist()) == list(range(100))
    assert (train["X"][:, 0, 0] % 5 == train["Y"]).all()
    again = split(patterns, patterns / "again", tag="T", val_fraction=0.2, seed=0)
    assert [open(path, "rb").read() for path in again] == [open(path, "rb").read() for path in rows]  # noqa: PTH123,SIM115
    with pytest.raises(InputError, match="exists already"):
        split(patterns, patterns / "out", tag="T", val_fraction=0.2, seed=0)


@pytest.mark.parametrize(("held", "says"), [
    (Payload(), "contains more than plain tensors"), ([1], "does not contain patterns X and labels Y"),
    ({"X": torch.zeros(2, 3)}, "does not contain patterns X and labels Y"),
    ({"X": torch.zeros(2, 3), "Y": torch.zeros(3).long()}, r"X \(2, 3\) and Y \(3,\) have the wrong shapes"),
    ({"X": torch.zeros(2, 3), "Y": torch.zeros(2)}, "Y is float32. Use whole numbers"),
    ({"X": torch.zeros(0, 3), "Y": torch.zeros(0).long()}, "contains no patterns"),
    ({"X": torch.full((2, 3), torch.nan), "Y": torch.zeros(2).long()}, "not finite"),
    ({"X": torch.zeros(2, 3), "Y": torch.tensor([0, -1])}, "labels below 0"),
])  # fmt: skip
def test_a_file_that_holds_something_else_is_refused_and_not_executed(tmp_path, monkeypatch, held, says):
    monkeypatch.chdir(tmp_path)
    torch.save(held, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=says):
        split(tmp_path / "bad.pt", tmp_path / "out", tag="T", val_fraction=0.5, seed=0)
    assert not (tmp_path / "executed").exists() and not (tmp_path / "out").exists()


def test_a_cut_file_is_refused(patterns):
    (patterns / "a.pt").write_bytes((patterns / "a.pt").read_bytes()[:300])
    with pytest.raises(InputError, match=r"a\.pt is not a complete \.pt file"):
        split(patterns, patterns / "out", tag="T", val_fraction=0.2, seed=0)
