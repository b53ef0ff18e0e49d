"""The percentages of docs/comparing.md are those that `benchmarks.habits` measures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import habits
from benchmarks.calibration import Cell

PAGE = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text(encoding="utf-8")


def stated(pattern):
    """The numbers of the first sentence on the page that a pattern finds."""
    found = re.search(pattern, PAGE, re.DOTALL)
    assert found, pattern
    return [float(each) for each in found.groups()]


@pytest.mark.slow
def test_the_page_states_what_the_simulations_give():
    low, high = stated(r"with (\d+) to (\d+) % false positives about architectures")
    assert 100 * habits.one_seed(Cell("middle", 1000, 2), 400) == pytest.approx(low, abs=4)
    assert 100 * habits.one_seed(Cell("shaky", 1000, 2), 400) == pytest.approx(high, abs=7)
    three, ten = stated(r"(\d+) % false positives with three seeds of each, and (\d+) % with ten")
    assert 100 * habits.all_pairs(Cell("middle", 1000, 3), 400) == pytest.approx(three, abs=5)
    assert 100 * habits.all_pairs(Cell("middle", 1000, 10), 200) == pytest.approx(ten, abs=9)
    (least, most), (of_folds,) = stated(r"alone gave (\d+) to (\d+) %"), stated(r"15 folds gave (\d+) %")
    assert 100 * habits.seeds_resampled(Cell("shaky", 1000, 3), 600) == pytest.approx(least, abs=6)
    assert 100 * habits.seeds_resampled(Cell("middle", 1000, 3), 600) == pytest.approx(most, abs=6)
    assert 100 * habits.t_over_folds(300) == pytest.approx(of_folds, abs=8)
    least, most = stated(r"did so in (\d+) to (\d+) %")
    assert 100 * habits.without_examples_part(Cell("shaky", 1000, 10), 600) == pytest.approx(least, abs=5)
    assert 100 * habits.without_examples_part(Cell("middle", 1000, 10), 600) == pytest.approx(most, abs=6)
    (looked,) = stated(r"in (\d+) % of studies")
    assert 100 * habits.looks(Cell("middle", 200, 10), 600)[1] == pytest.approx(looked, abs=5)


def test_the_two_classifiers_of_the_folds_are_equally_good():
    random = np.random.default_rng(0)
    gaps = np.array([habits._fold_gaps(random).mean() for _ in range(60)])
    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(60) and gaps.std() > 0.01
