"""The scaling of a report: results against parameters, and the exponents of fits where there are sizes enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure as Drawing

from ...errors import InputError
from ...results import wording
from ...results.by_size import BySize, by_size
from ...results.fits import Fit, Fits
from .. import exponents, growth
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Bullets, Figure, Paragraph, Section, Table, Text
from ..series import series_of
from . import amounts, matched
from .subject import Answer, Subject


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a dataset with several sizes."""
    inner = [
        Section(key=f"scaling-{place}", title=answer.title, blocks=tuple(_blocks(answer)))
        for place, answer in enumerate(subject.answers, 1) if has_sizes(answer)
    ]  # fmt: skip
    if not inner:
        return None
    if len(inner) == 1:
        return Section(key="scaling", title="Scaling", blocks=inner[0].blocks)
    return Section(key="scaling", title="Scaling", sections=tuple(inner))


def has_sizes(answer: Answer) -> bool:
    """Return whether the runs that were compared have several sizes."""
    return answer.comparison is not None and len({arm.size for arm in answer.arms.values()}) > 1


def drawings(answer: Answer, width: float) -> dict[str, tuple[Drawing, str]]:
    """Return the drawings of a dataset by name, each with its title and caption."""
    if not has_sizes(answer):
        return {}
    found, captions = _means(answer), list[str]()
    canvas = Canvas(width=width, caption=False, say=captions.append)
    drawn = {"scaling": growth.figure(series_of(matched.compared(answer)), found, (), canvas)}
    fitted = _fitted(answer)
    if not isinstance(fitted, str):
        drawn["scaling-fit"] = exponents.figure(*fitted, canvas)
    return {
        name: (made, caption.removeprefix("caption: "))
        for (name, made), caption in zip(drawn.items(), captions, strict=True)
    }


def _means(answer: Answer) -> BySize:
    assert answer.comparison, "means are of a comparison"
    return by_size([growth.arm_of(each) for each in series_of(matched.compared(answer))], answer.comparison.metric)


def _fitted(answer: Answer) -> tuple[Any, Fits, BySize] | str:
    """Return the fits, or why there are none."""
    try:
        return exponents.fitted(matched.compared(answer))
    except InputError as error:
        return str(error).removesuffix(". Train more sizes, or omit --fit")


def _blocks(answer: Answer) -> Iterator[Block]:
    fitted = _fitted(answer)
    tables: dict[str, tuple[Table, ...]] = {"scaling": tuple(_tables(answer, _means(answer)))}
    if not isinstance(fitted, str):
        tables["scaling-fit"] = (_exponents(answer, fitted[1]),)
    for name, (drawing, caption) in drawings(answer, svg.WIDTH).items():
        title, _, text = caption.partition(". ")
        yield Figure(
            key=f"{name}-{answer.key}", title=title, caption=(text,), svg=svg.drawn(drawing, Canvas(width=svg.WIDTH)),
            description=f"{title} against the number of parameters.", tables=tables[name],
        )  # fmt: skip
    if isinstance(fitted, str):
        yield Paragraph((f"There is no scaling fit: {fitted}.",))
    else:
        yield Bullets(tuple((text,) for text in _limits(fitted[1])))


def _limits(found: Fits) -> Iterator[str]:
    yield "An exponent over few sizes is a local slope, and the sizes are not a sample of all sizes."
    for each in found.families:
        if each.no_floor:
            yield f"{each.architecture} has no fit with a floor: {each.no_floor}."
    yield from (f"{name} has no fit: {reason}." for name, reason in found.refused.items())


def _tables(answer: Answer, found: BySize) -> Iterator[Table]:
    """Yield the means and the differences of the figure."""
    metric = found.metric
    unit = " (%)" if metric.rate else ""
    rows = [
        ((each.architecture,), (each.size,), (_count(each.run_ids, each.parameters),),
         (amounts.computed(wording.result(metric, each.value, _places(metric.rate)), each.value, each.run_ids,
                           f"mean({metric.name})"),),
         _interval(found, each.interval, each.run_ids, "mean"))
        for each in found.means
    ]  # fmt: skip
    yield Table(
        caption=f"Results by size on {answer.title}",
        heads=("model", "size", "parameters", f"{metric.title}{unit}", "95 % interval"), rows=tuple(rows),
        right=frozenset({2, 3, 4}),
    )  # fmt: skip
    gaps = []
    for gap in found.gaps:
        runs = [*_runs(found, gap.architecture, gap.size), *_runs(found, gap.minus, gap.size)]
        number = amounts.computed(
            wording.amount(metric, gap.difference, _places(metric.rate)),
            gap.difference,
            runs,
            f"by-size({metric.name})",
        )
        gaps.append(
            (
                (f"{gap.architecture} - {gap.minus}",),
                (gap.size,),
                (number,),
                _interval(found, gap.interval, runs, "difference"),
            )
        )
    if gaps:
        yield Table(
            caption=f"Differences at each size on {answer.title}, each with a separate 95 % interval",
            heads=("models", "size", "difference", "95 % interval"), rows=tuple(gaps), right=frozenset({2, 3}),
        )  # fmt: skip


def _runs(found: BySize, architecture: str, size: str) -> tuple[str, ...]:
    """Return the runs of an architecture at a size, or at its only size."""
    own = {each.size: each.run_ids for each in found.means if each.architecture == architecture}
    return own.get(size) or next(iter(own.values()))


def _count(runs: Sequence[str], parameters: int) -> amounts.Number:
    return amounts.computed(amounts.count(parameters), parameters, runs[:1], "parameters.total")


def _places(rate: bool) -> int:
    return 2 if rate else 4


def _interval(found: BySize, ends: tuple[float, float] | None, runs: Sequence[str], of: str) -> Text:
    if ends is None:
        return amounts.NONE
    name = found.metric.name
    return amounts.interval(found.metric, ends, _places(found.metric.rate), runs, f"by-size({name}).{of}.interval")


def _exponents(answer: Answer, found: Fits) -> Table:
    """Return the exponents of every model."""
    return Table(
        caption=f"Exponents b of error = a N^-b on {answer.title}, and with a floor c where sizes suffice",
        heads=("model", "runs", "exponent b", "95 % interval", "b with a floor", "preferred"),
        rows=tuple(map(_fit, found.families)), right=frozenset({1, 2, 3, 4}),
    )  # fmt: skip


def _fit(fit: Fit) -> tuple[Text, ...]:
    runs, interval = fit.run_ids, fit.line.b.interval()
    within: Text = amounts.NONE
    if interval:
        low, high = (
            amounts.computed(f"{end:.3f}", end, runs, f"fit(line).b.interval.{at}") for at, end in enumerate(interval)
        )
        within = (low, " to ", high)
    bent: Text = amounts.NONE
    if fit.floor:
        bent = (amounts.computed(f"{fit.floor.b.value:.3f}", fit.floor.b.value, runs, "fit(floor).b"),)
    exponent = amounts.computed(f"{fit.line.b.value:.3f}", fit.line.b.value, runs, "fit(line).b")
    count = amounts.computed(str(len(runs)), len(runs), runs, "runs")
    return (fit.architecture,), (count,), (exponent,), within, bent, ("floor" if fit.prefers_floor else "line",)
