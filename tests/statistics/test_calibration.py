"""The error rates of every rule on simulated runs: false positives under both nulls, coverage, power, looks, slopes.

Seeds are fixed, so that a rate changes only with the code. `python -m benchmarks.calibration` prints the table.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from app.statistics.crossed import crossed
from app.statistics.floors import floor
from app.statistics.planning import power
from app.statistics.slopes import line
from app.statistics.verdict import verdict
from benchmarks.calibration import (
    APART,
    CELLS,
    CURVE,
    LINE,
    Cell,
    answers,
    at_the_margin,
    coverage,
    differences,
    equal_slopes,
    exponents,
    false_positives,
    looks,
    true_variances,
    without_examples_part,
)

NULLS = {"A/A": 0.0, "A/B": APART}


def test_the_simulated_comparisons_are_those_of_crossed_and_verdict():
    cell = Cell("shaky", 50, 2)
    (parts,) = answers(np.random.default_rng(0), cell, 60, apart=APART)
    found = differences(iter([parts]))
    for trial, (a, b) in enumerate(zip(*parts, strict=True)):
        one = crossed(a, b)
        assert one.difference == pytest.approx(found.d[trial], abs=1e-12)
        assert (one.se is None) == np.isnan(found.se[trial])
        words = {"better", "worse"} if found.rejected()[trial] else {"undecided"}
        assert verdict(one, delta=None).word in words
        assert (verdict(one, delta=0.1).word == "equivalent") == found.equivalent(0.1)[trial]
        if one.se is not None:
            assert (one.se, one.df) == pytest.approx((found.se[trial], found.df[trial]), rel=1e-12)


def test_small_cells_keep_the_error_rate_under_both_nulls_and_cover_a_true_difference():
    small = [cell for cell in CELLS if cell.n == 200]
    rates = [false_positives(cell, 1000, apart=apart) for cell in small for apart in NULLS.values()]
    assert all(0.02 <= rate <= 0.08 for rate in rates) and 0.04 <= np.mean(rates) <= 0.06
    covered = [coverage(cell, 1000) for cell in small]
    assert all(0.92 <= rate <= 0.98 for rate in covered)


def of_the_page():
    """Returns the false positives that docs/statistics.md shows, in percent, by regime, null, n and k."""
    page = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    rows = re.findall(r"^\| (middle|shaky) (A/A|A/B), false positives \|(.*)\|$", page, flags=re.M)
    columns = [(n, k) for n in (200, 1000) for k in (2, 3, 5)]
    return {
        (Cell(regime, *column), null): float(rate)
        for regime, null, rates in rows
        for column, rate in zip(columns, rates.split("|"), strict=True)
    }


@pytest.mark.slow
def test_every_cell_keeps_the_error_rate_under_both_nulls_as_the_page_shows():
    rates = {(cell, null): false_positives(cell, 4000, apart=apart) for cell in CELLS for null, apart in NULLS.items()}
    assert all(0.02 <= rate <= 0.08 for rate in rates.values()), rates
    assert 0.04 <= np.mean([*rates.values()]) <= 0.06
    assert of_the_page() == pytest.approx({cell: 100 * rate for cell, rate in rates.items()}, abs=0.2)


@pytest.mark.slow
def test_every_cell_covers_a_true_difference():
    rates = {cell: coverage(cell, 4000) for cell in CELLS}
    assert all(0.93 <= rate <= 0.97 for rate in rates.values()), rates


def test_without_the_examples_part_different_architectures_are_called_different_too_often():
    cell = Cell("middle", 1000, 5)
    assert without_examples_part(cell, 300) > 0.10
    assert false_positives(cell, 300, apart=APART) < 0.08


@pytest.mark.parametrize("cell", [Cell("middle", 200, 3), Cell("middle", 200, 5), Cell("shaky", 200, 2),
                                  Cell("shaky", 200, 3), Cell("shaky", 200, 5), Cell("middle", 300, 10)])  # fmt: skip
def test_power_by_the_formula_is_that_of_simulated_runs(cell):
    v, w = true_variances(cell)
    gain = 2.5 * np.sqrt(2 * v / cell.k + w)
    trials = answers(np.random.default_rng((7, cell.n, cell.k)), cell, 1200, apart=APART, gain=gain)
    assert differences(trials).rejected().mean() == pytest.approx(power(cell.k, v, v, w, gain), abs=0.04)


def test_a_difference_of_exactly_the_margin_is_rarely_called_equivalent_and_none_often_is():
    cell = Cell("middle", 300, 5)
    assert 0.03 <= at_the_margin(cell, 1500, 0.08) <= 0.06
    none = differences(answers(np.random.default_rng(4), cell, 300, apart=APART))
    assert none.equivalent(0.08).mean() > 0.5


def test_three_planned_looks_keep_the_error_rate_and_unplanned_ones_do_not():
    planned, unplanned = looks(Cell("middle", 200, 10), 1500)
    assert planned <= 0.06 and unplanned > 0.09


@pytest.mark.slow
def test_intervals_of_exponents_cover_on_this_test_set_and_on_new_examples():
    rates = exponents(LINE, 400, line)
    assert all(0.92 <= rate <= 0.98 for rate in rates), rates


@pytest.mark.slow
def test_intervals_of_exponents_cover_with_a_floor_where_a_line_never_does():
    rates = exponents(CURVE, 120, floor)
    assert all(0.92 <= rate <= 0.98 for rate in rates), rates
    assert exponents(CURVE, 20, line)[0] < 0.05


@pytest.mark.slow
def test_equal_exponents_are_rarely_called_different():
    assert 0.02 <= equal_slopes(LINE, 400) <= 0.08
