"""What counts as the same predictions, the same result and the same beginning of a training."""

from importlib.metadata import version

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from raw_records import put, raw
from report import made_up_run

from app import evaluation, task
from app.artifacts import split_rows
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run
from app.place import Place
from app.results import first_steps, published, retrain, surroundings
from app.results.published import Published
from app.results.reproduce import predictions_fact, rows_agree
from app.statistics.rates import wilson


def predictions(n=40, classes=3, seed=0):
    drawn = np.random.default_rng(seed)
    return Predictions(np.arange(n), drawn.integers(classes, size=n), drawn.normal(size=(n, classes)).astype("f4"))


def changed(found, **values):
    fields = {name: getattr(found, name) for name in ("rows", "labels", "logits", "names", "task")}
    return Predictions(**fields | values)


def fact(before, now, *, tolerance=1e-4, strict=True):
    return predictions_fact(before, now, tolerance=tolerance, strict=strict)


def test_predictions_in_another_order_are_the_same_predictions():
    before, order = predictions(), np.random.default_rng(1).permutation(40)
    now = Predictions(before.rows[order], before.labels[order], before.logits[order])
    assert rows_agree(before, now) and fact(before, now).holds
    assert fact(before, now).values["largest_difference"] == 0
    assert not rows_agree(before, changed(now, labels=now.labels[::-1].copy()))
    assert not rows_agree(before, changed(now, rows=now.rows + 1))


@pytest.mark.parametrize(("by", "holds"), [(9e-5, True), (2e-4, False), (np.nan, False), (np.inf, False)])
def test_an_output_may_differ_by_less_than_the_tolerance_and_never_by_what_is_no_number(by, holds):
    before = predictions()
    logits = before.logits.copy()
    logits[3, 1] += by
    assert fact(before, changed(before, logits=logits)).holds is holds


def test_equal_infinities_are_equal_outputs():
    before = predictions()
    before.logits[2, (before.labels[2] + 1) % 3] = -np.inf
    assert fact(before, changed(before, logits=before.logits.copy())).holds


def test_changed_predictions_are_counted_and_refute_only_a_strict_comparison():
    before = predictions()
    before.logits[0], before.labels[0] = (1.0, 1.01, 0.0), 1
    logits = before.logits.copy()
    logits[0, 0] = 1.02
    loose = fact(before, changed(before, logits=logits), tolerance=0.1, strict=False)
    assert loose.holds and loose.values["changed"] == 1 and "1 predictions changed" in loose.text
    assert not fact(before, changed(before, logits=logits), tolerance=0.1, strict=True).holds


def a_regression(folder, **record):
    run = made_up_run(folder, dataset="nested_cylinder", model="cnn", steps=12, limit_test=20, record=record)
    stored = Predictions.load(run.files.predictions)
    put(run.files.record, raw(run) | {"results": {"test": evaluation.metrics(stored)}})
    rows = dict.fromkeys(("train", "val"), type("Split", (), {"rows": np.arange(0), "__len__": lambda _: 0})())
    test = type("Split", (), {"rows": stored.rows, "__len__": lambda self: len(self.rows)})()
    split_rows.save(run.files, type("Splits", (), rows | {"test": test, "published": None}))
    run.files.weights.write_bytes(b"weights")
    return Run.load(run.files.record)


def of(run, *, sealed=True):
    return Published(run=run, origin="here", commit=None, sealed=sealed)


def test_every_number_of_a_regression_follows_from_its_predictions_and_a_changed_one_is_named(tmp_path):
    run = a_regression(tmp_path)
    numbers = {each.what: each for each in published.facts(of(run))}
    assert all(each.holds for each in numbers.values())
    values = raw(run)
    values["results"]["test"]["rmse_interval"][1] *= 1.1
    put(run.files.record, values)
    [differ] = [each for each in published.facts(of(Run.load(run.files.record))) if each.holds is False]
    assert differ.what == "numbers" and [each["name"] for each in differ.values["differ"]] == ["rmse_interval[1]"]


def test_a_regression_is_compared_in_the_spread_of_its_targets(tmp_path):
    stored = Predictions.load(a_regression(tmp_path).files.predictions)
    now = changed(stored, logits=stored.logits + np.float32(1e-5))
    assert fact(stored, now).holds and "correct" not in fact(stored, now).text
    assert stored.task is task.values and not fact(stored, now, tolerance=5e-6).holds


def test_the_interval_of_a_difference_is_newcombe_s(tmp_path):
    """Newcombe 1998, table II, 10: 56/70 - 48/80 has the 95 % interval 0.0524 to 0.3339."""
    runs = []
    for seed, (correct, n) in enumerate([(56, 70), (48, 80)]):
        run = made_up_run(tmp_path, dataset="digits", size="1M", steps=1, seed=seed, top1=correct / n)
        run.record.results.test.top1_interval = [*wilson(correct, n)]
        runs.append(run)
    low, high = retrain.difference_interval(runs[1], runs[0], "top1")
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_a_training_that_began_otherwise_is_noticed_and_one_on_another_kind_of_device_decides_nothing(tmp_path):
    place = {"device": "a CPU", "device_type": "cpu", "precision": "fp32"}
    run = made_up_run(tmp_path / "a", record={"places": [place]})
    same = made_up_run(tmp_path / "b", record={"places": [place]})
    other = made_up_run(tmp_path / "c", record={"places": [place]}, loss=lambda step: 5.0 - step / 100)
    assert first_steps.fact(run, same).holds and "equal in all 30 steps" in first_steps.fact(run, same).text
    assert (
        first_steps.fact(run, other).holds is False and "equal until step 1 of 30" in first_steps.fact(run, other).text
    )
    gpu = Run(other.files, replace(other.record, places=[replace(other.record.places[0], device_type="cuda")]))
    assert first_steps.fact(run, gpu).holds is None


def test_the_same_bits_are_expected_on_one_kind_of_cpu_with_one_version_of_torch_only(tmp_path):
    place = {"device": "a CPU", "device_type": "cpu", "precision": "fp32", "threads": 1, "ranks": 1}
    one = made_up_run(tmp_path, record={"places": [place], "versions": {"torch": "2.10"}}).record
    assert surroundings.same_bits(one, one)
    for apart in (
        {"places": [replace(one.places[0], device="another CPU")]},
        {"places": [replace(one.places[0], threads=2)]},
        {"places": [*one.places, replace(one.places[0], device_type="cuda")]},
        {"versions": {"torch": "2.11"}},
        {"execution": replace(one.execution, micro_batch_size=2)},
    ):
        assert not surroundings.same_bits(one, replace(one, **apart))


def test_the_same_bits_are_expected_on_one_kind_of_cuda_device_of_deterministic_runs_only(tmp_path):
    place = {"device": "a GPU", "device_type": "cuda", "cuda": "13.2", "precision": "bf16", "threads": 1, "ranks": 1}
    run = made_up_run(tmp_path, record={"places": [place], "versions": {"torch": "2.15"}}).record
    execution = replace(run.execution, deterministic=True)
    one = replace(run, execution=execution, places=[replace(run.places[0], execution=execution)])
    assert surroundings.same_bits(one, one) and not surroundings.same_bits(run, run)
    for apart in ({"cuda": "12.8"}, {"device": "another GPU"}, {"execution": run.execution}):
        assert not surroundings.same_bits(one, replace(one, places=[replace(one.places[0], **apart)]))
    ranks = replace(one, places=[replace(one.places[0], ranks=4)])
    assert not surroundings.same_bits(ranks, ranks)


def test_versions_and_machines_that_differ_are_named(tmp_path):
    run = made_up_run(tmp_path, record={"versions": {"torch": "0.1", "python": "2.7"}})
    here = Place(torch.device("cpu"), "fp32").describe()
    found = surroundings.differences(run.record, here)
    assert found["torch"] == ("0.1", version("torch")) and found["device"] == ("made up", here["device"])
    assert "precision" not in found and "numpy" not in found and "threads" not in found
