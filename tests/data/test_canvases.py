"""Canvases: each image once in a known cell, distractors of other classes, the same in any batch."""

import numpy as np
import pytest
import torch

from app.data.transforms.canvases import Canvas, distractors, occupied, places
from app.data.transforms.transform import Draws

LABELS = np.arange(40) % 4
ROWS = np.arange(40) * 7 + 3


def canvas_of(count):
    images = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2) + 100  # its number, plus 100
    others = torch.from_numpy(distractors(LABELS, LABELS, ROWS, count))
    return Canvas(images, others, torch.from_numpy(ROWS), torch.tensor([9])), images


def test_a_canvas_has_the_target_in_its_cell_its_distractors_in_theirs_and_the_rest_empty():
    canvas, images = canvas_of(3)
    examples = torch.tensor([5, 11])
    made, targets = canvas(images[examples], torch.tensor([1, 3]), Draws(0, None, examples))
    assert made.shape == (2, 1, 6, 6) and targets.tolist() == [1, 3]
    at = places(torch.from_numpy(ROWS)[examples], 3)
    for number, example in enumerate(examples.tolist()):
        cells = made[number, 0].unfold(0, 2, 2).unfold(1, 2, 2).reshape(9, 4)
        wanted = [9] * 9
        for cell, image in zip(at[number].tolist(), [example, *canvas.others[example].tolist()], strict=True):
            wanted[cell] = image + 100
        assert cells.tolist() == [[value] * 4 for value in wanted]


def test_distractors_are_of_other_classes_and_more_of_them_keep_the_first():
    many, few = distractors(LABELS, LABELS, ROWS, 8), distractors(LABELS, LABELS, ROWS, 2)
    assert (LABELS[many] != LABELS[:, None]).all() and np.array_equal(many[:, :2], few)
    assert len(np.unique(many)) > 30


def test_distractors_of_a_part_of_the_examples_are_those_of_all_examples():
    part = np.array([31, 4, 9])
    few = distractors(LABELS, LABELS[part], ROWS[part], 5)
    assert np.array_equal(few, distractors(LABELS, LABELS, ROWS, 5)[part])
    assert np.array_equal(distractors(LABELS, LABELS[part[:1]], ROWS[part[:1]], 5), few[:1])  # a part with one class
    with pytest.raises(ValueError, match="two classes"):
        distractors(np.zeros(40), np.zeros(3), ROWS[part], 5)


def test_cells_are_distinct_depend_on_row_and_count_only_and_reach_every_place():
    rows = torch.arange(600)
    at = places(rows, 4)
    assert (at.sort(1).values.diff(dim=1) > 0).all() and occupied(at).sum(1).unique().tolist() == [5]
    assert torch.equal(places(rows[17:19], 4), at[17:19]) and not torch.equal(places(rows, 3), at[:, :4])
    assert at[:, 0].bincount(minlength=9).min() > 40
