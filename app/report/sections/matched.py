"""The pairs of architectures at one size whose predictions a report shows class by class and example by example."""

from __future__ import annotations

from ...artifacts.runs import Run
from ...errors import Explained, InputError
from ..document.parts import Code, Paragraph
from ..series import Series, pairs, series_of
from .subject import Answer

_MOST = 4  # pairs with a figure each


def compared(answer: Answer) -> list[Run]:
    """Return the runs of the comparison."""
    wanted = {run_id for arm in answer.arms.values() for run_id in arm.run_ids}
    return [run for run in answer.runs if run.record.run_id in wanted]


def drawn(answer: Answer) -> list[tuple[Series, Series]]:
    """Return the first pairs of a classification: the first architecture, and another one at the same size."""
    return _all(answer)[:_MOST]


def omitted(answer: Answer, command: str) -> Paragraph | None:
    """Return a remark on the pairs that are not drawn, with the command that draws them, or None if all are."""
    left = len(_all(answer)) - _MOST
    if left <= 0:
        return None
    return Paragraph((f"{left:,} more pairs have no figure here. ", Code(f"run.py plot {command}"), " draws all."))


def reason(error: Explained) -> str:
    """Return why something is not shown, without what a user of `plot` could do about it."""
    return str(error).partition(". ")[0].removesuffix(".")


def _all(answer: Answer) -> list[tuple[Series, Series]]:
    if answer.comparison is None or answer.runs[0].config.task == "regression":
        return []
    try:
        return pairs(series_of(compared(answer)))
    except InputError:
        return []
