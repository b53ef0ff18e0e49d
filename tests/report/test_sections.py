"""Sections of a report on single classes and single examples, and sentences whose numbers name their runs."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from results import classified, finished

from app.report import inputs
from app.report.document import parts
from app.report.sections import amounts
from app.report.sections.references import _program

from .readings import Page
from .test_numbers import few_examples, folds, grouped_regression
from .test_page import page_of

MODELS = ("vit_classic", "vit_differential")


def section(document, key):
    return next((each for each in document.sections if each.key == key), None)


def disagreeing(folder, monkeypatch):
    """Two models, of which each is right alone on two examples, whose inputs are in the cache."""
    right = {MODELS[0]: [0, 1], MODELS[1]: [2, 3]}
    for model, seed in ((model, seed) for model in MODELS for seed in range(3)):
        found = np.ones(40, bool)
        found[[*range(4)]] = False
        found[right[model]] = True
        finished(folder, classified(found), dataset="digits", size="1M", model=model, seed=seed)
    monkeypatch.setattr(inputs, "of_rows", lambda run, rows: np.full((len(rows), 1, 8, 8), 9, np.uint8))
    return page_of(folder)


def test_disagreements_have_pictures_inside_the_page_and_their_numbers_in_a_table(tmp_path, monkeypatch):
    document, text = disagreeing(tmp_path, monkeypatch)
    (figure,) = section(document, "disagreements").blocks
    assert [parts.plain(row[0]) for table in figure.tables for row in table.rows] == list("2301")
    assert figure.tables[0].caption.startswith("Only Differential ViT is right, not Classic ViT, on Optical digits")
    pictures = [given.get("href") or "" for tag, given in Page(text).elements if tag == "image"]
    assert len(pictures) == 4 and all(each.startswith("data:image/png;base64,") for each in pictures)


@pytest.mark.slow
def test_without_the_inputs_the_examples_are_listed_and_the_reason_is_given_once(tmp_path):
    random = np.random.default_rng(1)
    for model, (size, shape), seed in itertools.product(MODELS, (("1M", {}), ("300K", {"d_model": 64})), range(2)):
        finished(tmp_path, classified(random.random(60) < 0.6), dataset="digits", size=size, model=model, seed=seed,
                 **shape)  # fmt: skip
    document, _ = page_of(tmp_path)
    blocks = section(document, "disagreements").blocks
    notes = [parts.plain(each.text) for each in blocks if isinstance(each, parts.Paragraph)]
    assert len([note for note in notes if note.startswith("The examples are listed without pictures: the images")]) == 1
    assert [type(each).__name__ for each in blocks].count("Table") >= 2


def test_classes_have_a_row_each_and_are_exploratory(tmp_path):
    few_examples(tmp_path)
    document, _ = page_of(tmp_path)
    about, figure = section(document, "classes").blocks
    assert "Exploratory" in parts.plain(about.text) and len(figure.tables[0].rows) == 10
    assert figure.tables[0].caption.endswith("Differential ViT minus Classic ViT.")


@pytest.mark.slow
def test_folds_say_why_classes_are_not_compared_and_a_regression_has_no_such_section(tmp_path):
    folds(tmp_path / "folds")
    grouped_regression(tmp_path / "regression")
    of_folds, of_values = (page_of(tmp_path / name)[0] for name in ("folds", "regression"))
    (_, reason) = section(of_folds, "classes").blocks
    assert parts.plain(reason.text) == "There is no comparison of classes: the runs are folds, whose test sets differ."
    assert section(of_folds, "disagreements") is None
    assert section(of_values, "classes") is None and section(of_values, "disagreements") is None


def test_numbers_of_a_sentence_are_marked_in_their_order_and_never_inside_another_number():
    given = [amounts.computed(text, float(text), ("a",), text) for text in ("3", "12", "1")]
    found = amounts.marked("13 and 3 seeds (12 if more) detect 1.5 or 1 point", given)
    assert parts.plain(found) == "13 and 3 seeds (12 if more) detect 1.5 or 1 point"
    assert [each.path if isinstance(each, parts.Number) else each for each in found] == [
        "13 and ", "3", " seeds (", "12", " if more) detect 1.5 or ", "1", " point"
    ]  # fmt: skip


def test_the_authors_of_a_reference_are_listed_without_braces():
    found = _program("1", "2026")
    assert re.match(r"The isoscale authors \(2026\)\. isoscale:", found.text) and "{{The" in found.bibtex
