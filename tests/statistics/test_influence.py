"""Pseudo-values have the metric as their mean, and its standard error."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from app.statistics.crossed import crossed
from app.statistics.influence import blocks_of, jackknife_values, log_mse_values, rmse_values


@pytest.fixture
def random():
    return np.random.default_rng(5)


def test_closed_forms_have_the_metric_of_each_run_as_their_mean(random):
    errors2 = random.gamma(0.5, 3, (4, 300))
    assert rmse_values(errors2).mean(1) == pytest.approx(np.sqrt(errors2.mean(1)), rel=1e-12)
    assert log_mse_values(errors2).mean(1) == pytest.approx(np.log(errors2.mean(1)), rel=1e-12)


@pytest.mark.parametrize(
    ("closed", "metric"), [(rmse_values, lambda m: np.sqrt(m)), (log_mse_values, lambda m: np.log(m))]
)
def test_closed_forms_are_the_derivative_of_the_metric(closed, metric, random):
    errors2 = random.gamma(2, 3, (1, 200))
    values, step = closed(errors2)[0], 1e-6
    for i in (0, 17, 199):
        weights = np.full(200, (1 - step) / 200)
        weights[i] += step
        derivative = (metric(errors2[0] @ weights) - metric(errors2.mean())) / step
        assert values[i] - values.mean() == pytest.approx(derivative, rel=1e-3)


def test_the_jackknife_of_a_mean_are_the_scores(random):
    scores = random.random(80)
    found = jackknife_values(lambda rows: scores[rows].mean(), blocks_of(80))
    assert found == pytest.approx(scores, rel=1e-9)


def test_blocks_of_different_sizes_have_the_influence_of_their_sums(random):
    scores, blocks = random.random(90), blocks_of(np.arange(90) ** 2 // 800)
    values = jackknife_values(lambda rows: scores[rows].mean(), blocks)
    count = len(np.unique(blocks))
    assert len(np.unique(np.bincount(blocks))) > 2
    for block in range(count):
        expected = scores.mean() + count / 90 * (scores - scores.mean())[blocks == block].sum()
        assert values[blocks == block].sum() * count / 90 == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("groups", [None, np.arange(400) // 7, np.arange(400) ** 2 // 20000])
def test_jackknife_values_have_the_metric_as_their_mean_and_as_that_of_groups(groups, random):
    labels, predicted = random.integers(0, 5, 400), random.integers(0, 5, 400)
    blocks = blocks_of(400 if groups is None else groups)

    def metric(rows):
        return f1_score(labels[rows], predicted[rows], average="macro")

    values = jackknife_values(metric, blocks)
    assert values.mean() == pytest.approx(metric(np.arange(400)), rel=1e-9)
    assert len(np.unique(blocks)) == (100 if groups is None else len(np.unique(groups)))
    found = crossed(values[None], np.zeros((1, 400)), groups=blocks)
    assert found.difference == pytest.approx(metric(np.arange(400)), rel=1e-9)


def test_the_jackknife_of_rmse_agrees_with_the_closed_form(random):
    errors2 = random.gamma(1, 1, (3, 2, 600))
    closed = crossed(rmse_values(errors2[:, 0]), rmse_values(errors2[:, 1]))
    blocks = blocks_of(600)
    arms = [
        np.stack([jackknife_values(lambda rows, e=e: np.sqrt(e[rows].mean()), blocks) for e in errors2[:, arm]])
        for arm in (0, 1)
    ]
    found = crossed(*arms, groups=blocks)
    assert found.difference == pytest.approx(closed.difference, rel=1e-9)
    assert found.se == pytest.approx(closed.se, rel=0.1)
    assert (found.examples, found.groups) == (600, 100)


def test_groups_are_never_divided_and_sorted_examples_leave_no_class_out(random):
    groups = np.repeat(np.arange(250), 4)
    blocks = blocks_of(groups)
    assert all(len(np.unique(blocks[groups == group])) == 1 for group in range(250))
    labels = np.sort(random.integers(0, 5, 1000))
    assert all(len(np.unique(labels[blocks_of(1000) != block])) == 5 for block in range(100))


def test_metrics_without_a_value_are_refused():
    with pytest.raises(ValueError, match="log MSE"):
        log_mse_values(np.zeros((1, 5)))
    assert (rmse_values(np.zeros((1, 5))) == 0).all()
    with pytest.raises(ValueError, match="negative"):
        rmse_values(np.array([[1.0, -1.0]]))
    with pytest.raises(ValueError, match="one group"):
        jackknife_values(lambda rows: 0.0, blocks_of(["a"] * 5))
    with pytest.raises(ValueError, match="finite"):
        jackknife_values(lambda rows: np.nan, blocks_of(5))
