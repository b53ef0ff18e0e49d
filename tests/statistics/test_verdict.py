"""The word for a comparison follows from its intervals, in one order."""

import pytest

from app.statistics.crossed import Estimate
from app.statistics.verdict import verdict, verdicts


def estimate(difference, se=1.0, *, seeds=(5, 5), df=1e6, identical=False):
    return Estimate(
        difference=difference, se=se, df=None if se is None else df, examples=100, groups=100, seeds=seeds,
        means=(difference, 0.0), sds=(1.0, 1.0), examples_part=0.1, identical=identical,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "delta", "word", "at_least", "small"),
    [
        (3.0, None, "better", False, False),
        (-3.0, None, "worse", False, False),
        (1.9, None, "undecided", False, False),
        (3.0, 1.0, "better", True, False),  # 3 - 1.96 > 1
        (2.9, 1.0, "better", False, False),
        (-3.0, 1.0, "worse", True, False),
        (0.3, 2.0, "equivalent", False, False),  # 0.3 + 1.645 < 2
        (0.4, 2.0, "undecided", False, False),
        (2.0, 4.0, "equivalent", False, True),  # more than 0, and yet less than delta
        (-2.0, 4.0, "equivalent", False, True),
        (2.4, 4.0, "better", False, False),  # 2.4 + 1.645 > 4
    ],
)
def test_the_word_follows_from_the_intervals_and_the_margin(difference, delta, word, at_least, small):
    found = verdict(estimate(difference), delta=delta)
    assert (found.word, found.at_least_delta, found.real_but_small) == (word, at_least, small)
    assert found.interval == pytest.approx((difference - 1.95996, difference + 1.95996), abs=1e-4)
    assert found.inner == pytest.approx((difference - 1.64485, difference + 1.64485), abs=1e-4)


def test_one_seed_and_identical_runs_get_no_other_word():
    assert verdict(estimate(9.0, None, seeds=(1, 5)), delta=1.0).word == "one seed"
    assert verdict(estimate(9.0, None, seeds=(2, 2)), delta=1.0).word == "undecided"
    assert verdict(estimate(0.0, None, seeds=(1, 1), identical=True), delta=1.0).word == "identical"


def test_a_stricter_level_widens_both_intervals():
    found = verdict(estimate(2.2), delta=None, level=1 - 0.05 / 3)
    assert found.word == "undecided"
    assert found.interval == pytest.approx((2.2 - 2.39398, 2.2 + 2.39398), abs=1e-4)
    assert found.inner == pytest.approx((2.2 - 2.12805, 2.2 + 2.12805), abs=1e-4)


def test_a_family_follows_holms_p_and_shows_simultaneous_intervals():
    family = [estimate(3.0), estimate(2.1), estimate(0.5), estimate(9.0, None, seeds=(1, 1))]
    found = verdicts(family, delta=None)
    assert [each.word for each in found] == ["better", "undecided", "undecided", "one seed"]
    assert found[0].level == pytest.approx(1 - 0.05 / 3)
    assert found[1].p == pytest.approx(2 * family[1].p)
    assert verdict(family[1], delta=None).word == "better"  # alone
    steps = verdicts(
        [estimate(3.0), estimate(2.3), estimate(2.1)], delta=None
    )  # Holm's later steps are not Bonferroni's
    assert [each.word for each in steps] == ["better", "better", "better"]
    assert steps[2].interval[0] < 0


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_a_margin_is_positive(delta):
    with pytest.raises(ValueError, match="margin"):
        verdict(estimate(1.0), delta=delta)
