"""The disagreements of a report: test examples that most runs of one model get right and most of the other do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from matplotlib.figure import Figure as Drawing

from ...errors import Explained, InputError
from .. import disagreements, inputs
from ..canvas import Canvas
from ..disagreements import Tests
from ..document import svg
from ..document.parts import Block, Figure, Paragraph, Section, Table, Text
from ..series import Series, pair_title
from . import amounts, matched
from .subject import Answer, Subject

_WIDTH = 3.6  # inches: three examples next to each other can be read on a telephone
_COUNT = 6  # examples that only one of the two gets right, in each figure and table


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a comparison of a classification on shared test examples."""
    inner = [
        Section(key=f"disagreements-{place}", title=answer.title, blocks=blocks)
        for place, answer in enumerate(subject.answers, 1) if (blocks := (*_blocks(answer),))
    ]  # fmt: skip
    if not inner:
        return None
    if len(inner) == 1:
        return Section(key="disagreements", title="Disagreements", blocks=inner[0].blocks)
    return Section(key="disagreements", title="Disagreements", sections=tuple(inner))


def drawings(answer: Answer, width: float) -> dict[str, tuple[Drawing, str]]:
    """Return the drawings of a dataset by name, each with its title and caption; none without the inputs here."""
    found = {}
    for place, pair in enumerate(matched.drawn(answer), 1):
        tests = _tests(pair)
        made = _drawn(pair, tests, width) if tests else ""
        if not isinstance(made, str):
            found[f"disagreements-{place}"] = made
    return found


def _tests(pair: tuple[Series, Series]) -> Tests | None:
    """Return the tests of the second series and the first one, or None if their examples differ."""
    try:
        return Tests.of(pair[1], pair[0])
    except InputError:
        return None


def _drawn(pair: tuple[Series, Series], found: Tests, width: float) -> tuple[Drawing, str] | str:
    """Return the drawing with its title and caption, or why there is none."""
    captions: list[str] = []
    canvas = Canvas(width=width, caption=False, say=captions.append)
    read = partial(inputs.of_rows, pair[0].runs[0])
    try:
        made = disagreements.figure((pair[1], pair[0]), found, read, _COUNT, canvas)
    except Explained as error:
        return matched.reason(error)
    return made, captions[-1].removeprefix("caption: ")


def _blocks(answer: Answer) -> Iterator[Block]:
    reasons: set[str] = set()
    for place, pair in enumerate(matched.drawn(answer), 1):
        found = _tests(pair)
        if found is None:
            return
        tables, key = _tables(pair, found), f"disagreements-{place}-{answer.key}"
        made = _drawn(pair, found, _WIDTH)
        if isinstance(made, str):
            if made not in reasons:
                yield Paragraph((f"The examples are listed without pictures: {made}.",), "note")
            reasons.add(made)
            yield from tables
            continue
        title, _, text = made[1].partition(". ")
        yield Figure(
            key=key, title=title, caption=(text,), svg=svg.drawn(made[0], Canvas(width=_WIDTH)),
            description=f"Test examples with their true and their predicted classes: {title}.", tables=tables,
        )  # fmt: skip
    if note := matched.omitted(answer, "disagreements"):
        yield note


def _tables(pair: tuple[Series, Series], found: Tests) -> tuple[Table, ...]:
    """Return the examples that only the second series gets right, and those that only the first one does."""
    series = pair[1], pair[0]
    tables = []
    for at in (0, 1):
        own, its = series[at], series[1 - at]
        rows = found.only(at)
        shown = f"the clearest {_COUNT} of {len(rows):,}" if len(rows) > _COUNT else f"{len(rows):,}"
        tables.append(Table(
            caption=f"Only {own.architecture} is right, not {its.architecture}, on {pair_title(pair)}: {shown} of "
            f"{len(found.rows):,} test examples",
            heads=("row", "true class", "wrong predictions (runs)", f"{own.architecture} right",
                   f"{its.architecture} right"),
            rows=tuple(_row(series, found, int(each), at) for each in rows[:_COUNT]), right=frozenset({3, 4}),
        ))  # fmt: skip
    return tuple(each for each in tables if each.rows)


def _row(series: tuple[Series, Series], found: Tests, example: int, at: int) -> tuple[Text, ...]:
    row, names = int(found.rows[example]), series[0].runs[0].record.data.class_names
    label = int(found.labels[example])
    right = []
    for place in (at, 1 - at):
        own = tuple(run.record.run_id for run in series[place].runs)
        count = round(float(found.shares(place)[example]) * len(own))
        right.append((amounts.computed(f"{count}", count, own, f"right({row})"), f" of {len(own)}"))
    wrong = ", ".join(f"{names[number]} ({times})" for number, times in found.mistaken(1 - at, example))
    return (f"{row:,}",), (names[label],), (wrong,), *right
