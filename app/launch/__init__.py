"""`launch`: the text with which a place for rent runs a job, from one description of it; nothing is run here."""

from __future__ import annotations

from collections.abc import Callable

from ..tables.names import look_up
from . import containers, skypilot, slurm
from .job import Job

PLACES: dict[str, Callable[[Job], str]] = {
    "docker": containers.docker,
    "vast": containers.vast,
    "runpod": containers.runpod,
    "hfjobs": containers.hfjobs,
    "skypilot": skypilot.task,
    "slurm": slurm.script,
}


def text(place: str, job: Job) -> str:
    """The command, template or file of a place, to be pasted or saved; raises InputError for a place without one."""
    return look_up("place", place, PLACES)(job)


__all__ = ["PLACES", "Job", "text"]
