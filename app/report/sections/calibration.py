"""The calibration of the models: negative log-likelihood and Brier score, which are proper, and their differences."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from ...config import checks
from ...results import wording
from ...results.comparison import Comparison
from .. import diagram
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Bullets, Figure, Paragraph, Section, Table, Text
from ..series import Series
from . import amounts, matched, pairs
from .subject import Answer, Subject, ids

METRICS = ("nll", "brier", "ece-debiased", "ece")


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a classification that was compared."""
    inner = [
        Section(key=f"calibration-{place}", title=answer.title, blocks=_answer(answer))
        for place, answer in enumerate(subject.answers, 1) if answer.calibration or answer.uncalibrated
    ]  # fmt: skip
    if not inner:
        return None
    about = Paragraph((
        "Lower is better. The negative log-likelihood and the Brier score are proper scores. The debiased calibration "
        "error (15 bins of equal mass) of a calibrated model is 0 on average, and below 0 in half of all cases. The "
        "expected calibration error (15 bins of equal width) of such a model is not 0 and depends on n, so compare it "
        "on one test set only. These comparisons are exploratory and take no verdict word.",
    ))  # fmt: skip
    if len(inner) == 1:
        return Section(key="calibration", title="Calibration", blocks=(about, *inner[0].blocks))
    return Section(key="calibration", title="Calibration", blocks=(about,), sections=tuple(inner))


def _answer(answer: Answer) -> tuple[Block, ...]:
    found = answer.calibration
    without = [Bullets(tuple((text,) for text in answer.uncalibrated))] if answer.uncalibrated else []
    if not found:
        return tuple(without)
    rows = []
    for place, arm in enumerate(found[0].arms):
        cells: list[Text] = []
        for comparison in found:
            own = comparison.arms[place]
            cells += [
                (amounts.mean(own, comparison, _places(comparison)),),
                amounts.sd(own, comparison, _places(comparison)),
            ]
        rows.append(((arm.title,), *cells))
    heads = [head for comparison in found for head in (_head(comparison), "sd")]
    means = Table(
        caption=f"Calibration on {answer.title}: means over runs, and the standard deviation of a run",
        heads=("model", *heads), rows=tuple(rows), right=frozenset(range(1, 1 + len(heads))),
    )  # fmt: skip
    return (*without, *_figures(answer), means, _differences(answer))


def _figures(answer: Answer) -> tuple[Figure, ...]:
    """Return the reliability diagram of each size, with its numbers as a table."""
    found = []
    sizes = diagram.by_size(matched.compared(answer)).values()
    for (name, (drawing, caption)), series in zip(drawings(answer, svg.WIDTH).items(), sizes, strict=True):
        title, _, text = caption.partition(". ")
        found.append(Figure(
            key=f"{name}-{answer.key}", title=title, caption=(text,), svg=svg.drawn(drawing, Canvas(width=svg.WIDTH)),
            description=f"{title}: one line per model near a diagonal.", tables=(_points(title, series),),
        ))  # fmt: skip
    return tuple(found)


def drawings(answer: Answer, width: float) -> dict[str, tuple[Drawing, str]]:
    """Return the reliability diagrams of a dataset by name, each with its title and caption."""
    found: dict[str, tuple[Drawing, str]] = {}
    if not answer.calibration:
        return found
    for size, series in diagram.by_size(matched.compared(answer)).items():
        captions: list[str] = []
        made = diagram.figure(series, Canvas(width=width, caption=False, say=captions.append))
        found[f"reliability-{checks.file_part(size)}"] = made, captions[-1].removeprefix("caption: ")
    return found


def _points(title: str, series: Sequence[Series]) -> Table:
    rows = []
    for each in series:
        runs = [run.record.run_id for run in each.runs]
        for place, values in enumerate(diagram.points(each), 1):
            names = ("confidence", "accuracy", "examples", "interval.0", "interval.1")
            confidence, accuracy, _, low, high = (
                amounts.computed(amounts.percent(value), value, runs, f"reliability({place}).{name}")
                for name, value in zip(names, values, strict=True)
            )
            rows.append(((each.architecture,), (f"{place}",), (confidence,), (accuracy,), (low, " to ", high)))
    return Table(
        caption=f"{title}: means over runs", heads=("model", "bin", "confidence", "accuracy", "95 % interval"),
        rows=tuple(rows), right=frozenset({1, 2, 3, 4}),
    )  # fmt: skip


def _differences(answer: Answer) -> Table:
    rows = []
    for comparison in answer.calibration:
        for pair in comparison.pairs:
            runs, metric = ids(answer.of(pair)), comparison.metric
            path, places = pairs.path(pair, metric), wording.decimals_of(metric, pair.interval, pair.difference)
            lower = -pair.difference  # of the score, which is better where it is lower
            ends = amounts.NONE
            if pair.interval:
                ends = amounts.interval(
                    metric, (-pair.interval[1], -pair.interval[0]), places, runs, f"{path}.interval"
                )
            number = amounts.computed(wording.amount(metric, lower, places), lower, runs, f"{path}.difference")
            rows.append(((f"{pair.a} - {pair.b}",), (metric.title,), (number,), ends))
    return Table(
        caption=f"Differences of these scores on {answer.title}. Below 0, the first model is better.",
        heads=("pair", "score", "difference", "95 % interval"), rows=tuple(rows), right=frozenset({2, 3}),
    )  # fmt: skip


def _places(comparison: Comparison) -> int:
    return 2 if comparison.metric.rate else 4


def _head(comparison: Comparison) -> str:
    unit = " (%)" if comparison.metric.rate else f" ({comparison.metric.unit})" if comparison.metric.unit else ""
    return f"{comparison.metric.title}{unit}"
