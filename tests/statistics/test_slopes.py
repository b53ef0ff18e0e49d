"""Scaling fits: lines, the examples' part, floors, and comparisons of two families, against definitions and scipy."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from app.statistics.floors import curve_through, floor
from app.statistics.ladders import ladder
from app.statistics.slopes import equal_exponents, leave_one_size_out, line, line_through, slope_difference
from benchmarks.calibration import Steps, steps_wrong

THREE, FIVE = (10e6, 25e6, 50e6), (5e6, 10e6, 25e6, 50e6, 100e6)


@pytest.fixture
def random():
    return np.random.default_rng(2)


def covers(quantity, truth):
    low, high = quantity.interval()
    return low < truth < high


def exact(sizes, b=0.25, a=0.3, c=0.0):
    return a * (np.array(sizes) / 25e6) ** -b + c


def test_the_line_for_this_test_set_is_that_of_scipys_regression(random):
    sizes, wrong, _ = steps_wrong(random, Steps(THREE, k=3, n=500))
    expected = stats.linregress(np.log(sizes), np.log(wrong.mean(1)))
    found = line(ladder(sizes, wrong), target="test-set")
    assert (found.b.value, found.b.se, found.b.df) == pytest.approx((-expected.slope, expected.stderr, 7), rel=1e-9)
    per_run = line(ladder(sizes, wrong.mean(1)), target="test-set")
    assert per_run.b.interval() == pytest.approx(found.b.interval(), rel=1e-9)
    x = np.log(sizes / found.n0)
    assert found.log_a.value == pytest.approx(expected.intercept + expected.slope * math.log(found.n0))
    at = found.log_error(40e6)
    assert at.value == pytest.approx(found.log_a.value - found.b.value * math.log(40e6 / found.n0))
    spread = 1 / 9 + math.log(40e6 / found.n0) ** 2 / (x @ x)
    assert at.se == pytest.approx(math.sqrt(found.variance * spread), rel=1e-9)


def test_the_examples_part_equals_its_definition_in_explicit_loops(random):
    sizes, wrong, _ = steps_wrong(random, Steps(THREE, k=2, n=80))
    wrong = wrong.astype(float)
    err, x = wrong.mean(1), np.log(sizes)
    values = [[math.log(err[r]) + (wrong[r, i] - err[r]) / err[r] for i in range(80)] for r in range(6)]
    c = [-(x[r] - x.mean()) / sum((x - x.mean()) ** 2) for r in range(6)]
    q = [sum(c[r] * values[r][i] for r in range(6)) for i in range(80)]
    noise = 0.0
    for first in (0, 2, 4):  # the runs of a size
        of_size = np.array(values[first : first + 2])
        rest = of_size - of_size.mean(1, keepdims=True) - of_size.mean(0) + of_size.mean()
        noise += (c[first] ** 2 + c[first + 1] ** 2) * (rest**2).sum() / 79
    w = max(0, np.var(q, ddof=1) - noise) / 80
    narrow, found = line(ladder(sizes, wrong), target="test-set").b, line(ladder(sizes, wrong)).b
    assert np.mean(q) == pytest.approx(found.value, rel=1e-9)
    assert found.se**2 == pytest.approx(narrow.se**2 + w, rel=1e-9) and w > 0
    assert found.df == pytest.approx(4 * (found.se / narrow.se) ** 4, rel=1e-9)


def test_a_copied_test_set_in_groups_is_the_test_set(random):
    sizes, wrong, _ = steps_wrong(random, Steps(THREE, k=2, n=80))
    once, twice = (line(ladder(sizes, np.tile(wrong, copies), groups=[*range(80)] * copies)).b for copies in (1, 2))
    assert (twice.value, twice.se) == pytest.approx((once.value, once.se), rel=1e-9)
    order = random.permutation(6)
    mixed = line(ladder(sizes[order], wrong[order][:, ::-1])).b
    assert (mixed.value, mixed.se, mixed.df) == pytest.approx((once.value, once.se, once.df), rel=1e-9)


@pytest.mark.parametrize("c", [0.0, 0.1])
def test_a_floor_is_found_in_errors_without_noise(c):
    sizes = np.repeat(FIVE, 2)
    fit = floor(ladder(sizes, exact(sizes, c=c)), target="test-set")
    assert (fit.b.value, fit.c.value) == pytest.approx((0.25, c), abs=1e-4)
    assert fit.a == pytest.approx(float(exact([fit.n0])[0]), rel=1e-3)
    assert fit.log_error(25e6).value == pytest.approx(math.log(0.3 + c), abs=1e-6)


def least_by_scipy(x, y, share, b):
    """Returns the least sum of squares that scipy finds from a start."""
    start, bounds = (0.3 * (1 - share), b, 0.3 * share), ([1e-9, 0, 0], [9, 9, 1])
    return 2 * optimize.least_squares(lambda p: y - np.log(p[0] * np.exp(-p[1] * x) + p[2]), start, bounds=bounds).cost


@pytest.mark.parametrize("c", [0.0, 0.15])
def test_the_fit_with_a_floor_is_the_least_of_squares(random, c):
    for _ in range(5):
        sizes, wrong, _ = steps_wrong(random, Steps(FIVE, k=3, n=1000, c=c))
        runs = ladder(sizes, wrong)
        x, y = runs.x - runs.x.mean(), runs.log_errors
        costs = [least_by_scipy(x, y, share, b) for b in (0.1, 0.5) for share in (0.1, 0.6)]
        curve = curve_through(runs)
        found = sum((y[r] - curve(sizes[r])) ** 2 for r in range(len(y)))
        assert found <= min(costs) * (1 + 1e-6)


def test_sizes_that_are_left_out_show_whether_there_is_a_floor():
    sizes = np.repeat(FIVE, 2)
    with_floor, without = (ladder(sizes, exact(sizes, c=c) * (1 + 1e-3 * np.sin(sizes))) for c in (0.15, 0.0))
    assert floor(with_floor, target="test-set").predicts_better
    errors = leave_one_size_out(with_floor, line_through)
    assert list(errors) == list(FIVE) and max(map(abs, errors.values())) > 0.01
    others = np.array([size for size in FIVE if size != 100e6])
    slope, intercept = np.polyfit(np.log(others), np.log(exact(others) * (1 + 1e-3 * np.sin(others))), 1)
    expected = without.log_errors[-1] - intercept - slope * math.log(100e6)
    assert leave_one_size_out(without, line_through)[100e6] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("sizes", "word"), [(np.repeat(THREE, 3), "3 sizes"), (np.repeat((1e6, 2e6, 4e6, 8e6), 2), "factor of 8")]
)
def test_a_floor_needs_four_sizes_over_a_factor_of_ten(sizes, word):
    with pytest.raises(ValueError, match=word):
        floor(ladder(sizes, exact(sizes)))


@pytest.mark.parametrize(
    ("sizes", "errors", "word"),
    [
        ([1e6, 1e6, 2e6, 2e6], [0.3, 0.3, 0.2, 0.2], "2 sizes"),
        ([1e6, 2e6, 3e6], [0.3, 0.3, 0.2], "3 runs"),
        ([1e6, 2e6, 3e6, 3e6], [0.3, 0.3, 0.2, 0.0], "no error"),
        ([1e6, 2e6, 3e6, 3e6], [0.3, 0.3, 0.2, math.nan], "NaN"),
        ([1e6, 2e6, 3e6, 0], [0.3, 0.3, 0.2, 0.2], "positive"),
        ([1e6, 2e6, 3e6], [0.3, 0.3, 0.2, 0.2], "sizes"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(sizes, errors, word):
    with pytest.raises(ValueError, match=word):
        ladder(np.array(sizes), np.array(errors))


def test_results_without_examples_answer_for_the_test_set_only():
    runs = ladder(np.repeat(THREE, 2), 0.99 ** np.arange(6) * exact(np.repeat(THREE, 2)))
    with pytest.raises(ValueError, match="test-set"):
        line(runs)
    assert slope_difference(runs, runs).examples is None


def test_equal_exponents_are_tested_by_the_interaction_of_a_linear_model(random):
    families = [ladder(*steps_wrong(random, Steps(THREE, k=3, n=400, b=b))[:2]) for b in (0.25, 0.5)]
    y, x = (np.concatenate([getattr(runs, name) for runs in families]) for name in ("log_errors", "x"))
    second = np.repeat([0, 1], 9)
    squares = []
    for columns in ([np.ones(18), second, x], [np.ones(18), second, x, second * x]):
        design = np.stack(columns, 1)
        squares.append(((y - design @ np.linalg.lstsq(design, y)[0]) ** 2).sum())
    expected = stats.f.sf((squares[0] - squares[1]) / (squares[1] / 14), 1, 14)
    assert equal_exponents(families) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="two families"):
        equal_exponents(families[:1])


def test_the_crossing_is_given_only_if_the_lines_are_not_parallel(random):
    shared = math.sqrt(0.5) * random.standard_normal(2000)
    steep = ladder(*steps_wrong(random, Steps(THREE, k=5, n=2000, b=0.9), shared)[:2])
    flat = ladder(*steps_wrong(random, Steps(THREE, k=5, n=2000, b=0.1), shared)[:2])
    found = slope_difference(steep, flat)
    assert found.examples.value == pytest.approx(line(steep).b.value - line(flat).b.value, rel=1e-9)
    assert found.crossing == pytest.approx(25e6, rel=0.2)
    assert line_through(steep)(found.crossing) == pytest.approx(line_through(flat)(found.crossing), abs=1e-6)
    swapped = slope_difference(flat, steep)
    assert swapped.examples.se == pytest.approx(found.examples.se, rel=1e-9)
    assert slope_difference(steep, steep).crossing is None


@pytest.mark.parametrize(("n", "crosses"), [(4, False), (400, True)])
def test_lines_that_may_be_parallel_on_other_examples_have_no_crossing(n, crosses):
    sizes = np.repeat(THREE, 2)
    x, noise = np.log(sizes / 25e6)[:, None], 1 + 0.001 * np.cos(np.arange(6))[:, None]
    own = np.resize([0.9, -0.9], n)  # half of the examples gain much from size, half lose
    steep = 0.2 * np.exp(-0.25 * x) * noise * (1 + own * x)
    found = slope_difference(ladder(sizes, steep), ladder(sizes, np.tile(0.2 / noise, n)))
    assert found.test_set.interval()[0] > 0
    assert (found.examples.interval()[0] > 0) == crosses
    assert (found.crossing is not None) == crosses


def test_a_size_of_one_run_has_the_seed_part_of_the_other_sizes(random):
    sizes, wrong, _ = steps_wrong(random, Steps(THREE, k=2, n=80))
    both, one = ladder(sizes, wrong), ladder(sizes[:5], wrong[:5])
    assert one.churn == pytest.approx([*both.churn[:4], (both.churn[0] + both.churn[2]) / 2], rel=1e-12)
    assert (ladder(np.array([1e6, 2e6, 4e6, 8e6]), wrong[:4]).churn == 0).all()


def test_intervals_of_the_exponent_cover_the_planted_one():
    random, inside = np.random.default_rng(5), []
    for _ in range(250):
        sizes, wrong, on_these = steps_wrong(random, Steps(THREE, k=3, n=500))
        runs, here = ladder(sizes, wrong), np.log(on_these)
        slope = -np.polyfit(np.log(THREE), here, 1)[0]
        inside.append((covers(line(runs).b, 0.25), covers(line(runs, target="test-set").b, slope)))
    population, fixed = np.mean(inside, axis=0)
    assert 0.91 <= population <= 0.99 and 0.91 <= fixed <= 0.99
