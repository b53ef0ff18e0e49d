"""A run in fp16 logs the scale of its loss and its skipped steps, and is resumed exactly, for every kind of data."""

import itertools

import pytest
import torch

from app.artifacts import states
from app.computing import scaling
from app.errors import Stopped
from tests.experiment import kinds
from tests.experiment.runs import interrupted, rows

SCALE = 2.0**19
pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.fixture(autouse=True)
def _large_scale(monkeypatch):
    """A first scale at which gradients overflow for some steps."""
    monkeypatch.setattr(scaling.torch.amp, "GradScaler", lambda device: kept(device, init_scale=SCALE))


kept = torch.amp.GradScaler


@pytest.mark.parametrize("kind", ["images", "images normalised over the batch", "fields", "signals"])
def test_a_stopped_run_ends_in_the_bits_of_one_that_is_not_with_its_scales(tmp_path, kind):
    whole = kinds.train(kind, tmp_path, "whole", precision="fp16", clip_norm=5, epochs=6)
    with pytest.raises(Stopped):
        kinds.train(kind, tmp_path, "cut", interrupted(4), precision="fp16", clip_norm=5, epochs=6)
    (state,) = (tmp_path / "cut").rglob("state-4.json")
    trained = [row for row in rows(whole) if row["split"] == "train"]
    assert states.read(state).facts.scaler.scale == trained[4]["loss_scale"]
    ended = kinds.train(kind, tmp_path, "cut", precision="fp16", clip_norm=5, epochs=6)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes() and rows(ended) == rows(whole)
    assert ended.record.places[0].precision == "fp16"
    for row, after in itertools.pairwise(trained):
        assert after["loss_scale"] == row["loss_scale"] / (2 if row.get("skipped") else 1)
    assert trained[0]["loss_scale"] == SCALE and {row.get("skipped", False) for row in trained} == {True, False}
    assert not any("loss_scale" in row for row in rows(whole) if row["split"] != "train")


@pytest.mark.parametrize("optimizer", ["adan", "muon", "sgd"])
def test_every_optimiser_skips_a_step_without_a_trace(tmp_path, optimizer):
    run = kinds.train("images", tmp_path, "runs", precision="fp16", optimizer=optimizer, epochs=3)
    trained = [row for row in rows(run) if row["split"] == "train"]
    validated = [row["loss"] for row in rows(run) if row["split"] == "val"]
    assert trained[0]["skipped"] and "skipped" not in trained[-1] and len({*validated}) > 1
