"""Seeds, examples and looks are planned with the power of the noncentral t."""

import math

import pytest
from scipy import stats

from app.statistics.planning import look_level, needed_seeds, power, upper_factor


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("d", [0.0, 0.5, 2.0, -2.0, 40.0])
def test_without_an_examples_part_power_is_that_of_the_noncentral_t(k, d):
    se, df = math.sqrt(2 / k), 2 * k - 2
    t = stats.t.ppf(0.975, df)
    nct = stats.nct(df, abs(d) / se)
    expected = 1.0 if d == 40 else nct.sf(t) + nct.cdf(-t)  # of 40 scipy has no number
    assert power(k, 1.0, 1.0, 0.0, d) == pytest.approx(expected, abs=1e-6)


def test_power_of_no_difference_is_the_rate_of_false_positives():
    assert power(3, 1.0, 2.0, 0.5, 0.0) == pytest.approx(0.05, abs=1e-9)
    assert power(3, 1.0, 2.0, 0.5, 0.0, level=0.99) == pytest.approx(0.01, abs=1e-9)
    assert power(3, 0.0, 0.0, 1.0, 2.8) == pytest.approx(0.8, abs=1e-3)  # examples only
    assert power(3, 0.0, 0.0, 0.0, 0.1) == 1


def test_the_seeds_needed_are_the_fewest_with_the_wanted_power():
    found = needed_seeds(1.0, 1.0, 0.05, 1.5, examples=1000, runs=(3, 3))
    assert power(found.seeds, 1.0, 1.0, 0.05, 1.5) >= 0.8 > power(found.seeds - 1, 1.0, 1.0, 0.05, 1.5)
    assert found.examples is None
    wider = upper_factor((3, 3))
    assert wider == pytest.approx(2.43, abs=0.01)  # 4 / chi2(0.2, 4)
    upper = found.seeds_upper
    assert power(upper, wider, wider, 0.05, 1.5) >= 0.8 > power(upper - 1, wider, wider, 0.05, 1.5)
    assert needed_seeds(1.0, 1.0, 0.05, 1.5, examples=1000).seeds_upper is None


def test_no_number_of_seeds_finds_a_difference_below_the_examples_part():
    found = needed_seeds(1.0, 1.0, w=0.04, delta=0.56, examples=1000, runs=(3, 3))  # 2.80 sqrt(w) = 0.5603
    assert found.seeds is None and found.seeds_upper is None
    assert found.examples == math.ceil(1000 * 7.8489 * 0.04 / 0.56**2)
    assert power(10**6, 1.0, 1.0, 0.04, 0.56) < 0.8
    assert power(10**6, 1.0, 1.0, 0.04 * 1000 / found.examples, 0.56) == pytest.approx(0.8, abs=1e-3)


def test_a_difference_that_more_than_50_seeds_would_find_has_no_number():
    found = needed_seeds(100.0, 100.0, 0.0, 1.0, examples=1000)
    assert (found.seeds, found.examples, found.most_seeds) == (None, None, 50)


def test_looks_share_the_error_rate():
    assert look_level(1) == 0.95
    assert look_level(3) == pytest.approx(1 - 0.05 / 3)
    for bad in (lambda: look_level(0), lambda: power(1, 1, 1, 1, 1), lambda: upper_factor((1, 1))):
        with pytest.raises(ValueError):
            bad()
