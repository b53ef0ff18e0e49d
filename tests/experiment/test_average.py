"""A run with --ema keeps, validates, tests and resumes the average of its weights, for every kind of data."""

import pytest
from msgspec.structs import replace
from safetensors.torch import load_file

from app.artifacts import checkpoint, record
from app.artifacts.which import EMA
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import Damaged, InputError, Stopped
from app.experiment import run as experiment
from app.sharing import arrival
from app.tables.datasets import DATASETS
from tests.experiment import kinds
from tests.experiment.runs import Quiet, interrupted, rows

pytestmark = pytest.mark.usefixtures("cache_folder")
FILES = ("weights", "best", "ema", "predictions")


@pytest.mark.parametrize("kind", kinds.REQUESTS)
def test_a_run_stopped_after_some_steps_ends_with_the_average_of_one_that_is_not(tmp_path, kind):
    whole = kinds.train(kind, tmp_path, "whole", ema=0.5)
    with pytest.raises(Stopped):
        kinds.train(kind, tmp_path, "cut", interrupted(4), ema=0.5)
    ended = kinds.train(kind, tmp_path, "cut", ema=0.5)
    assert ended.record.places[-1].from_step == 4 and ended.record.files.keys() >= {*FILES}
    for name in FILES:
        assert getattr(ended.files, name).read_bytes() == getattr(whole.files, name).read_bytes(), name
    assert rows(ended) == rows(whole)
    average, final = load_file(ended.files.ema), load_file(ended.files.weights)
    assert average.keys() == final.keys() and any((average[name] != final[name]).any() for name in final)
    stated = [checkpoint.metadata(getattr(ended.files, name))["preprocessing"] for name in ("weights", "best", "ema")]
    assert stated[0]["input_shape"] == [*ended.config.input_shape] and all(each == stated[0] for each in stated)
    assert stated[0].get("mean") == ended.record.data.mean and ("mean" in stated[0]) == kind.startswith("images")


@pytest.mark.parametrize("kind", ["images", "fields"])
def test_each_epoch_validates_the_average_and_evaluate_tests_it(tmp_path, kind):
    run = kinds.train(kind, tmp_path, "runs", ema=1)
    splits = [(row["epoch"], row["split"]) for row in rows(run) if row["split"] not in ("train", "val")]
    assert splits == [(1, "val_full"), (1, "val_ema"), (2, "val_full"), (2, "val_ema")]
    options = experiment.Options(checkpoints=tmp_path, data=kinds.files(kind, tmp_path).get("data"))
    tested = experiment.evaluate(run, options, Quiet(), which=EMA, again=True)
    assert tested.record.results.test == run.record.results.test and tested.record.results.test_best is None
    assert tested.record.results.test_ema.loss != run.record.results.test.loss
    assert tested.files.ema_predictions.exists() and "ema_predictions" in tested.record.files


def test_the_average_changes_no_weight_and_its_validation_no_other_row(tmp_path):
    plain, averaged = (kinds.train("images", tmp_path, name, **more) for name, more in (("a", {}), ("b", {"ema": 2})))
    assert load_file(plain.files.weights).keys() == load_file(averaged.files.weights).keys()
    for name, tensor in load_file(plain.files.weights).items():
        assert (load_file(averaged.files.weights)[name] == tensor).all()
    assert rows(plain) == [row for row in rows(averaged) if row["split"] != "val_ema"]
    assert plain.record.run_id != averaged.record.run_id and not plain.files.ema.exists()


def test_a_tiny_half_life_is_the_weights_themselves(tmp_path):
    run = kinds.train("images", tmp_path, "runs", ema=1e-6)
    final = load_file(run.files.weights)
    assert all((tensor == final[name]).all() for name, tensor in load_file(run.files.ema).items())


def test_a_run_without_an_average_has_none_to_test(tmp_path):
    run = kinds.train("images", tmp_path, "runs")
    with pytest.raises(InputError, match="was trained without --ema"):
        experiment.evaluate(run, experiment.Options(checkpoints=tmp_path), Quiet(), which=EMA)


@pytest.mark.parametrize("value", [0, -1.0])
def test_a_half_life_is_above_0(value):
    with pytest.raises(InputError, match="ema="):
        resolve({"ema": value}, dataset_facts(DATASETS["digits"]))


def test_a_finished_run_without_its_average_does_not_arrive_from_the_hub(tmp_path):
    run = kinds.train("images", tmp_path, "runs", ema=1)
    arriving = arrival.Finished(run.config, run.files, print)
    arriving._require_finished(run.files.folder)
    sums = {name: digest for name, digest in run.record.files.items() if name != "ema"}
    record.write(run.files.record, replace(run.record, files=sums))
    with pytest.raises(Damaged, match="its record names no ema"):
        arriving._require_finished(run.files.folder)
