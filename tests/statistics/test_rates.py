"""Shares against scipy, and what the package imports."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import app.statistics
from app.statistics.rates import fisher, wilson, wilson_of_mean


@pytest.mark.parametrize(("correct", "n"), [(0, 5), (5, 5), (1, 3), (360, 400), (1, 100_000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_a_share_is_wilsons(correct, n, level):
    expected = stats.binomtest(correct, n).proportion_ci(level, method="wilson")
    assert wilson(correct, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_of_a_mean_is_wilsons_for_zeros_and_ones_and_inside_0_and_1_for_any_shares():
    random = np.random.default_rng(0)
    right = random.random(40) < 0.9
    assert wilson_of_mean(right.astype(float)) == pytest.approx(wilson(right.sum(), 40), abs=1e-12)
    for count in (2, 3, 30):
        for high in (0.0, 0.1, 1.0):
            for units in (high * random.random(count), 1 - high * random.random(count)):
                low, end = wilson_of_mean(units)
                wide = wilson_of_mean(units, clustered=True)
                assert 0 <= wide[0] <= low < units.mean() + 1e-12 and units.mean() - 1e-12 < end <= wide[1] <= 1


def test_the_interval_of_shares_of_groups_covers_as_often_as_it_says():
    groups = np.random.default_rng(1).beta(8, 1, (4000, 20))  # a share of each of 20 groups, mean 8 / 9
    ends = np.array([wilson_of_mean(each, clustered=True) for each in groups])
    inside = (ends[:, 0] <= 8 / 9) & (ends[:, 1] >= 8 / 9)
    assert abs(inside.mean() - 0.95) < 4 * (0.95 * 0.05 / 4000) ** 0.5 + 0.01


@pytest.mark.parametrize(
    "table", [(3, 5, 1, 7), (0, 5, 5, 5), (0, 3, 0, 4), (10, 10, 4, 12), (2, 4, 2, 4), (40, 90, 60, 80)]
)
def test_two_shares_are_compared_by_fishers_exact_test(table):
    a, of_a, b, of_b = table
    expected = stats.fisher_exact([[a, of_a - a], [b, of_b - b]]).pvalue
    assert fisher(*table) == pytest.approx(expected, rel=1e-9)
    assert fisher(b, of_b, a, of_a) == fisher(*table)


def test_the_package_needs_numpy_and_scipys_special_functions_only():
    for path in Path(app.statistics.__file__).parent.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        names = {node.module for node in tree if isinstance(node, ast.ImportFrom) and not node.level}
        assert {name for name in names if name.split(".")[0] in ("scipy", "torch")} <= {"scipy.special"}, path.name
