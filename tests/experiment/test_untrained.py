"""A run of 0 epochs tests the weights that it starts from: the same numbers as their run, and no training."""

import pytest

from app import log
from app.errors import InputError
from app.experiment import run as experiment

from . import kinds
from .runs import Quiet

pytestmark = [pytest.mark.usefixtures("cache_folder"), pytest.mark.slow]


@pytest.mark.parametrize("kind", kinds.REQUESTS)
def test_the_weights_of_a_run_are_tested_with_its_own_result(tmp_path, kind):
    first = kinds.train(kind, tmp_path, "first")
    where = str(first.files.weights)
    again = kinds.train(kind, tmp_path, "again", init=where, epochs=0, options={"init": where})
    assert again.record.done and again.record.test == first.record.test and again.record.best.epoch == 0
    assert again.record.init.run_id == first.record.run_id and again.record.seconds.training == 0
    assert again.record.best.val_loss == pytest.approx(log.read(first.files.log)[1][-1]["loss"], rel=1e-5)
    assert log.read(again.files.log)[1] == [] and again.record.schedule.total_steps == 0
    done = kinds.train(kind, tmp_path, "again", init=where, epochs=0, options={"init": where})
    assert done.record.finished == again.record.finished


def test_0_epochs_need_weights_and_keep_no_average(tmp_path):
    with pytest.raises(InputError, match=r"epochs=0 is out of range. Use a number above 0, or test the weights"):
        experiment.plan(kinds.REQUESTS["images"] | {"epochs": 0}, Quiet())
    weights = str(kinds.train("images", tmp_path, "runs").files.weights)
    with pytest.raises(InputError, match="ema=1 has no effect with epochs=0"):
        experiment.plan(kinds.REQUESTS["images"] | {"epochs": 0, "ema": 1, "init": weights}, Quiet())
