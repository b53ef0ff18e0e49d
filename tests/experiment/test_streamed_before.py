"""Runs that earlier versions trained from the stream: refused with one sentence, their stored predictions kept."""

import pytest

from app.artifacts import record
from app.artifacts.runs import Run
from app.artifacts.which import BEST
from app.errors import InputError, Stopped
from app.experiment import run as experiment

from .runs import Quiet, train
from .test_experiment import stop_at

pytestmark = pytest.mark.usefixtures("cache_folder")
SENTENCE = r"run [0-9a-f]{8} was trained from the stream by an earlier version, .* --fresh"


def as_before(folder):
    """Makes the only record in a folder one of a streamed run."""
    path = next(folder.rglob("model_*.json"))
    before = record.read(path)
    before.data.streamed, before.data.shuffle_buffer = True, 77
    record.write(path, before)


def test_a_streamed_run_is_not_resumed_and_its_state_stays_until_fresh(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, stop_at(3))
    as_before(tmp_path)
    state = next(tmp_path.rglob("*.state"))
    with pytest.raises(InputError, match=SENTENCE) as refused:
        train(tmp_path)
    assert "\n" not in str(refused.value) and state.is_dir()
    ended = train(tmp_path, options={"fresh": True})
    assert ended.done and ended.record.data.streamed is None


def test_a_streamed_run_is_not_called_done(tmp_path):
    train(tmp_path)
    as_before(tmp_path)
    with pytest.raises(InputError, match=SENTENCE):
        train(tmp_path)


def test_a_streamed_run_is_evaluated_from_its_stored_predictions_only(tmp_path):
    files, options = train(tmp_path).files, experiment.Options(checkpoints=tmp_path)
    as_before(tmp_path)
    run = Run(files, record.read(files.record))
    again = experiment.evaluate(run, options, Quiet())
    assert again.record.test == run.record.test
    with pytest.raises(InputError, match=r"Evaluate its stored predictions \(without --again\), or train with --fresh"):
        experiment.evaluate(run, options, Quiet(), again=True)
    with pytest.raises(InputError, match=SENTENCE):  # which are not stored
        experiment.evaluate(run, options, Quiet(), which=BEST)
