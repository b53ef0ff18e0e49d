"""The noise hypothesis in a report: H with its verdict, accuracies with and without noise, and other corruptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matplotlib.figure import Figure as Drawing

from ...errors import InputError
from ...results.comparison import Comparison, Pair
from ...results.corrupted import Corrupted, gathered
from ...results.metrics import METRICS
from ...tables.corruptions import SEVERITIES
from .. import noise
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Bullets, Figure, Paragraph, Section, Table, Text
from ..series import pairs as pairs_of
from ..series import series_of
from . import amounts, matched, verdict
from .subject import Answer, Subject, compared

_METRIC = METRICS["noise"]


def section(subject: Subject) -> Section | None:
    """Return the section, or None if no run was tested by `robust`."""
    inner = [
        Section(key=f"noise-{place}", title=answer.title, blocks=tuple(_blocks(answer)))
        for place, answer in enumerate(subject.answers, 1) if answer.noise or answer.noiseless
    ]  # fmt: skip
    if not inner:
        return None
    about = Paragraph((
        "The hypothesis is an interaction: H is the change of accuracy under noise of the first model, minus that of "
        "the second. Gaussian, shot and impulse noise at severities 1 to 5 are the primary outcome, which was fixed "
        "beforehand. Other corruptions are exploratory and take no verdict word. A higher accuracy under noise with "
        "H = 0 is no evidence for the hypothesis.",
    ))  # fmt: skip
    if len(inner) == 1:
        return Section(key="noise", title="Noise", blocks=(about, *inner[0].blocks))
    return Section(key="noise", title="Noise", blocks=(about,), sections=tuple(inner))


def drawings(answer: Answer, width: float, more: Corrupted | None = None) -> dict[str, tuple[Drawing, str]]:
    """Return the drawings of a dataset by name, each with its title and caption.

    `more` are the outcomes of its runs, if they were read.
    """
    found: dict[str, tuple[Drawing, str]] = {}
    if not answer.noise:
        return found
    captions: list[str] = []
    canvas = Canvas(width=width, caption=False, say=captions.append)
    series, more = series_of(matched.compared(answer)), more or _gathered(answer)
    found["noise-severity"] = noise.severities(series, more, canvas), captions[-1]
    found["noise-clean"] = noise.clean(series, more, canvas), captions[-1]
    try:
        both = pairs_of(series)
    except InputError:
        both = []
    for place, (first, other) in enumerate(both, 1):
        made = noise.interaction(other, first, noise.rows(other, first), canvas)
        found[f"noise-h-{place}"] = made, captions[-1]
    return {name: (made, caption.removeprefix("caption: ")) for name, (made, caption) in found.items()}


def _gathered(answer: Answer) -> Corrupted:
    return gathered(matched.compared(answer), _METRIC)


def _blocks(answer: Answer) -> Iterator[Block]:
    comparison = answer.noise
    if comparison is None:
        yield Paragraph((f"There is no comparison under noise: {answer.noiseless}",))
        return
    of_noise = replace(answer, comparison=comparison)
    for pair in comparison.pairs:
        yield Paragraph(verdict.sentence(of_noise, pair), "verdict")
    more = _gathered(answer)
    yield _means(answer, comparison, more)
    yield from _figures(answer, more)
    for pair in comparison.pairs:
        if pair.explored:
            yield _explored(of_noise, pair)
    yield Bullets(tuple((f"{note}.",) for note in comparison.notes[:1]))


def _means(answer: Answer, comparison: Comparison, more: Corrupted) -> Table:
    """Return the accuracy of each model with and without noise, and the change."""
    records = {run.record.run_id: run for run in answer.runs}
    rows = []
    for arm in comparison.arms:
        each = [noise.points(records[run_id], more) for run_id in arm.run_ids]
        cells: list[Text] = []
        for name in ("clean", "noisy"):
            value = sum(getattr(one, name) for one in each) / len(each) / 100
            cells.append((amounts.computed(amounts.percent(value), value, arm.run_ids, f"under-noise({name})"),))
        rows.append(((arm.title,), *cells, (amounts.mean(arm, comparison, 2),), amounts.sd(arm, comparison, 2)))
    return Table(
        caption=f"Accuracy under noise on {answer.title}: means over runs. The change is noisy minus clean.",
        heads=("model", "clean", "noisy", "change", "sd of a run's change"), rows=tuple(rows),
        right=frozenset({1, 2, 3, 4}),
    )  # fmt: skip


def _figures(answer: Answer, more: Corrupted) -> Iterator[Figure]:
    described = {
        "noise-severity": "One line per model from severity 0 to 5", "noise-clean": "One marker per run",
    }  # fmt: skip
    for name, (drawing, caption) in drawings(answer, svg.WIDTH, more).items():
        title, _, text = caption.partition(". ")
        yield Figure(
            key=f"{name}-{answer.key}", title=title, caption=(text,), svg=svg.drawn(drawing, Canvas(width=svg.WIDTH)),
            description=f"{described.get(name, 'A row per corruption with its difference')}: {title}.",
            tables=(_severities(answer, more),) if name == "noise-severity" else (),
        )  # fmt: skip


def _severities(answer: Answer, more: Corrupted) -> Table:
    rows = []
    for each in series_of(matched.compared(answer)):
        ids = [run.record.run_id for run in each.runs]
        found = [noise.points(run, more).at for run in each.runs]
        values = [sum(column) / len(column) / 100 for column in zip(*found, strict=True)]
        cells: list[Text] = [
            (amounts.computed(amounts.percent(value), value, ids, f"under-noise({severity})"),)
            for severity, value in enumerate(values)
        ]
        rows.append(((f"{each.architecture} {each.size}",), *cells))
    return Table(
        caption=f"Accuracy on {answer.title} by severity, means over runs and the primary corruptions",
        heads=("model", "clean", *map(str, SEVERITIES)), rows=tuple(rows), right=frozenset(range(1, 7)),
    )  # fmt: skip


def _explored(answer: Answer, pair: Pair) -> Table:
    runs = compared(answer.of(pair))
    return Table(
        caption=f"Exploratory: H by corruption on {answer.title}, {pair.a} against {pair.b}. p is adjusted for all "
        "rows (Benjamini and Hochberg).",
        heads=("corruption", "test examples", "H (points)", "95 % interval", "p (adjusted)"),
        rows=tuple(amounts.gap_row(each, _METRIC, f"noise-of({each.name})", runs) for each in pair.explored),
        right=frozenset({1, 2, 3, 4}),
    )  # fmt: skip
