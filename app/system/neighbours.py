"""Runs side by side: how many train at once on this machine and on this device, and turns for their trials."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import DiskFull
from . import home
from .locks import lock

VARIABLE = "ISOSCALE_NEIGHBOURS"  # set by a study or a sweep for its workers: runs on the device and on the machine


class Neighbours(NamedTuple):
    """How many runs train at once, this one included."""

    on_device: int = 1
    on_machine: int = 1

    @property
    def variable(self) -> dict[str, str]:
        """The environment variable that says so to a worker and its trainings; none for a run alone."""
        return {VARIABLE: f"{self.on_device} {self.on_machine}"} if self != (1, 1) else {}

    @property
    def described(self) -> dict[str, int]:
        """The numbers above 1, by their names in a record."""
        found = {"jobs_per_device": self.on_device, "jobs": self.on_machine}
        return {name: value for name, value in found.items() if value > 1}


def here() -> Neighbours:
    """Return how many runs train at once here, by the command that started this process."""
    found = re.fullmatch(r"([1-9]\d{0,3}) ([1-9]\d{0,3})", os.environ.get(VARIABLE, ""), re.ASCII)
    return Neighbours(*map(int, found.groups())) if found else Neighbours()


@contextmanager
def in_turn(kind: str, say: Callable[[str], None]) -> Iterator[None]:
    """Let only one of the runs on a device of this kind make trials at a time. A run alone does not wait.

    A run that waited finds the trials of the others in the folder of remembered measurements. Without a writable
    folder, it does not wait.
    """
    with ExitStack() as held:
        if here().on_device > 1:
            with suppress(OSError, DiskFull):
                held.enter_context(lock(_path(kind), wait=True, waiting=lambda who: say(_waits(who))))
        yield


def _path(kind: str) -> Path:
    """Return the file that is locked during trials: one for each device of each machine that uses the folder."""
    name = f"{platform.node()}-{kind}-{os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    return home.root() / "measured" / f"trials-{re.sub(r'[^A-Za-z0-9.]+', '-', name)}.lock"


def _waits(who: str) -> str:
    return f"waiting for the trials of another run on this device ({who})"
