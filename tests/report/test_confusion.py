"""Figures of the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InputError
from app.report import confusion, scaling, selection
from app.tables.symmetry import BRAVAIS

from . import made_up_run


def test_every_row_of_shares_sums_to_one_and_an_empty_class_has_none():
    share = confusion.shares(np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]]))
    assert share.sum(axis=1)[[0, 2]] == pytest.approx([1, 1])
    assert np.isnan(share[1]).all()


def test_the_most_confused_pairs_come_largest_share_first_and_without_zeros():
    counts = np.array([[3, 1, 0], [0, 50, 50], [0, 0, 9]])
    assert confusion.most_confused(counts, 10) == [(1, 2), (0, 1)]


def test_few_classes_have_their_names_and_counts_at_the_rows(tmp_path):
    run = made_up_run(tmp_path, dataset="bach", top1=0.7, steps=1)
    paths = confusion.draw_run(run)
    assert paths == [run.files.confusion_png, run.files.confusion_svg]
    svg = paths[1].read_text(encoding="utf-8")
    assert "class 3" in svg
    assert "n = 100" in svg


@pytest.mark.slow
def test_a_hundred_classes_have_their_most_confused_pairs_listed(tmp_path):
    svg = confusion.draw_run(made_up_run(tmp_path, steps=1))[1].read_text(encoding="utf-8")
    assert "Most confused classes" in svg
    assert "15 class 15" in svg


def test_a_run_without_results_is_told_to_be_evaluated(tmp_path):
    with pytest.raises(InputError, match="evaluate --run"):
        confusion.draw_run(made_up_run(tmp_path, top1=None, steps=1))


def test_names_of_bravais_lattices_are_listed_whole():
    assert [name for name in BRAVAIS if confusion._short(name) != name] == []


def test_rows_are_called_what_they_are(tmp_path):
    run = made_up_run(tmp_path, dataset="diffraction", model="resnet1d", steps=1)
    told = [
        *confusion._facts(run, np.eye(14, dtype=int)),
        *scaling._facts([scaling.Kind("10M", 0, [scaling.Point(run, 1.0, 1.0, 0.0, 2.0)])], []),
    ]
    assert "n = 1,400 test patterns" in " ".join(told) and "image" not in " ".join(told)
    assert selection.examples([made_up_run(tmp_path, dataset="bach", steps=1)]) == "images"
