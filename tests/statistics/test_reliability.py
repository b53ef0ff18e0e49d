"""Calibration errors and the temperature, against loops, planted miscalibration and another optimiser."""

import math

import numpy as np
import pytest
from scipy import optimize

from app.statistics.reliability import debiased, ece, equal_mass, nll, reliability, temperature

RANDOM = np.random.default_rng(5)


def planted(n, gap):
    """Confidences of a model whose accuracy is lower by `gap`."""
    confidence = RANDOM.uniform(0.5, 1, n)
    return confidence, RANDOM.random(n) < confidence - gap


def logits(n=500, classes=6, scale=2.0):
    found = RANDOM.normal(0, scale, (n, classes))
    shares = np.exp(found) / np.exp(found).sum(1, keepdims=True)
    labels = (shares.cumsum(1) > RANDOM.random((n, 1))).argmax(1)
    return found, labels  # calibrated as it is


@pytest.mark.parametrize(("n", "first"), [(100, 0.113), (1000, 0.058), (10_000, 0.050)])
def test_the_debiased_error_of_a_planted_one_is_right_on_average_and_the_usual_one_too_high(n, first):
    found = [planted(n, 0.05) for _ in range(200)]
    squares = [math.copysign(error**2, error) for error in (debiased(*each) for each in found)]
    assert np.mean(squares) == pytest.approx(0.05**2, abs=5 * np.std(squares) / math.sqrt(200))
    assert np.mean([ece(*each) for each in found]) == pytest.approx(first, abs=0.02)


def test_the_debiased_error_of_a_calibrated_model_is_zero_on_average():
    errors = [debiased(*planted(300, 0.0)) for _ in range(400)]
    squares = [math.copysign(error**2, error) for error in errors]
    assert abs(np.mean(squares)) < 5 * np.std(squares) / 20 and 0.35 < np.mean(np.array(errors) < 0) < 0.75


@pytest.mark.parametrize("n", [2, 3, 31, 450])
def test_bins_of_equal_mass_are_in_order_and_keep_equal_confidences_together(n):
    for confidence in (RANDOM.random(n), RANDOM.integers(0, 4, n) / 4, np.ones(n), np.sort(RANDOM.random(n))[::-1]):
        found = equal_mass(confidence)
        assert (np.diff(found[np.argsort(confidence, kind="stable")]) >= 0).all()
        assert all(len({*found[confidence == each]}) == 1 for each in confidence)
        assert np.bincount(found).min() >= min(2, n) and found.max() < 15
        order = RANDOM.permutation(n)
        assert (equal_mass(confidence[order]) == found[order]).all()
    if n == 450:
        assert (np.bincount(equal_mass(RANDOM.random(n))) == 30).all()


def test_a_diagram_has_every_example_once():
    confidence, right = planted(501, 0.1)
    bins = reliability(confidence, right)
    assert sum(each.n for each in bins) == 501 and len(bins) == 15
    assert sum(each.n * each.accuracy for each in bins) == pytest.approx(right.sum())
    assert sum(each.n * each.confidence for each in bins) == pytest.approx(confidence.sum())
    assert all(each.interval[0] <= each.accuracy <= each.interval[1] for each in bins)


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0, 40.0])
def test_the_temperature_is_that_of_another_optimiser_and_undoes_a_factor(factor):
    values, labels = logits()
    found = temperature(values * factor, labels)
    expected = optimize.minimize_scalar(
        lambda t: nll(values * factor, labels, math.exp(t)).mean(), bounds=(-5, 7), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert found == pytest.approx(math.exp(expected.x), rel=1e-5)
    assert found == pytest.approx(factor * temperature(values, labels), rel=1e-7)
    assert found / factor == pytest.approx(1, abs=0.2)  # they are calibrated without the factor


def test_there_is_no_temperature_where_none_has_the_lowest_loss():
    values, _ = logits()
    assert temperature(values, values.argmax(1)) is None  # every label has the highest logit: 0 would be the best
    assert temperature(values, values.argmin(1)) is None  # the logits mislead: infinity would be
    assert temperature(np.zeros((9, 3)), np.arange(9) % 3) is None
