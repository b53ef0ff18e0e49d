"""A run with any optimiser is resumed in the same bits, from a state of the size that its plan states."""

import pytest

from app.artifacts import checkpoint
from app.computing.memory import state_bytes
from app.errors import Stopped
from tests.experiment.runs import interrupted, rows, train

SHORT = {"limit_train": 96, "limit_val": 20, "limit_test": 20, "epochs": 2}
CASES = {
    "adam": {"optimizer": "adam", "betas": (0.8, 0.9)},
    "sgd": {"optimizer": "sgd", "nesterov": True},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0},
    "adan": {"optimizer": "adan"},
    "adan_lucidrains": {"optimizer": "adan_lucidrains"},
    "lion": {"optimizer": "lion", "layer_decay": 0.7},
    "muon": {"optimizer": "muon", "layer_decay": 0.7},
}


@pytest.mark.usefixtures("cache_folder")
@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_stopped_ends_in_the_bits_of_one_that_is_not(tmp_path, name):
    request = SHORT | CASES[name]
    whole = train(tmp_path / "whole", **request)
    with pytest.raises(Stopped):
        train(tmp_path / "cut", interrupted(4), **request)
    (state,) = tmp_path.rglob("state-4.safetensors")
    moments = [tensor for part, tensor in checkpoint.tensors(state).items() if part.startswith("optimizer/")]
    assert sum(tensor.nbytes for tensor in moments if tensor.dim()) == state_bytes(whole.config)
    ended = train(tmp_path / "cut", **request)
    assert ended.record.places[-1].from_step == 4
    for part in ("weights", "best", "predictions"):
        assert getattr(ended.files, part).read_bytes() == getattr(whole.files, part).read_bytes(), part
    assert rows(ended) == rows(whole)


@pytest.mark.usefixtures("cache_folder")
def test_a_run_s_rates_follow_its_epochs_down_to_its_lowest_rate(tmp_path):
    more = {"schedule": "cosine_epoch", "lr": 1e-3, "lr_min": 2e-4, "warmup_steps": 0, "layer_decay": 0.5}
    found = [row["lr"] for row in rows(train(tmp_path, **SHORT, **more)) if row["split"] == "train"]
    assert found == pytest.approx([1e-3] * 3 + [6e-4] * 3)
