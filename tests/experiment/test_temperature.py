"""A temperature is fitted on the validation split alone, kept in the record, and used for calibration only."""

import json

import numpy as np
import pytest
from pyarrow import parquet

from app.artifacts.predictions import Predictions
from app.artifacts.runs import by_id
from app.artifacts.which import BEST
from app.errors import InputError
from app.experiment import recomputing
from app.experiment import run as experiment
from app.results.calibrated import calibrated
from app.statistics.reliability import nll, temperature
from tests.experiment import kinds
from tests.experiment.runs import Quiet

pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.mark.parametrize("kind", ["images", pytest.param("images normalised over the batch", marks=pytest.mark.slow)])
def test_the_temperature_is_that_of_the_validation_rows(tmp_path, kind):
    learned = {"epochs": 4, "limit_train": 400, "limit_val": 100, "lr": 0.01} if "batch" in kind else {}
    run = kinds.train(kind, tmp_path, "runs", **learned)
    options = experiment.Options(checkpoints=tmp_path / "runs")
    found = recomputing.validated(run, options, Quiet(), weights="weights")
    assert sorted(found.rows) == sorted(row["row"] for row in _split_rows(run) if row["split"] == "val")
    done = experiment.evaluate(run, options, Quiet(), temperature=True)
    kept = by_id(run.record.run_id, tmp_path / "runs", print).record.results
    assert kept == done.record.results and kept.test == run.record.results.test
    assert kept.temperatures.keys() == {"final"}
    fitted = kept.temperatures["final"]
    assert fitted.value == temperature(found.logits, found.labels) and fitted.n == len(found.rows)
    assert fitted.nll_before == nll(found.logits, found.labels).mean() > fitted.nll_after
    assert experiment.evaluate(done, options, Quiet(), temperature=True).record.results == kept  # it is fitted once
    both = experiment.evaluate(done, options, Quiet(), which=BEST, temperature=True).record.results
    assert both.temperatures.keys() == {"final", "best"} and both.temperatures["final"] == fitted


def test_signals_without_a_temperature_are_refused_and_their_record_stays(tmp_path):
    run = kinds.train("signals", tmp_path, "runs")
    options = experiment.Options(checkpoints=tmp_path / "runs", data=kinds.files("signals", tmp_path)["data"])
    found, before = recomputing.validated(run, options, Quiet(), weights="weights"), run.files.record.read_bytes()
    assert temperature(found.logits, found.labels) is None  # five rows that the outputs say nothing about
    with pytest.raises(InputError, match="no temperature has the lowest loss on the 5 validation rows"):
        experiment.evaluate(run, options, Quiet(), temperature=True)
    assert run.files.record.read_bytes() == before


def test_a_regression_has_no_temperature(tmp_path):
    run = kinds.train("fields", tmp_path, "runs")
    with pytest.raises(InputError, match="predicts a number, which has no temperature"):
        experiment.evaluate(run, experiment.Options(checkpoints=tmp_path / "runs"), Quiet(), temperature=True)


def _split_rows(run):
    return parquet.read_table(run.files.splits).to_pylist()


def test_a_temperature_divides_the_logits_and_changes_no_answer():
    random = np.random.default_rng(2)
    logits, labels = random.normal(0, 3, (80, 5)).astype(np.float32), random.integers(0, 5, 80)
    plain = Predictions(np.arange(80), labels, logits)
    warm, halved = calibrated(plain, 2.0), calibrated(Predictions(np.arange(80), labels, logits / 2))
    assert json.dumps(warm.to_json()) == json.dumps(halved.to_json()) and warm.nll < calibrated(plain).nll
    assert warm.nll_interval[0] < warm.nll < warm.nll_interval[1]


def test_an_interval_treats_the_examples_of_a_group_as_one():
    random = np.random.default_rng(3)
    logits, labels = random.normal(0, 3, (40, 5)).astype(np.float32), random.integers(0, 5, 40)
    once = calibrated(Predictions(np.arange(40), labels, logits))
    twice = Predictions(np.arange(80), labels.repeat(2), logits.repeat(2, 0), groups=np.arange(40).repeat(2))
    assert calibrated(twice).nll_interval == pytest.approx(once.nll_interval) and calibrated(twice).groups == 40
