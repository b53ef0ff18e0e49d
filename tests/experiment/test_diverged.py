"""A model whose outputs are not numbers has no results, wherever they are met: kind `diverged`, exit 4."""

import json

import numpy as np
import pytest
from raw_records import put, raw
from report import made_up_run
from safetensors.torch import load_file, save_file

from app import evaluation
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run
from app.cli import main
from app.errors import Diverged
from app.experiment import run as experiment
from app.system.durable import sha256

from .runs import Quiet, train

pytestmark = pytest.mark.usefixtures("cache_folder")


def with_nan(predictions, rows):
    """The same predictions with outputs that are not numbers in some rows."""
    logits = predictions.logits.copy()
    logits[rows] = np.nan
    return Predictions(predictions.rows, predictions.labels, logits, predictions.names, predictions.task)


def resealed(run, **files):
    """The run with the sums of files that changed, as an earlier version would have left them."""
    sums = {name: sha256(path) for name, path in files.items()}
    put(run.files.record, raw(run) | {"files": (run.record.files or {}) | sums})
    return Run.load(run.files.record)


def test_a_run_whose_test_has_no_numbers_fails_as_diverged_and_keeps_its_state(tmp_path, monkeypatch):
    predict = evaluation.predict
    monkeypatch.setattr(evaluation, "predict", lambda *given, **more: with_nan(predict(*given, **more), [3]))
    with pytest.raises(Diverged, match="not numbers for 1 of 60 test examples"):
        train(tmp_path)
    (path,) = tmp_path.rglob("model_*.json")
    record = json.loads(path.read_text())
    assert (record["status"], record["failure"]["kind"]) == ("failed", "diverged") and not record.get("results")
    assert not list(tmp_path.rglob("*_predictions.parquet")) and list(tmp_path.rglob("state-*.safetensors"))
    monkeypatch.undo()


@pytest.mark.parametrize("rows", [[0], slice(None)], ids=["one row", "every row"])
def test_stored_predictions_without_numbers_are_no_100_percent_and_the_record_keeps_its_results(tmp_path, capsys, rows):
    run = train(tmp_path)
    with_nan(Predictions.load(run.files.predictions), rows).save(run.files.predictions)
    run = resealed(run, predictions=run.files.predictions)
    before = run.files.record.read_bytes()
    capsys.readouterr()
    assert main(["evaluate", str(run.files.record), "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["kind"] == "diverged" and "top1" not in told
    assert main(["evaluate", str(run.files.record), "--top-k", "2"]) == 4
    assert run.files.record.read_bytes() == before


def test_weights_that_diverged_are_told_by_evaluate_again_and_earlier_predictions_stay(tmp_path):
    run = train(tmp_path)
    weights = {name: tensor * np.nan for name, tensor in load_file(run.files.weights).items()}
    save_file(weights, run.files.weights, metadata={"isoscale": json.dumps({"config": run.record.config})})
    run, kept = resealed(run, weights=run.files.weights), run.files.predictions.read_bytes()
    with pytest.raises(Diverged, match="60 of 60"):
        experiment.evaluate(run, experiment.Options(checkpoints=tmp_path), Quiet(), again=True)
    assert run.files.predictions.read_bytes() == kept
    again = experiment.evaluate(run, experiment.Options(checkpoints=tmp_path), Quiet())
    assert again.record.test == run.record.test


@pytest.mark.parametrize("dataset", ["cifar100", "bach", "digits", "nested_cylinder", "diffraction"])
def test_metrics_of_every_dataset_refuse_outputs_without_numbers(tmp_path, dataset):
    run = made_up_run(tmp_path, dataset=dataset, model="cnn" if dataset == "nested_cylinder" else "vit_classic")
    classes, values = run.config.classes, run.config.task == "regression"
    if values:
        found = Predictions.load(run.files.predictions)
    else:
        labels = np.arange(2 * classes) % classes
        found = Predictions(np.arange(2 * classes), labels, np.eye(classes, dtype=np.float32)[labels])
    assert evaluation.metrics(found)["n"] == len(found.rows)
    with pytest.raises(Diverged, match="1 of"):
        evaluation.metrics(with_nan(found, [1]))
