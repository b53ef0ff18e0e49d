"""The default comparison equals its definition, the mixed model, Welch's test and McNemar's z; its edges are exact."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from app.statistics.crossed import beats, crossed, one_more_run, welch
from app.statistics.paired import mcnemar


@pytest.fixture
def random():
    return np.random.default_rng(18)


def correct(random, k, n, shift=0.0):
    """Returns what k runs get right on n examples that differ in difficulty."""
    latent = 1.5 * random.standard_normal(n) + 0.3 * random.standard_normal((k, 1)) + random.standard_normal((k, n))
    return latent + shift > 0


def by_loops(a, b):
    """Returns D, SE and df as results.md defines them, in plain Python."""
    k, n = (len(a), len(b)), len(a[0])
    r = [[sum(run) / n for run in arm] for arm in (a, b)]
    means = [sum(arm) / len(arm) for arm in r]
    v = [sum((x - means[m]) ** 2 for x in r[m]) / (k[m] - 1) for m in (0, 1)]
    at = [[sum(run[i] for run in arm) / len(arm) for i in range(n)] for arm in (a, b)]
    e = [
        sum((arm[s][i] - r[m][s] - at[m][i] + means[m]) ** 2 for s in range(k[m]) for i in range(n))
        / ((k[m] - 1) * (n - 1))
        for m, arm in enumerate((a, b))
    ]
    c = [at[0][i] - at[1][i] for i in range(n)]
    d = sum(c) / n
    w = max(0, sum((x - d) ** 2 for x in c) / (n - 1) - e[0] / k[0] - e[1] / k[1]) / n
    square = v[0] / k[0] + v[1] / k[1] + w
    return d, math.sqrt(square), square**2 / sum(v[m] ** 2 / (k[m] ** 2 * (k[m] - 1)) for m in (0, 1)), w


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (3, 5), (10, 2)])
@pytest.mark.parametrize("kind", ["correct", "squared errors"])
def test_the_estimate_equals_its_definition_in_explicit_loops(seeds, kind, random):
    arms = [correct(random, k, 60).astype(float) if kind == "correct" else random.gamma(1, 2, (k, 60)) for k in seeds]
    found = crossed(*arms)
    d, se, df, w = by_loops(*(arm.tolist() for arm in arms))
    assert [found.difference, found.se, found.df] == pytest.approx([d, se, df], rel=1e-12)
    assert found.examples_part == pytest.approx(w, rel=1e-12)
    assert found.interval() == pytest.approx(stats.t.interval(0.95, df, d, se), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(d) / se, df), rel=1e-9)


def reml(parameters, y, arm, run, example):
    """Returns the negative restricted log-likelihood of the crossed model and the variance of D, by full matrices."""
    factor = np.array([[parameters[0], 0], [parameters[1], parameters[2]]])
    covariance, (g, e) = factor @ factor.T, np.exp(parameters[3:]).reshape(2, 2)
    same_example = example[:, None] == example
    v = same_example * covariance[np.ix_(arm, arm)]
    v += (run[:, None] == run) * g[arm] + np.diag(e[arm])
    x = np.stack([arm == 0, arm == 1], 1).astype(float)
    solved = np.linalg.solve(v, np.column_stack([x, y]))
    information = x.T @ solved[:, :2]
    beta = np.linalg.solve(information, x.T @ solved[:, 2])
    rest = y - x @ beta
    value = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + rest @ np.linalg.solve(v, rest)
    contrast = np.array([1, -1])
    return value / 2, contrast @ np.linalg.solve(information, contrast)


@pytest.mark.parametrize("seeds", [(3, 3), (4, 2)])
def test_the_standard_error_is_that_of_the_mixed_model_fitted_by_restricted_likelihood(seeds):
    random, n = np.random.default_rng(4), 12
    effects = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1.2]], n).T  # (2, n)
    arms = [
        effects[m] + 0.8 * random.standard_normal((k, 1)) + (0.5 + 0.3 * m) * random.standard_normal((k, n))
        for m, k in enumerate(seeds)
    ]
    y, arm = np.concatenate([x.ravel() for x in arms]), np.repeat([0, 1], [k * n for k in seeds])
    run, example = np.repeat(np.arange(sum(seeds)), n), np.tile(np.arange(n), sum(seeds))
    start = np.array([1, 0.3, 1, -1, -1, -1, -1])
    fitted = optimize.minimize(lambda p: reml(p, y, arm, run, example)[0], start, method="BFGS", options={"gtol": 1e-7})
    assert crossed(*arms).se ** 2 == pytest.approx(reml(fitted.x, y, arm, run, example)[1], rel=1e-6)


def test_without_an_examples_part_the_estimate_is_welchs(random):
    a, b = correct(random, 4, 300), correct(random, 3, 300, shift=0.4)
    on_this_set = crossed(a, b, target="test-set")
    expected = stats.ttest_ind(a.mean(1), b.mean(1), equal_var=False)
    interval = expected.confidence_interval()
    assert on_this_set.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert on_this_set.df == pytest.approx(expected.df, rel=1e-9)
    assert on_this_set.interval() == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert welch(a.mean(1), b.mean(1)).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_without_variance_over_examples_both_targets_agree():
    right = np.arange(50) < 30
    a, b = np.stack([right, ~right]), np.stack([~np.roll(right, 3), np.roll(right, 3), right])  # errors never coincide
    found = crossed(a, b)
    assert found.examples_part == 0 and found.se > 0
    assert found == crossed(a, b, target="test-set")
    assert found.p == welch(a.mean(1), b.mean(1)).p


def test_with_one_run_each_the_examples_part_gives_mcnemars_z(random):
    a, b = correct(random, 1, 400), correct(random, 1, 400, shift=0.3)
    found, paired = crossed(a, b), mcnemar(a[0], b[0])
    assert found.se is None and found.p is None and found.interval() is None
    wald = (paired.interval[1] - paired.interval[0]) / 2 / stats.norm.ppf(0.975)
    assert math.sqrt(found.examples_part) == pytest.approx(wald * math.sqrt(400 / 399), rel=1e-12)
    assert found.difference == pytest.approx(paired.difference, rel=1e-12)
    assert all(map(math.isnan, found.sds))


def test_swapping_the_arms_changes_the_sign_only(random):
    a, b = correct(random, 3, 200), correct(random, 5, 200)
    one, other = crossed(a, b), crossed(b, a)
    assert (one.difference, one.se, one.df) == (-other.difference, other.se, other.df)
    assert one.interval() == tuple(-x for x in reversed(other.interval()))
    assert one.p == other.p


def test_the_order_of_examples_and_of_seeds_does_not_matter(random):
    a, b, groups = correct(random, 3, 200), correct(random, 5, 200), np.repeat([f"patient {i}" for i in range(50)], 4)
    order = random.permutation(200)
    for kept, given in ((None, None), (groups, groups[order])):
        one, other = crossed(a, b, groups=kept), crossed(a[::-1][:, order], b[[4, 0, 2, 1, 3]][:, order], groups=given)
        assert one.difference == other.difference
        assert (one.se, one.df) == pytest.approx((other.se, other.df), rel=1e-12)


def test_a_table_given_twice_as_groups_of_two_copies_is_the_table(random):
    a, b = (random.random(80) + 0.1 * random.random((k, 80)) for k in (3, 4))
    one = crossed(a, b)
    twice = crossed(np.tile(a, 2), np.tile(b, 2), groups=[*range(80), *range(80)])
    assert (twice.examples, twice.groups) == (160, 80)
    assert [twice.difference, twice.se, twice.df] == pytest.approx([one.difference, one.se, one.df], rel=1e-12)
    assert crossed(np.tile(a, 2), np.tile(b, 2)).examples_part < one.examples_part  # copies are no new examples


def test_groups_of_one_example_change_nothing(random):
    a, b = correct(random, 3, 90), correct(random, 3, 90)
    assert crossed(a, b, groups=[("simulation", i) for i in range(90)]) == crossed(a, b)


def test_runs_of_equal_results_have_no_variance_though_floating_point_finds_one():
    counts = np.zeros((3, 10), bool)
    counts[[0, 1, 2], [4, 8, 1]] = True  # one of ten each
    for arm in (counts, counts.astype(float), np.full((3, 10), 0.1)):
        assert np.var(arm.mean(1), ddof=1) > 0
        assert crossed(arm, arm).sds == (0.0, 0.0)
    assert welch(np.full(3, 0.1), np.full(3, 0.1)).se is None
    assert len({*one_more_run(np.full(3, 0.1))}) == 1


def test_three_constant_runs_per_arm_leave_the_examples_part_with_n_minus_1_degrees_of_freedom():
    one, other = np.zeros(50, bool), np.zeros(50, bool)
    one[:20], other[5:13] = True, True
    found = crossed(np.tile(one, (3, 1)), np.tile(other, (4, 1)))
    c = one.astype(float) - other
    assert (found.se, found.df) == pytest.approx((math.sqrt(c.var(ddof=1) / 50), 49), rel=1e-12)
    two = crossed(np.tile(one, (2, 1)), np.tile(other, (4, 1)))
    assert two.se is None and two.difference == found.difference
    assert crossed(np.tile(one, (3, 1)), np.tile(other, (4, 1)), target="test-set").se is None


def test_equal_runs_are_identical_and_have_no_interval(random):
    row = correct(random, 1, 50)
    for seeds in ((1, 1), (3, 3), (3, 1), (2, 4)):
        found = crossed(np.tile(row, (seeds[0], 1)), np.tile(row, (seeds[1], 1)))
        assert found.identical and found.difference == 0 and found.interval() is None
    changed = row.copy()
    changed[0, 7] ^= True
    assert not crossed(row, changed).identical
    a = correct(random, 3, 50)
    assert crossed(a, a[[2, 0, 1]]).identical and crossed(a, a).se > 0


def test_a_constant_difference_has_no_interval():
    found = crossed(np.zeros((3, 10)), np.ones((3, 10)))
    assert found.difference == -1 and found.examples_part == 0
    assert found.se is None and found.df is None and not found.identical


def test_the_degrees_of_freedom_end_at_a_million(random):
    a = np.tile(np.arange(1000) % 2, (2, 1)).astype(float)
    a[0, 0] = 1e-9
    b = random.integers(0, 2, (1, 1000)).repeat(2, axis=0).astype(float)
    b[0, 0] += 1e-9
    found = crossed(a, b)
    assert found.df == 1e6 and found.se > 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("arm", "AB")
def test_a_diverged_run_is_refused_and_its_arm_is_named(bad, arm):
    arms = {"A": np.ones((3, 5)), "B": np.zeros((3, 5))}
    arms[arm][1, 2] = bad
    with pytest.raises(ValueError, match=f"run 1 of arm {arm}"):
        crossed(arms["A"], arms["B"])
    with pytest.raises(ValueError, match=f"arm {arm}"):
        welch(arms["A"][:, 2], arms["B"][:, 2])


@pytest.mark.parametrize(
    ("a", "b", "groups", "word"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), None, "examples"),
        (np.ones(3), np.ones((2, 3)), None, "shape"),
        (np.ones((0, 3)), np.ones((2, 3)), None, "shape"),
        (np.ones((2, 3)), np.ones((2, 3)), [1, 2], "group"),
        (np.array([["a", "b"]]), np.ones((2, 2)), None, "type"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(a, b, groups, word):
    with pytest.raises(ValueError, match=word):
        crossed(a, b, groups=groups)


def test_one_group_has_no_examples_part(random):
    found = crossed(correct(random, 3, 20), correct(random, 3, 20), groups=["only"] * 20)
    assert found.groups == 1 and math.isnan(found.examples_part) and found.se is None
    assert crossed(correct(random, 3, 20), correct(random, 3, 20), groups=["only"] * 20, target="test-set").se > 0


def test_one_more_run_is_expected_in_the_prediction_interval():
    results = np.array([0.61, 0.63, 0.60, 0.66])
    low, high = one_more_run(results)
    half = stats.t.ppf(0.975, 3) * results.std(ddof=1) * math.sqrt(1.25)
    assert (low, high) == pytest.approx((results.mean() - half, results.mean() + half), rel=1e-9)
    drawn = np.random.default_rng(0).standard_normal((2000, 5))
    inside = [low <= run[4] <= high for run in drawn for low, high in [one_more_run(run[:4])]]
    assert 0.93 < np.mean(inside) < 0.97
    with pytest.raises(ValueError, match="two runs"):
        one_more_run(results[:1])


def test_p_a_beats_b_counts_pairs_and_half_of_the_ties():
    assert beats([3, 1], [2, 1, 0]) == (3 + 1.5) / 6
    assert beats([1.0], [1.0]) == 0.5
