"""The decisions of hyperband: bands, thresholds, and what is compared."""

import math

import pytest

from app.errors import InputError
from app.sweeps import hyperband

CURVES = [[5.0, 4.0, 3.0], [6.0, 2.0], [4.0], [7.0, 1.0, 1.0], [3.0]]


def of(**given):
    return hyperband.of_mapping({"type": "hyperband"} | given)


@pytest.mark.parametrize(
    ("given", "bands"),
    [
        ({"min_iter": 3}, (3, 9, 27, 81)),
        ({"min_iter": 2, "eta": 1.5}, (2, 3, 4, 6)),
        ({"max_iter": 27, "s": 2}, (3, 9)),
        ({"max_iter": 27, "s": 9}, (1, 3, 9)),
        ({"max_iter": 10, "s": 2, "eta": 4}, (2,)),
    ],
)
def test_the_bands_are_those_of_wandb(given, bands):
    assert of(**given).bands[: len(bands)] == bands and ("min_iter" in given or len(of(**given).bands) == len(bands))


def test_a_threshold_is_the_value_of_rank_n_over_eta_of_all_runs_that_reached_the_band():
    assert of(min_iter=1, eta=2).thresholds(CURVES)[:3] == [5.0, 2.0, math.inf]  # bands 1, 2, 4; of 5, 3 and 0 runs
    assert of(min_iter=1, eta=3).thresholds(CURVES)[:2] == [4.0, 1.0]  # bands 1 and 3


def test_strict_compares_the_value_at_the_band_and_else_the_best_one_so_far():
    curve, others = [2.0, 5.0, 9.0], [[1.0, 4.0], [1.0, 3.0], [1.0, 4.5]]
    strict, mild = (of(min_iter=2, eta=3, strict=strict).decision(curve, others) for strict in (True, False))
    assert (strict.value, strict.threshold, strict.stops) == (5.0, 4.0, True)
    assert (mild.value, mild.threshold, mild.stops) == (2.0, 4.0, False)
    assert of(min_iter=2).strict


def test_a_run_is_looked_at_again_after_its_band_and_never_before_the_first_one():
    rule = of(min_iter=2, eta=2)
    assert rule.decision([9.0], [[1.0, 1.0]]) is None
    for length in (2, 3):  # band 2 until epoch 4
        assert rule.decision([9.0] * length, [[1.0] * 8] * 2).band == 2
    assert rule.decision([9.0] * 4, [[1.0] * 8] * 2).band == 4


def test_equal_runs_are_not_stopped():
    assert not of(min_iter=1, eta=2).decision([1.0], [[1.0]] * 5).stops


BAD = {
    "no known type": {"type": "envelope"},
    "needs min_iter": {},
    "s is None": {"max_iter": 9},
    "min_iter is 0": {"min_iter": 0},
    "min_iter is 1.5": {"min_iter": 1.5},
    "eta is 1": {"min_iter": 1, "eta": 1},
    "strict is 'yes'": {"min_iter": 1, "strict": "yes"},
    "no key 'minimum'": {"min_iter": 1, "minimum": 2},
    "no band": {"max_iter": 2, "s": 3},
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_rule_is_refused_with_what_is_wrong(says):
    with pytest.raises(InputError, match=says):
        of(**BAD[says])
