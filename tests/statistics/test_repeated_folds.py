"""Repeated folds: the rule over groups, Nadeau and Bengio's rule, and the word that needs both."""

import math

import numpy as np
import pytest

from app.statistics.folds import folded, folded_verdict


@pytest.fixture
def random():
    return np.random.default_rng(14)


def partitions(random, repeats, patients, images):
    """Returns folds (R, n) that keep patients complete, and the patients (n,)."""
    owner = np.repeat(np.arange(patients), images)
    return np.stack([(random.permutation(patients) % 5)[owner] for _ in range(repeats)]), owner


def test_both_standard_errors_equal_their_definitions_in_explicit_loops(random):
    folds, owner = partitions(random, 3, 20, 4)
    a, b = random.random((3, 80)) < 0.7, random.random((3, 80)) < 0.6
    found = folded(a, b, folds, groups=owner, n_train=55)
    d = a.astype(float) - b
    by_group = [sum(d[:, i].mean() - d.mean() for i in range(80) if owner[i] == g) for g in range(20)]
    square = 20 / 19 * sum(x**2 for x in by_group) / 80**2 + np.var([d[r].mean() for r in range(3)], ddof=1)
    assert found.estimate.se == pytest.approx(math.sqrt(square), rel=1e-12)
    assert (found.estimate.df, found.estimate.groups, found.estimate.seeds) == (19, 20, (3, 3))
    fold_means = [d[r][folds[r] == f].mean() for r in range(3) for f in range(5)]
    corrected = np.var(fold_means, ddof=1) * (1 / 15 + 16 / 55)
    assert found.nadeau_bengio.se == pytest.approx(math.sqrt(corrected), rel=1e-12)
    assert found.nadeau_bengio.df == 14
    assert found.estimate.difference == found.nadeau_bengio.difference == pytest.approx(d.mean(), abs=1e-15)
    default = folded(a, b, folds, groups=owner).nadeau_bengio
    assert default.se == pytest.approx(math.sqrt(np.var(fold_means, ddof=1) * (1 / 15 + 16 / 64)), rel=1e-12)


def test_one_repeat_is_one_seed_and_equal_arms_are_identical(random):
    folds, owner = partitions(random, 2, 20, 4)
    a, b = random.random((2, 80)) < 0.7, random.random((2, 80)) < 0.6
    one = folded(a[:1], b[:1], folds[:1], groups=owner)
    assert one.estimate.se is None and folded_verdict(one, delta=None).word == "one seed"
    assert folded_verdict(folded(a, a, folds, groups=owner), delta=None).word == "identical"
    constant = folded(np.ones((2, 80)), np.zeros((2, 80)), folds, groups=owner)
    assert constant.estimate.se is None and folded_verdict(constant, delta=None).word == "undecided"


def test_better_needs_both_rules(random):
    folds, owner = partitions(random, 3, 40, 4)
    base = random.random((3, 160)) < 0.5
    gain = random.random((3, 160)) < 0.5
    clear = folded(base | gain, base, folds, groups=owner)
    assert folded_verdict(clear, delta=0.01).word == "better"
    same = np.stack([folds[0], folds[0]])
    of_fold = 0.5 * np.array([1, -1, 1, -1, 0])[same] * [[1], [-1]]  # cancels over the repeats
    d = 0.1 + of_fold + 0.05 * np.sin(owner)
    one_rule = folded(d, np.zeros((2, 160)), same, groups=owner)
    assert one_rule.estimate.interval()[0] > 0 > one_rule.nadeau_bengio.interval()[0]
    assert folded_verdict(one_rule, delta=None).word == "undecided"


def simulated(random, patients, images, repeats=3, gain=0.0):
    """Returns two learners' scores: patients and images are hard for both, and each repeat trains again on new rows."""
    folds, owner = partitions(random, repeats, patients, images)
    n = patients * images
    hard = 0.7 * random.standard_normal(patients)[owner] + 0.5 * random.standard_normal(n)
    arms = []
    for m in (0, 1):
        fixed = 0.35 * random.standard_normal(patients)[owner] + 0.35 * random.standard_normal(n)
        trained = np.take_along_axis(0.15 * random.standard_normal((repeats, 5)), folds, 1)
        arms.append(hard + fixed + trained + 0.6 * random.standard_normal((repeats, n)) + (1 - m) * gain > -0.4)
    return arms[0], arms[1], folds, owner


def test_equal_learners_are_rarely_called_better_or_worse_and_a_large_difference_is_found():
    random = np.random.default_rng(7)
    words, gains = [], []
    for _ in range(200):
        a, b, folds, owner = simulated(random, 80, 4)
        words.append(folded_verdict(folded(a, b, folds, groups=owner), delta=None).word)
    for _ in range(40):
        a, b, folds, owner = simulated(random, 80, 4, gain=0.8)
        gains.append(folded_verdict(folded(a, b, folds, groups=owner), delta=None).word)
    assert np.mean([word in ("better", "worse") for word in words]) < 0.06
    assert np.mean([word == "better" for word in gains]) > 0.9


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shape"):
        folded(np.ones((2, 5)), np.ones((2, 5)), np.ones((1, 5)))
