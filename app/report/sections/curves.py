"""The training curves of a report: loss and validation accuracy of all models and seeds, with the last values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from matplotlib.figure import Figure as Drawing

from ...artifacts.runs import Run
from ...errors import InputError
from .. import accuracy, overlay
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Figure, Paragraph, RunName, Section, Table, Text
from . import amounts
from .subject import Answer, Subject


def section(subject: Subject) -> Section | None:
    """Return the section, or None without finished runs."""
    inner = [
        Section(key=f"curves-{place}", title=answer.title, blocks=blocks)
        for place, answer in enumerate(subject.answers, 1) if (blocks := (*_figures(answer), *_missing(answer)))
    ]  # fmt: skip
    if not inner:
        return None
    if len(inner) == 1:
        return Section(key="curves", title="Training", blocks=inner[0].blocks)
    return Section(key="curves", title="Training", sections=tuple(inner))


def _without_log(answer: Answer) -> list[Run]:
    return [run for run in answer.runs if not run.files.log.is_file()]


def _missing(answer: Answer) -> Iterator[Block]:
    """Yield why there are no curves."""
    if gone := _without_log(answer):
        yield Paragraph((f"There are no training curves: the training logs of {len(gone):,} runs are not here.",))
    elif any(run.config.folds for run in answer.runs):
        yield Paragraph(("There are no training curves: folds have different validation examples.",))


def drawings(answer: Answer, width: float) -> dict[str, tuple[Drawing, str]]:
    """Return the drawings of a dataset by name, each with its title and caption. Folds have none in common."""
    runs, found = [*answer.runs], dict[str, tuple[Drawing, str]]()
    if not runs or any(run.config.folds for run in runs) or _without_log(answer):
        return {}
    makers: dict[str, Callable[[Canvas], Drawing]] = {"loss": lambda canvas: overlay.figures(runs, canvas)["val"]}
    if runs[0].config.task != "regression":
        makers["accuracy"] = lambda canvas: accuracy.figure(runs, canvas)
    for name, make in makers.items():
        captions: list[str] = []
        with suppress(InputError):  # a run without a complete epoch
            made = make(Canvas(width=width, caption=False, say=captions.append))
            found[name] = made, captions[-1].removeprefix("caption: ")
    return found


def _figures(answer: Answer) -> tuple[Figure, ...]:
    found = []
    for name, (drawing, caption) in drawings(answer, svg.WIDTH).items():
        title, _, text = caption.partition(". ")
        found.append(Figure(
            key=f"{name}-{answer.key}", title=title, caption=(text,), svg=svg.drawn(drawing, Canvas(width=svg.WIDTH)),
            description=f"Curves of every run over its training: {title}.", tables=(_table(answer, title),),
        ))  # fmt: skip
    return tuple(found)


def _table(answer: Answer, title: str) -> Table:
    """Return the schedule of every run, and where its validation loss was lowest."""
    rows = tuple(map(_row, answer.runs))
    return Table(
        caption=f"Training of the runs in the figure: {title}",
        heads=("run", "model", "seed", "epochs", "steps", "best epoch", "its validation loss"), rows=rows,
        right=frozenset({2, 3, 4, 5, 6}),
    )  # fmt: skip


def _row(run: Run) -> tuple[Text, ...]:
    config = run.config
    name = config.model if config.size == config.model else f"{config.model} {config.size}"
    return (
        (RunName(run.record.run_id),), (name,), (str(config.seed),), amounts.at(run, "config.epochs", amounts.count),
        amounts.at(run, "schedule.total_steps", amounts.count), amounts.at(run, "best.epoch", amounts.count),
        amounts.at(run, "best.val_loss", amounts.digits),
    )  # fmt: skip
