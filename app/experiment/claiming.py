"""The claim of a study's worker on a run, for machines that share a folder but no locks."""

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

VARIABLE = "ISOSCALE_CLAIM"  # set if a worker starts the training: seconds, and the folder of the study's tickets


def variable(folder: Path, seconds: float) -> dict[str, str]:
    """Return the environment variable with which a training process claims its run in a folder of tickets."""
    return {VARIABLE: f"{seconds:g} {folder.absolute()}"}


@contextmanager
def claimed(files: RunFiles, run_id: str) -> Iterator[None]:
    """Claim a run within the context, if a worker requested it, and allow changes of files only while it is valid.

    Raises Held if another process has the claim.
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
    """Make later writes of a suspended process have no effect. It has the log open, and temporary files.

    The log is replaced by a copy with the same name. A removed temporary file can no longer be moved into place.
    """
    for path in (*files.folder.glob(f".{files.stem}*"), *files.state.glob(".*")):
        if path.suffix == ".aside":
            path.unlink(missing_ok=True)
    if files.log.exists():
        with durable.replacing(files.log) as aside:
            shutil.copyfile(files.log, aside)
