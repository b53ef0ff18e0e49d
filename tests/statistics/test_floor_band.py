"""The band of a fit with a floor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.statistics.floors import floor
from app.statistics.ladders import Ladder, ladder
from benchmarks.calibration import CURVE, steps_wrong

FIVE = (5e6, 10e6, 25e6, 50e6, 100e6)


def noisy(seed, k=3):
    """Runs with errors of a curve with a floor, and noise of 1 %."""
    sizes = np.repeat(FIVE, k)
    noise = np.random.default_rng(seed).normal(0, 0.01, len(sizes))
    return ladder(sizes, (0.3 * (sizes / 25e6) ** -0.4 + 0.1) * np.exp(noise))


def moved(runs, at, by):
    """The runs with the log error of one of them changed."""
    return Ladder(sizes=runs.sizes, log_errors=runs.log_errors + by * (np.arange(len(runs.sizes)) == at),
                  values=runs.values, churn=runs.churn)  # fmt: skip


@pytest.mark.parametrize("size", [4e6, 25e6, 150e6])
def test_the_standard_error_of_the_curve_is_that_of_the_derivatives_by_each_run(size):
    runs, step = noisy(0), 1e-4
    fit = floor(runs, target="test-set")
    ends = [[floor(moved(runs, at, by), target="test-set").log_error(size).value for by in (-step, step)]
            for at in range(len(runs.sizes))]  # fmt: skip
    weights = np.array([(high - low) / (2 * step) for low, high in ends])
    rest = runs.log_errors - np.array([fit.log_error(float(each)).value for each in runs.sizes])
    df = len(runs.sizes) - 3
    found = fit.log_error(size)
    assert found.se == pytest.approx(math.sqrt(rest @ rest / df * (weights @ weights)), rel=0.05)
    assert found.df == pytest.approx(df)


def test_the_band_is_wider_beyond_the_sizes_and_for_new_examples():
    fit = floor(noisy(1), target="test-set")
    assert fit.log_error(300e6).se > 2 * fit.log_error(25e6).se
    sizes, wrong, _ = steps_wrong(np.random.default_rng(2), CURVE)
    here, anywhere = (floor(ladder(sizes, wrong), target=target) for target in ("test-set", "examples"))
    assert anywhere.log_error(25e6).se > here.log_error(25e6).se


def test_the_band_contains_the_true_error_as_often_as_it_says():
    true = math.log(0.3 * (40 / 25) ** -0.4 + 0.1)
    inside = 0
    for seed in range(120):
        low, high = floor(noisy(seed), target="test-set").log_error(40e6).interval()
        inside += low < true < high
    assert 0.89 <= inside / 120 <= 0.99


def test_a_curve_that_the_runs_do_not_determine_has_no_band():
    sizes = np.repeat(FIVE, 2)
    found = floor(ladder(sizes, np.full(len(sizes), 0.3)), target="test-set").log_error(25e6)
    assert found.value == pytest.approx(math.log(0.3), abs=1e-6) and found.interval() is None
