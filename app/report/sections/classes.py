"""The accuracy of each class in a report: the differences between architectures at each size, exploratory."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure as Drawing

from ...errors import InputError
from ...results.metrics import METRICS
from ...results.per_class import ClassGap, class_gaps
from .. import classes, growth
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Figure, Paragraph, Section, Table
from ..series import Series, pair_title
from . import amounts, matched
from .subject import Answer, Subject

_TOP1 = METRICS["top1"]


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a comparison of a classification."""
    inner = [
        Section(key=f"classes-{place}", title=answer.title, blocks=blocks)
        for place, answer in enumerate(subject.answers, 1) if (blocks := (*_blocks(answer),))
    ]  # fmt: skip
    if not inner:
        return None
    about = Paragraph((
        "Exploratory: no verdict word is taken from single classes. Each interval is that of one class, and p is "
        "adjusted for all classes (Benjamini and Hochberg).",
    ))  # fmt: skip
    if len(inner) == 1:
        return Section(key="classes", title="Classes", blocks=(about, *inner[0].blocks))
    return Section(key="classes", title="Classes", blocks=(about,), sections=tuple(inner))


def drawings(answer: Answer, width: float) -> dict[str, tuple[Drawing, str]]:
    """Return the drawings of a dataset by name, each with its title and caption."""
    found = {}
    for place, pair in enumerate(matched.drawn(answer), 1):
        gaps, captions = _gaps(pair), list[str]()
        if not isinstance(gaps, str):
            made = classes.figure(pair[1], pair[0], gaps, Canvas(width=width, caption=False, say=captions.append))
            found[f"classes-{place}"] = made, captions[-1].removeprefix("caption: ")
    return found


def _gaps(pair: tuple[Series, Series]) -> list[ClassGap] | str:
    """Return the differences of the second series to the first one, or why there are none."""
    first, other = pair
    try:
        return class_gaps(growth.arm_of(other), growth.arm_of(first))
    except InputError as error:
        return matched.reason(error)


def _blocks(answer: Answer) -> Iterator[Block]:
    pairs = matched.drawn(answer)
    drawn = drawings(answer, svg.WIDTH)
    for place, pair in enumerate(pairs, 1):
        gaps, key = _gaps(pair), f"classes-{place}"
        if isinstance(gaps, str):
            yield Paragraph((f"There is no comparison of classes: {gaps}.",))
            return
        drawing, caption = drawn[key]
        title, _, text = caption.partition(". ")
        yield Figure(
            key=f"{key}-{answer.key}", title=title, caption=(text,), svg=svg.drawn(drawing, Canvas(width=svg.WIDTH)),
            description=f"A row for each class with its difference: {title}.", tables=(_table(pair, gaps),),
        )  # fmt: skip
    if note := matched.omitted(answer, "classes"):
        yield note


def _table(pair: tuple[Series, Series], gaps: list[ClassGap]) -> Table:
    first, other = pair
    runs = tuple(run.record.run_id for each in (other, first) for run in each.runs)
    shown = classes.shown(gaps, Canvas(width=svg.WIDTH))
    left = len(gaps) - len(shown)
    less = f" The {left:,} classes in the middle are omitted." if left else ""
    return Table(
        caption=f"Accuracy of each class on {pair_title(pair)}: {other.architecture} minus {first.architecture}.{less}",
        heads=("class", "test examples", "difference (points)", "95 % interval", "p (adjusted)"),
        rows=tuple(amounts.gap_row(gap, _TOP1, f"class({gap.number})", runs) for gap in shown),
        right=frozenset({1, 2, 3, 4}),
    )  # fmt: skip
