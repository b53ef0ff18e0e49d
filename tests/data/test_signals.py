"""Powder patterns: any length, labels as published, background added once, a range by its angles, and other files."""

import numpy as np
import pytest
import torch

from app import data
from app.config.run import resolve
from app.data.sources import signals
from app.errors import InputError
from app.tables.symmetry import BRAVAIS

from . import measured
from .test_damaged_files import HERE, SMALL, silent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "p"


def opened(folder, say=silent, **request):
    """(config, splits, cached) of the patterns at a path."""
    request = {"dataset": "diffraction", "data": str(folder)} | ({} if "model" in request else SMALL) | request
    facts = data.facts(request, say, silent)
    config = resolve(request, facts)
    cached = data.prepare(data.ask_of(config.to_json(), **data.where(request)), say, silent)
    return config, data.splits(config, HERE, cached, say), cached


@pytest.mark.parametrize(("flat", "length"), [(True, 64), (False, 64), (False, 61)])
def test_patterns_of_either_shape_and_any_length_are_inputs_as_they_stand(folder, flat, length):
    held = torch.load(measured.patterns(folder / "a.pt", flat=flat, length=length), weights_only=True)
    config, splits, cached = opened(folder)
    inputs, targets = splits.train.batch(np.arange(len(splits.train)), epoch=0)
    assert config.image == (length,) and inputs.shape[1:] == (1, length)
    assert torch.equal(inputs.squeeze(1), held["X"].reshape(60, length)[splits.train.rows])
    assert torch.equal(targets, held["Y"][splits.train.rows]) and cached.manifest.class_names == [*BRAVAIS]


def test_splits_are_the_files_where_they_are_named_and_stratified_where_they_are_not(folder):
    for name, count in (("Train", 40), ("Validation", 12), ("Test", 8)):
        measured.patterns(folder / f"nist_{name}.pt", count, seed=count)
    _, splits, _ = opened(folder)
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [40, 12, 8]
    _, splits, _ = opened(f"{folder / 'nist_Train.pt'}, {folder / 'nist_Test.pt'}")
    assert [len(split) for split in (splits.train, splits.val, splits.test)] == [36, 4, 8]
    _, splits, _ = opened(measured.patterns(folder / "all.pt"))
    assert torch.bincount(splits.test.batch(np.arange(12))[1]).tolist() == [3, 3, 3, 3]


def test_the_background_is_added_to_files_without_one_and_to_no_other(folder):
    measured.patterns(folder / "has.pt", background=1e-3)
    measured.patterns(folder / "lacks.pt", background=0.0)
    one, two = (opened(folder / name)[1].train.batch(np.arange(20))[0] for name in ("has.pt", "lacks.pt"))
    assert torch.allclose(one, two, atol=1e-7) and float(one.min()) == pytest.approx(1e-3, rel=1e-4)
    assert float(opened(folder / "lacks.pt", background=0.0)[1].train.batch(np.arange(20))[0].min()) == 0


def test_a_range_takes_the_nearest_points_of_either_grid_so_that_lengths_agree(folder):
    measured.patterns(folder / "nist.pt", 20, length=3042)
    measured.patterns(folder / "rruff.pt", 20, length=1700)
    nist, splits, _ = opened(folder / "nist.pt", range="10:80", model="resnet1d")
    rruff, _, _ = opened(folder / "rruff.pt", range="10:80", grid="5.02:0.05", model="resnet1d")
    assert nist.image == rruff.image == (1401,)
    whole = torch.load(folder / "nist.pt", weights_only=True)["X"]
    assert torch.equal(splits.test.batch(np.arange(1))[0][0], whole[splits.test.rows[0], :, 140:1541])


def test_space_groups_are_230_or_those_of_a_mapping_and_the_other_target_s_files_are_left(folder):
    measured.patterns(folder / "BravaisLattice_Data.pt")
    measured.patterns(folder / "SpaceGroup_Data.pt", length=3041, labels=[0, 1, 143, 2] * 15)
    said = []
    assert opened(folder, said.append, target="space_group", model="resnet1d")[0].classes == 230
    assert said[0] == "not read for --target space_group: BravaisLattice_Data.pt"
    torch.save({"Space Group": {label: label + 3 for label in range(144)}}, folder / "mapping.pt")
    config, _, cached = opened(folder, target="space_group", model="resnet1d")
    assert config.classes == 144 and cached.manifest.class_names[-1] == "146"


def test_other_files_are_measured_whole_and_labels_meet_by_their_names(folder):
    measured.patterns(folder / "a.pt")
    config, _, _ = opened(folder / "a.pt")
    measured.patterns(folder / "other" / "b_Train.pt", 8, labels=[0, 1, 2, 13, 0, 1, 2, 13], seed=3)
    ask = data.ask_of(config.to_json(), path=str(folder / "other")).tested_whole()
    cached = data.prepare(ask, silent, silent)
    said = []
    split = data.whole(config, HERE, cached, said.append, ["cubic (P)", "cubic (F)", "triclinic (P)"])
    assert split.batch(np.arange(6))[1].tolist() == [1, 0, 2, 1, 0, 2] and "2 of 8 rows" in said[0]


def test_a_refusal_names_the_option_that_the_path_came_by(folder, tmp_path):
    measured.patterns(folder / "a.pt")
    (tmp_path / "empty").mkdir()
    ask = data.ask_of(opened(folder)[0].to_json(), path=str(tmp_path / "empty"))
    for asked, option in ((ask, "--data"), (ask.tested_whole(), "--on")):
        with pytest.raises(InputError, match=rf"contains no \.pt files of patterns. Give {option} a folder"):
            signals.find(asked)
