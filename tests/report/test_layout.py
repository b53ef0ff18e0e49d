"""Where everything is in a figure, at the usual width and in a paper's column: facts of every kind of figure."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text
from results import classified, finished

from app.artifacts.runs import find_runs
from app.report import disagreements, loss, style
from app.report.canvas import Canvas
from app.report.series import series_of

from . import kinds, made_up_run

COLUMN = 3.25
OTHERS = (None, 2.5, 5.0, 7.0, 20.0)
DRAWN = [
    *((kind, None) for kind in kinds.OF_A_RUN),
    *((kind, COLUMN) for kind in kinds.PLOTTED[:2]),
    *(pytest.param((kind, COLUMN), marks=pytest.mark.slow) for kind in kinds.PLOTTED[2:]),
    *(pytest.param((kind, width), marks=pytest.mark.slow) for kind in kinds.PLOTTED for width in OTHERS),
    *(pytest.param((kind, width), marks=pytest.mark.slow) for kind in kinds.COMPARED for width in (COLUMN, None)),
]


@pytest.fixture(scope="module", params=DRAWN, ids=str)
def drawn(request, tmp_path_factory):
    """The figures of one kind and the canvas that they are drawn on."""
    kind, width = request.param
    canvas = Canvas(width)
    with pytest.MonkeyPatch.context() as patch:
        return kinds.figures(kind, tmp_path_factory.mktemp("drawn"), patch, canvas), canvas


@pytest.fixture
def texts(monkeypatch):
    """A function that returns the texts that a figure draws."""

    def of(figure):
        found, draw = [], Text.draw
        with monkeypatch.context() as patch:
            patch.setattr(Text, "draw", lambda self, renderer: [found.append(self), draw(self, renderer)][1])
            figure.draw_without_rendering()
        return [text for text in found if text.get_visible() and text.get_text().strip()]

    return of


@pytest.mark.parametrize("width", [COLUMN, None])
def test_long_names_and_no_disagreement_leave_a_figure_that_can_be_read(tmp_path, texts, width):
    for model, more in (("vit_classic", {"size": "1M"}), ("resnet18", {"size": "10M"})):
        finished(tmp_path, classified(np.ones(40, bool)), dataset="digits", model=model, **more)
    pair = series_of(find_runs(tmp_path))
    pair = [replace(each, architecture=f"{each.architecture}, pooling max, projection every block") for each in pair]
    made = disagreements.figure(
        (pair[0], pair[1]), disagreements.Tests.of(*pair), lambda rows: np.zeros((len(rows), 1, 8, 8), np.uint8),
        canvas=Canvas(width),
    )  # fmt: skip
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(made)]
    assert not [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if overlap(a, b)]
    assert all(box.x0 >= -1 and box.x1 <= made.bbox.x1 + 1 for _, box in boxes)
    assert any("no such image" in " ".join(name.split()) for name, _ in boxes)
    assert "their difference is also one of size" in made.get_supxlabel().replace("\n", " ")


def test_texts_are_inside_the_figure_and_apart_from_each_other(drawn, texts):
    for figure in drawn[0]:
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
        whole = figure.bbox
        cut = [
            name for name, box in boxes if min(box.x0, box.y0) < -1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1
        ]
        assert not cut
        assert not [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if overlap(a, b)]


def overlap(one, other, pixels=1):
    """Whether two boxes share more than a pixel in both directions."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    return across > pixels and min(one.y1, other.y1) - max(one.y0, other.y0) > pixels


def test_panels_side_by_side_have_equal_heights_and_panels_of_a_column_are_aligned(drawn):
    for figure in drawn[0]:
        for one, other in combinations([axes for axes in figure.axes if axes.axison or not axes.get_legend()], 2):
            a, b = one.get_position(), other.get_position()
            if min(a.y1, b.y1) - max(a.y0, b.y0) > 1e-6:
                assert (a.y0, a.height) == pytest.approx((b.y0, b.height), abs=1e-6)
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1e-6:
                assert (a.x0, a.width) == pytest.approx((b.x0, b.width), abs=1e-6)


def test_a_figure_is_as_wide_as_asked_and_its_letters_have_readable_sizes(drawn, texts):
    figures, canvas = drawn
    for figure in figures:
        sizes = [text.get_fontsize() for text in texts(figure)]
        assert min(sizes) >= 7
        if canvas.width:
            assert figure.get_figwidth() == canvas.width
        if canvas.width and canvas.width <= COLUMN:
            assert max(sizes) <= 9


def test_a_caption_consists_of_sentences_and_names_n_or_the_runs(drawn):
    for figure in drawn[0]:
        caption = figure.get_supxlabel().replace("\n", " ")
        assert re.search(r"\bn = \d|\bseeds? \(|pixels", caption) and caption.endswith(".")
        assert not re.search(r";|\s\s|\. [a-z]|\.\.", caption)


@pytest.mark.parametrize(
    "kind",
    [
        "loss",
        *(pytest.param(name, marks=pytest.mark.slow) for name in kinds.PLOTTED if name not in ("history", "loss")),
    ],
)
def test_without_its_caption_a_figure_keeps_its_panels_and_the_caption_is_said_on_one_line(kind, tmp_path, monkeypatch):
    said = []
    bare = kinds.figures(kind, tmp_path / "a", monkeypatch, Canvas(COLUMN, caption=False, say=said.append))
    full = kinds.figures(kind, tmp_path / "b", monkeypatch, Canvas(COLUMN))
    for one, other, line in zip(bare, full, said, strict=True):
        assert not one.get_supxlabel() and not one.get_suptitle() and one.get_figheight() < other.get_figheight()
        assert panels(one) == pytest.approx(panels(other), abs=1e-3)
        title, text = (" ".join(words.split()) for words in (other.get_suptitle(), other.get_supxlabel()))
        assert line == f"caption: {title}. {text}"


def panels(figure):
    """The heights of a figure's axes in inches."""
    return [axes.get_position().height * figure.get_figheight() for axes in figure.axes]


def test_figures_of_one_command_have_panels_of_one_height_whatever_their_captions(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(style, "save", lambda figure, *_: found.append(figure) or [])
    sizes = {"vit_classic": ("10M", "25M", "50M"), "vit_differential": ("10M",)}
    loss.draw([made_up_run(tmp_path, model=m, size=s, steps=20) for m in sizes for s in sizes[m]], tmp_path)
    for figure in found:
        with style.house_style():
            figure.draw_without_rendering()
    heights = [height for figure in found for height in panels(figure)]
    assert len(heights) == 4 and heights == pytest.approx([heights[0]] * 4, abs=1e-3)
    assert len({round(figure.get_figheight(), 3) for figure in found}) > 1
