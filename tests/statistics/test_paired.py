"""One run per arm: McNemar's exact test and its mid-p."""

import numpy as np
import pytest
from scipy import stats

from app.statistics.paired import mcnemar


def runs(only_a, only_b, both=30, none=11):
    """Returns what two runs get right, with these numbers of examples."""
    counts = (only_a, only_b, both, none)
    return np.repeat([True, False, True, False], counts), np.repeat([False, True, True, False], counts)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (5, 12), (12, 5), (40, 41), (7, 7), (300, 250)])
def test_p_values_are_those_of_a_fair_coin(b, c):
    found = mcnemar(*runs(b, c))
    assert found.p_exact == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue, rel=1e-9)
    heads = np.arange(b + c + 1)
    probability = stats.binom.pmf(heads, b + c, 0.5)
    distance = np.abs(2 * heads - b - c)
    mid = probability[distance > abs(b - c)].sum() + probability[distance == abs(b - c)].sum() / 2
    assert found.p_mid == pytest.approx(mid, rel=1e-9)
    assert (found.only_a, found.only_b, found.examples) == (b, c, b + c + 41)


def test_the_interval_is_walds_for_a_paired_difference():
    found = mcnemar(*runs(30, 18, both=100, none=52))
    difference = np.subtract(*runs(30, 18, both=100, none=52), dtype=float)
    half = stats.norm.ppf(0.975) * difference.std() / np.sqrt(200)
    assert found.difference == 0.06
    assert found.interval == pytest.approx((0.06 - half, 0.06 + half), rel=1e-12)


def test_runs_that_never_disagree_have_a_p_value_of_1():
    found = mcnemar(*runs(0, 0))
    assert (found.p_exact, found.p_mid, found.difference, found.interval) == (1, 1, 0, (0, 0))


def test_only_right_and_wrong_on_the_same_examples_can_be_paired():
    with pytest.raises(ValueError, match="same examples"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="arm B"):
        mcnemar(np.ones(3, bool), np.array([0, 1, 2]))
