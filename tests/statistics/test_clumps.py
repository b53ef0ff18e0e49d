"""Runs that did not learn are found, counted and compared without a mean."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from app.statistics.clumps import clumps, mann_whitney, two_clumps

LEARNED = np.log([0.010, 0.011, 0.013, 0.012, 0.016])
FAILED = np.log([0.9, 1.0, 1.1])


def test_two_clumps_need_a_gap_of_a_factor_of_ten_that_is_unlike_the_others():
    assert two_clumps(LEARNED) is None and two_clumps(FAILED) is None
    cut = two_clumps(np.concatenate([FAILED, LEARNED]))
    assert math.log(0.016) < cut < math.log(0.9)
    assert two_clumps(np.log([1, 8, 64, 512, 4096])) is None  # evenly spread
    assert two_clumps(np.log([1.0, 1.1, 1.2, 9.9])) is None  # below a factor of ten
    assert two_clumps(np.log([1.0, 1.1, 1.2, 14.0])) is not None
    assert two_clumps(np.log([1.0, 1000.0])) is None and two_clumps(np.log([1.0])) is None


def test_shares_and_all_runs_are_compared():
    a, b = np.concatenate([LEARNED, FAILED[:1]]), np.concatenate([LEARNED[:2] + 0.1, FAILED + 0.05])
    found = clumps(a, b)
    assert found.learned == ((True,) * 5 + (False,), (True,) * 2 + (False,) * 3)
    assert found.shares == (5 / 6, 2 / 5)
    assert found.fisher_p == pytest.approx(stats.fisher_exact([[5, 1], [2, 3]]).pvalue)
    assert found.mann_whitney_p == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)
    assert found.a_beats_b == np.mean(a[:, None] < b)
    expected = stats.binomtest(5, 6).proportion_ci(0.95, method="wilson")
    assert found.intervals[0] == pytest.approx((expected.low, expected.high))


def test_arms_of_one_clump_each_have_none_though_they_differ():
    assert clumps(LEARNED, FAILED) is None
    one_sided = clumps(np.concatenate([LEARNED, FAILED]), LEARNED - 5)  # the cut is that of the arm with two clumps
    assert sum(one_sided.learned[0]) == 5 and all(one_sided.learned[1])


def test_of_two_arms_with_two_clumps_the_larger_gap_is_the_cut():
    small, large = np.log([0.01, 0.011, 0.012, 0.2, 0.21]), np.log([0.002, 0.0021, 0.0022, 2.0, 2.1])
    assert two_clumps(small) != two_clumps(large)
    assert clumps(small, large).cut == clumps(large, small).cut == two_clumps(large)


@pytest.mark.parametrize("seed", range(4))
def test_the_rank_test_is_exact_with_ties_too(seed):
    random = np.random.default_rng(seed)
    a, b = random.random(6), random.random(9)
    assert mann_whitney(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)
    tied_a, tied_b = random.integers(0, 3, 4), random.integers(0, 3, 5)
    pooled = stats.rankdata([*tied_a, *tied_b])
    sums = np.array([pooled[list(chosen)].sum() for chosen in combinations(range(9), 4)])
    observed = pooled[:4].sum()
    expected = min(1, 2 * min((sums <= observed).mean(), (sums >= observed).mean()))
    assert mann_whitney(tied_a, tied_b) == pytest.approx(expected)
    assert mann_whitney(np.ones(3), np.ones(4)) == 1


def test_both_tests_keep_their_error_rates():
    random = np.random.default_rng(3)
    ranks, shares = [], []
    for _ in range(250):
        runs = np.where(random.random((2, 8)) < 0.5, -4, 0) + 0.1 * random.standard_normal((2, 8))
        ranks.append(mann_whitney(*runs) < 0.05)
        found = clumps(*runs)
        shares.append(found is not None and found.fisher_p < 0.05)
    assert np.mean(ranks) < 0.07 and np.mean(shares) < 0.05


def test_fifty_runs_per_arm_are_ranked_at_once():
    random = np.random.default_rng(0)
    a, b = random.random(30), random.random(30) + 0.2
    assert mann_whitney(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue, rel=1e-6)


def test_a_diverged_run_is_named():
    with pytest.raises(ValueError, match="run 1 of arm B"):
        clumps(LEARNED, np.array([0.0, np.nan]))
