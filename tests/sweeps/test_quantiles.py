"""Quantiles of W&B's distributions: formulas, weights of end points, and scipy's own for the normal and beta."""

import itertools
import math
from collections import Counter

import pytest
from scipy import stats

from app.errors import InputError
from app.sweeps import parameters, quantiles

US = [(at + 0.5) / 1000 for at in range(1000)]


def of(its):
    (found,) = parameters.of_mapping({"x": its})
    return found


def shares(its, count=20_000):
    values = Counter(of(its).at((at + 0.5) / count) for at in range(count))
    return {value: round(number / count, 3) for value, number in sorted(values.items())}


@pytest.mark.parametrize(
    ("its", "distribution"),
    [
        ({"value": 3}, "constant"),
        ({"values": [1, 2]}, "categorical"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "categorical_w_probabilities"),
        ({"min": 1, "max": 9}, "int_uniform"),
        ({"min": 1, "max": 9.0}, "uniform"),
        ({"distribution": "q_uniform", "min": 1, "max": 9}, "q_uniform"),
    ],
)
def test_a_distribution_is_inferred_as_wandb_does(its, distribution):
    assert of(its).distribution == distribution


def test_the_end_points_of_q_uniform_have_half_the_weight():
    its = {"distribution": "q_uniform", "min": 0.0, "max": 0.05, "q": 0.01}
    assert shares(its) == {0.0: 0.1, 0.01: 0.2, 0.02: 0.2, 0.03: 0.2, 0.04: 0.2, 0.05: 0.1}


def test_a_quantised_value_may_be_below_min_and_is_whole_if_q_is():
    assert min(shares({"distribution": "q_uniform", "min": 0.012, "max": 0.05, "q": 0.005})) == 0.01
    sides = shares({"distribution": "q_uniform", "min": 32, "max": 96, "q": 32})
    assert list(map(type, sides)) == [int] * 3 and list(sides) == [32, 64, 96]
    assert [quantiles.quantile("q_uniform", {"min": 0, "max": 5, "q": 2}, u) for u in (0.2, 0.6)] == [
        0,
        4,
    ]  # half to even


def test_a_quantised_value_has_no_more_digits_than_q():
    values = shares({"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.1})
    assert [repr(value) for value in values] == [repr(at / 10) for at in range(11)]
    rates = shares({"distribution": "q_log_uniform_values", "min": 1e-4, "max": 2e-3, "q": 1e-4})
    assert len(rates) == 20 and list(rates.values())[:4] == [0.135, 0.171, 0.112, 0.084]


@pytest.mark.parametrize(
    ("its", "reference"),
    [
        ({"distribution": "log_uniform", "min": -9, "max": -2}, lambda u: math.exp(-9 + 7 * u)),
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1}, lambda u: 1e-5 * 1e4**u),
        ({"distribution": "inv_log_uniform", "min": 1, "max": 5}, lambda u: math.exp(-1 - 4 * (1 - u))),
        ({"distribution": "inv_log_uniform_values", "min": 1e-4, "max": 1e-1}, lambda u: 1e-4 * 1e3**u),
        ({"distribution": "normal", "mu": 2, "sigma": 3}, stats.norm(2, 3).ppf),
        ({"distribution": "log_normal", "mu": -1, "sigma": 0.5}, stats.lognorm(0.5, scale=math.exp(-1)).ppf),
        ({"distribution": "beta", "a": 2, "b": 5}, stats.beta(2, 5).ppf),
        ({"distribution": "q_normal", "q": 0.25}, lambda u: round(stats.norm.ppf(u) / 0.25) * 0.25),
        ({"distribution": "q_beta", "a": 2, "b": 2, "q": 0.1}, lambda u: round(stats.beta.ppf(u, 2, 2), 1)),
        ({"distribution": "q_log_normal", "q": 2}, lambda u: round(math.exp(stats.norm.ppf(u)) / 2) * 2),
        ({"distribution": "q_log_uniform", "min": 0, "max": 6, "q": 4}, lambda u: round(math.exp(6 * u) / 4) * 4),
        ({"min": -3, "max": 11}, lambda u: -3 + math.ceil(15 * u) - 1),
    ],
)  # fmt: skip
def test_a_quantile_is_that_of_the_formula(its, reference):
    assert [of(its).at(u) for u in US] == pytest.approx([reference(u) for u in US], rel=1e-12)


def test_values_have_equal_shares_or_their_probabilities():
    assert shares({"values": ["a", "b", "c", "d"]}) == dict.fromkeys("abcd", 0.25)
    assert shares({"values": ["a", "b"], "probabilities": [0.2, 0.8]}) == {"a": 0.2, "b": 0.8}


def test_nested_parameters_have_dotted_names_and_are_sorted_at_each_level():
    found = parameters.of_mapping({"z": {"value": 1}, "b": {"parameters": {"y": {"value": 2}, "a": {"value": 3}}}})
    assert [each.name for each in found] == ["b.a", "b.y", "z"]


def test_a_grid_has_each_value_once_and_q_uniform_ends_before_max():
    grids = ({"values": [1, 2, 2.0, True]}, {"min": 2, "max": 4}, {"value": 7},
             {"distribution": "q_uniform", "min": 0.0, "max": 0.3, "q": 0.1})  # fmt: skip
    assert [list(of(its).grid) for its in grids] == [[1, 2, True], [2, 3, 4], [7], [0.0, 0.1, 0.2]]
    with pytest.raises(InputError, match="no list of values"):
        _ = of({"min": 0.0, "max": 1.0}).grid


@pytest.mark.parametrize(
    "its", [{"min": 0, "max": 10**12}, {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 1e-9}]
)
def test_a_grid_of_more_values_than_a_sweep_has_trials_is_refused_before_they_are_listed(its):
    with pytest.raises(InputError, match=r",000,00\d values .* 100,000 trials"):
        _ = of(its).grid


BAD = {
    "min 3 is not below max 3": {"min": 3, "max": 3},
    "needs max": {"distribution": "uniform", "min": 3},
    "no key 'q'": {"distribution": "uniform", "min": 0.0, "max": 1.0, "q": 1},
    "unknown distribution 'unform'. Did you mean `uniform`": {"distribution": "unform"},
    "no distribution": {"min": 3},
    "sum to 0.9": {"values": [1, 2], "probabilities": [0.5, 0.4]},
    "2 values and 1 probabilities": {"values": [1, 2], "probabilities": [1]},
    "numbers from 0 to 1": {"values": [1, 2], "probabilities": [-1, 2]},
    "values is \\[\\]": {"values": []},
    "min is 'low', not a number": {"min": "low", "max": 1.0},
    "q is 0": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0},
    "has no logarithm": {"distribution": "log_uniform_values", "min": 0, "max": 1},
    "exponents of e": {"distribution": "log_uniform", "min": 1, "max": 1000},
    "not a mapping": 3,
    "Use a whole number": {"distribution": "int_uniform", "min": 0.5, "max": 2},
    "Remove one of them": {"parameters": {"a": {"value": 1}}, "value": 2},
    "has the value": {"values": [{"a": 1}]},
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_parameter_is_refused_with_what_is_wrong(says):
    with pytest.raises(InputError, match=says):
        of(BAD[says])


@pytest.mark.parametrize("name", ["9a", "a b", ""])
def test_a_name_outside_of_wandb_s_pattern_is_refused(name):
    with pytest.raises(InputError, match="not a parameter's name"):
        parameters.of_mapping({name: {"value": 1}})


def test_every_distribution_is_increasing_in_its_quantile():
    for kind, form in quantiles.FORMS.items():
        if kind not in ("constant", "categorical", "categorical_w_probabilities"):
            its = {"min": 1, "max": 3} | {key: value for key, value in form.defaults.items() if key != "q"}
            values = [of({"distribution": kind} | {k: its[k] for k in its if k in form.keys}).at(u) for u in US[::20]]
            assert all(low <= high for low, high in itertools.pairwise(values)), kind
