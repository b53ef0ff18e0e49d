"""A run with a bf16 residual stream is refused where it does not compute in bf16, and is resumed exactly."""

import pytest
import torch

import app as isoscale
from app.errors import InputError, Stopped
from app.experiment import run as experiment
from tests.experiment import kinds
from tests.experiment.runs import Quiet, interrupted, rows

pytestmark = pytest.mark.usefixtures("cache_folder")
BF16 = {"precision": "bf16", "residual_precision": "bf16"}


def test_a_run_that_would_compute_in_float32_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match=r"residual_precision=bf16 has no effect .* in fp32. Give --precision bf16"):
        kinds.train("images", tmp_path, "runs", residual_precision="bf16")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_stopped_run_ends_in_the_bits_of_one_that_is_not(tmp_path):
    more = BF16 | {"model": "vit_differential", "drop_path": 0.3, "epochs": 1}
    whole = kinds.train("images", tmp_path, "whole", **more)
    with pytest.raises(Stopped):
        kinds.train("images", tmp_path, "cut", interrupted(2), **more)
    ended = kinds.train("images", tmp_path, "cut", **more)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes() and rows(ended) == rows(whole)
    wide = kinds.train("images", tmp_path, "wide", **more | {"residual_precision": "fp32"})
    assert rows(wide)[0]["loss"] != rows(whole)[0]["loss"] == pytest.approx(rows(wide)[0]["loss"], rel=0.01)
    tested = experiment.evaluate(whole, experiment.Options(checkpoints=tmp_path / "whole"), Quiet(), again=True)
    assert tested.record.results.test.loss == whole.record.results.test.loss
    assert isoscale.load(whole.files.record)(torch.zeros(1, 1, 8, 8)).dtype == torch.float32
