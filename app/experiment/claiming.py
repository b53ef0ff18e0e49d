"""The claim of a study's worker on a run, where no lock reaches the other machines that share its folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..artifacts.paths import RunFiles
from ..errors import Held, InputError
from ..system import durable
from ..system.ticket import Ticket

VARIABLE = "ISOSCALE_CLAIM"  # of a training that a worker starts: seconds, and the folder of the study's tickets


def variable(folder: Path, seconds: float) -> dict[str, str]:
    """Return the environment variable that makes a training claim its run in a folder of tickets."""
    return {VARIABLE: f"{seconds:g} {folder.absolute()}"}


@contextmanager
def claimed(files: RunFiles, run_id: str) -> Iterator[None]:
    """Within it this process has the claim on a run, if a worker asked for one, and changes files only as long as so.

    Raises Held if another process has it.
    """
    if not (asked := os.environ.get(VARIABLE)):
        yield
        return
    ticket = _ticket(asked, run_id)
    if holder := ticket.take():
        raise Held(f"another worker of the study trains run {run_id} ({holder.shown}). Wait until it ends")
    try:
        with ticket.renewed(), durable.only_while(ticket.require):
            if ticket.taken_over:
                _separate(files)
            yield
    finally:
        ticket.give_back()


def _ticket(asked: str, run_id: str) -> Ticket:
    seconds, _, folder = asked.partition(" ")
    try:
        return Ticket(Path(folder) / run_id, float(seconds))
    except ValueError:
        raise InputError(
            f"{VARIABLE}={asked} is not seconds and a folder. It is set by `study` for its trainings. Unset it"
        ) from None


def _separate(files: RunFiles) -> None:
    """Make what a suspended process may still write go nowhere: it has the log's file open, and files aside.

    The log becomes another file of the same name. A file aside that is gone cannot be put in its place any more.
    """
    for path in (*files.folder.glob(f".{files.stem}*"), *files.state.glob(".*")):
        if path.suffix == ".aside":
            path.unlink(missing_ok=True)
    if files.log.exists():
        with durable.replacing(files.log) as aside:
            shutil.copyfile(files.log, aside)
