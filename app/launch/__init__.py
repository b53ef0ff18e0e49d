"""`launch`: the text with which a place for rent runs a job, from one description of it; nothing is run here."""

from __future__ import annotations

from ..tables.names import look_up
from .job import Job
from .places import PLACES


def text(place: str, job: Job) -> str:
    """Return the command, template or file of a place, to be pasted or saved; raises InputError for an unknown one."""
    return look_up("place", place, PLACES).text(job)


__all__ = ["PLACES", "Job", "text"]
