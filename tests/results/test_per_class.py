"""Differences of accuracy per class: the crossed analysis of each class, and marks for a family of classes."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InputError
from app.results.arms import Arm
from app.results.per_class import class_gaps
from app.statistics.crossed import crossed
from app.statistics.several import benjamini_hochberg

from . import classified, finished, fitted

N = 400


def arm(folder, model, rights):
    runs = [
        finished(folder, classified(right), dataset="digits", size="1M", model=model, seed=seed)
        for seed, right in enumerate(rights)
    ]
    return Arm(title=model, runs=tuple(runs))


@pytest.fixture
def rights():
    """What three runs of each arm get right; class 3 is easy for the first arm only, class 0 for both."""
    random, labels = np.random.default_rng(5), np.arange(N) % 10
    found = [random.random((3, N)) < 0.6 for _ in range(2)]
    found[0][:, labels == 3], found[1][:, labels == 3] = True, random.random((3, N // 10)) < 0.1
    for each in found:
        each[:, labels == 0] = True
    return found


def test_a_class_has_the_crossed_difference_of_its_examples_and_the_highest_is_first(tmp_path, rights):
    gaps = class_gaps(arm(tmp_path, "vit_classic", rights[0]), arm(tmp_path, "vit_differential", rights[1]))
    assert gaps[0].number == 3 and gaps[0].examples == N // 10 and gaps[0].name == "class 3"
    assert [each.difference for each in gaps] == sorted((each.difference for each in gaps), reverse=True)
    labels = np.arange(N) % 10
    for gap in gaps:
        own = labels == gap.number
        expected = crossed(rights[0][:, own], rights[1][:, own])
        assert gap.difference == pytest.approx(expected.difference)
        assert gap.interval == (expected.interval() and pytest.approx(expected.interval()))


def test_marks_are_those_of_benjamini_and_hochberg_and_a_class_without_variance_has_no_mark(tmp_path, rights):
    gaps = class_gaps(arm(tmp_path, "vit_classic", rights[0]), arm(tmp_path, "vit_differential", rights[1]))
    labels = np.arange(N) % 10
    ps = {c: crossed(rights[0][:, labels == c], rights[1][:, labels == c]).p for c in range(10)}
    known = {c: p for c, p in ps.items() if p is not None}
    adjusted = dict(zip(known, benjamini_hochberg([*known.values()]), strict=True))
    assert {each.number: each.adjusted for each in gaps} == {c: adjusted.get(c) for c in range(10)}
    (certain,) = [each for each in gaps if each.number == 0]
    assert certain.adjusted is None and certain.interval is None and not certain.marked
    assert {each.number for each in gaps if each.marked} == {c for c, p in adjusted.items() if p < 0.05} >= {3}
    assert gaps[0].to_json()["adjusted_p"] == gaps[0].adjusted


def test_one_run_per_arm_has_differences_without_intervals_or_marks(tmp_path, rights):
    gaps = class_gaps(arm(tmp_path, "vit_classic", rights[0][:1]), arm(tmp_path, "vit_differential", rights[1][:1]))
    assert len(gaps) == 10 and all(each.interval is None and not each.marked for each in gaps)


def test_a_regression_has_no_classes(tmp_path):
    runs = [finished(tmp_path, fitted(np.ones(9)), dataset="nested_cylinder", model=m) for m in ("cnn", "cnn_6")]
    with pytest.raises(InputError, match="nested_cylinder is a regression, which has no classes"):
        class_gaps(*(Arm(title=run.config.model, runs=(run,)) for run in runs))
