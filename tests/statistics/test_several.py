"""Families of p values, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from app.statistics.several import benjamini_hochberg, bonferroni_level, holm


def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_benjamini_hochberg_is_scipys():
    ps = np.random.default_rng(0).random(30) ** 3
    assert benjamini_hochberg(ps) == pytest.approx(stats.false_discovery_control(ps).tolist(), rel=1e-12)
    assert benjamini_hochberg([]) == []


def test_holm_keeps_the_rate_of_any_false_positive():
    ps = np.random.default_rng(1).random((4000, 4))
    assert np.mean([min(holm(row)) < 0.05 for row in ps]) == pytest.approx(0.05, abs=0.01)
    assert bonferroni_level(0.95, 4) == pytest.approx(0.9875)
