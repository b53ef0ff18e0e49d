"""A metric by architecture and size: intervals over seeds and examples, and differences from the first architecture."""

from __future__ import annotations

import numpy as np
import pytest

from app.artifacts.runs import Run
from app.errors import InputError
from app.results.arms import Arm
from app.results.by_size import by_size
from app.results.metrics import METRICS
from app.statistics.crossed import crossed, welch

from . import classified, finished, fitted

N = 200


def arm(folder, model, rights, *, title=None, size="1M", **more):
    """An arm of digits whose runs get these examples right, (seeds, n)."""
    runs = [
        finished(folder, classified(right, **more), dataset="digits", size=size, model=model, seed=seed)
        for seed, right in enumerate(rights)
    ]
    return Arm(title=title or model, runs=tuple(runs))


def drawn(seed, rate, seeds=3):
    return np.random.default_rng(seed).random((seeds, N)) < rate


def test_a_difference_is_that_of_the_crossed_analysis_and_a_mean_has_the_same_with_nothing_to_compare(tmp_path):
    a, b = drawn(1, 0.8), drawn(2, 0.6)
    found = by_size([arm(tmp_path, "vit_classic", a), arm(tmp_path, "vit_differential", b)], METRICS["top1"])
    (gap,) = found.gaps
    expected = crossed(b, a)
    assert (gap.architecture, gap.minus, found.basis) == ("vit_differential", "vit_classic", "examples")
    assert gap.difference == pytest.approx(expected.difference) and gap.interval == pytest.approx(expected.interval())
    low, high = found.means[0].interval
    parts = crossed(a, np.zeros((3, N)))
    assert found.means[0].value == pytest.approx(a.mean()) and (low + high) / 2 == pytest.approx(a.mean())
    assert parts.se**2 == pytest.approx(a.mean(1).var(ddof=1) / 3 + parts.examples_part)


def test_without_all_predictions_intervals_are_over_runs_and_the_reason_is_given(tmp_path):
    arms = [arm(tmp_path, model, drawn(seed, 0.7)) for seed, model in enumerate(("vit_classic", "vit_differential"))]
    arms[1].runs[0].files.predictions.unlink()
    for each in (run for one in arms for run in one.runs):
        each.record.test.top1 = 0.7 + 0.01 * each.config.seed
    found = by_size(arms, METRICS["top1"])
    assert found.basis == "runs" and "not on this machine" in found.because
    rates = np.array([0.7, 0.71, 0.72])
    assert found.gaps[0].interval == pytest.approx(welch(rates, rates).interval())
    with pytest.raises(InputError, match="--metric nll needs the predictions of all runs on one test set"):
        by_size(arms, METRICS["nll"])


def test_other_test_rows_are_compared_over_runs_only(tmp_path):
    one, other = (
        arm(tmp_path, "vit_classic", drawn(1, 0.7)),
        arm(tmp_path, "vit_differential", drawn(2, 0.7), rows=np.arange(N) + 5),
    )
    found = by_size([one, other], METRICS["top1"])
    assert found.basis == "runs" and "example by example" in found.because


def test_the_error_of_a_regression_keeps_its_direction_and_its_groups(tmp_path):
    names = np.repeat([f"id{number:04}" for number in range(N // 2)], 2)
    random, arms = np.random.default_rng(0), []
    for model, scale in (("cnn", 0.05), ("cnn_6", 0.2)):
        runs = [
            finished(
                tmp_path, fitted(scale * random.normal(size=N), names=names), dataset="nested_cylinder", model=model,
                seed=seed,
            )
            for seed in range(3)
        ]  # fmt: skip
        arms.append(Arm(title=model, runs=tuple(runs)))
    for metric in ("rmse", "log-mse"):
        found = by_size(arms, METRICS[metric])
        assert found.groups == N // 2 and (found.means[1].value > found.means[0].value)
        low, high = found.means[1].interval
        assert low < found.means[1].value < high
        ((low, high),) = [each.interval for each in found.gaps]  # one size each, whatever its name
        assert 0 < low < found.gaps[0].difference < high


def test_a_single_run_has_the_interval_of_its_record_and_a_difference_of_single_runs_has_none(tmp_path):
    arms = [arm(tmp_path, m, drawn(seed, 0.7, 1)) for seed, m in enumerate(("vit_classic", "vit_differential"))]
    found = by_size(arms, METRICS["top1"])
    assert found.means[0].interval == tuple(arms[0].runs[0].record.test.top1_interval)
    assert found.gaps[0].interval is None


def test_sizes_that_only_one_architecture_has_are_in_no_difference_and_json_has_every_run(tmp_path):
    arms = [
        arm(tmp_path, "vit_classic", drawn(1, 0.6)), arm(tmp_path, "vit_classic", drawn(2, 0.8), size="10M"),
        arm(tmp_path, "vit_differential", drawn(3, 0.7)),
    ]  # fmt: skip
    told = by_size(arms, METRICS["top1"]).to_json()
    assert [(each["size"], each["architecture"]) for each in told["differences"]] == [("1M", "vit_differential")]
    ids = [run_id for each in told["means"] for run_id in each["run_ids"]]
    assert ids == [run.record.run_id for each in arms for run in each.runs] and len(set(ids)) == 9
    assert isinstance(arms[0].runs[0], Run)
