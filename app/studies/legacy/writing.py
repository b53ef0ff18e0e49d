"""`--legacy`: the finished runs of a study in the files of one of the original systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...artifacts.runs import Run
from ...errors import InputError
from ...tables.ranges import check_known
from ..cells import Cell
from ..progress import Progress
from . import diffraction, lanl, zoo

SYSTEMS = {  # name -> the task of its runs; its module has the same name
    "lanl": "regression",
    "zoo": "classification",
    "diffraction": "classification",
}
Say = Callable[[str], None]


def require(system: str, cells: Sequence[Cell]) -> None:
    """Raise InputError for an unknown system, and for runs that its files cannot describe."""
    check_known("--legacy", system, [*SYSTEMS])
    task = SYSTEMS[system]
    for cell in cells:
        if cell.config.task != task:
            raise InputError(
                f"--legacy {system} is for {task}, but {cell.where} is a {cell.config.task} on {cell.config.dataset}. "
                "Omit --legacy, or choose another system"
            )
    if system == "lanl":
        _require_numbers(cells)


def _require_numbers(cells: Sequence[Cell]) -> None:
    """Raise InputError unless each run has a number, and no other run has the same."""
    known: dict[int, Cell] = {}
    for cell in cells:
        number = cell.rows[0].number
        if number is None:
            raise InputError(
                f"--legacy lanl names files by the number of a study, and {cell.where} has none. Use a CSV with a "
                "studyIDX column"
            )
        if number in known:
            raise InputError(
                f"--legacy lanl: {cell.where} and {known[number].where} are two runs of study {number}. Give each run "
                "another studyIDX"
            )
        known[number] = cell


def write(system: str, found: Sequence[Progress], folder: Path, say: Say) -> None:
    """Write the files of a system for the finished runs of a study; report what is left out. Raises Explained."""
    here = [each for each in found if each.done and each.run and each.run.files.record.exists()]
    runs = [(each.cell, Run.load(each.run.files.record)) for each in here if each.run]
    for _, run in runs:
        run.require_whole("log", *(() if system == "zoo" else ("predictions",)))
    {"lanl": lanl.write, "zoo": zoo.write, "diffraction": diffraction.write}[system](runs, folder, say)
    say(f"{len(runs):,} of {len(found):,} runs are in {folder}, in the files of {system}")
