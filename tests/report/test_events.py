"""Time to a threshold: the event's rule, and both estimators against their definitions by hand."""

import math

import pytest

from app.report.events import Event, kaplan_meier, median, nelson_aalen, time_to


@pytest.mark.parametrize(
    ("losses", "event"),
    [
        ([5, 0.5, 0.5, 0.5, 9], Event(4, reached=True)), ([0.5, 0.5, 0.5], Event(3, reached=True)),
        ([0.5, 0.5, 2, 0.5, 0.5], Event(5, reached=False)), ([0.5, 0.5, 2, 0.5, 0.5, 0.5], Event(6, reached=True)),
        ([1, 1, 1], Event(3, reached=False)), ([0.5], Event(1, reached=False)),
    ],
)  # fmt: skip
def test_the_event_is_the_third_of_three_epochs_in_a_row_below_the_threshold(losses, event):
    assert time_to(losses, 1.0) == event


FOUND = [Event(3, reached=True), Event(3, reached=True), Event(5, reached=False), Event(8, reached=True)]


def test_kaplan_meier_is_one_less_the_product_of_those_that_are_left():
    curve = kaplan_meier(FOUND)
    by_hand = {3: 1 - 2 / 4, 5: 1 - 2 / 4, 8: 1.0}
    assert dict(zip(curve.epochs, curve.values, strict=True)) == pytest.approx(by_hand)
    assert median(curve) == 3


def test_nelson_aalen_is_one_less_the_exponential_of_the_summed_hazard():
    curve = nelson_aalen(FOUND)
    by_hand = {3: 1 - math.exp(-2 / 4), 5: 1 - math.exp(-2 / 4), 8: 1 - math.exp(-2 / 4 - 1)}
    assert dict(zip(curve.epochs, curve.values, strict=True)) == pytest.approx(by_hand)
    assert median(curve) == 8


def test_runs_that_never_come_there_leave_the_likelihood_at_zero_and_no_median():
    found = [Event(9, reached=False)] * 3
    assert [kaplan_meier(found).values.max(), nelson_aalen(found).values.max()] == [0, 0]
    assert median(kaplan_meier(found)) is None
