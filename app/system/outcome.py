"""Why a command ended, for the command that started it: one line in a pipe.

A run's record has this too, but a command may end before there is a record: with a full disk, a folder that cannot be
written, or a dataset that cannot be read.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

_PIPE = "ISOSCALE_OUTCOME"  # the descriptor of the pipe, and the process ID of the command that reads it
_MOST = 16 << 10  # bytes; a pipe takes 64 KB before a write waits
_MOST_CHARACTERS = 2000  # of a sentence, so that its line fits


class Outcome(NamedTuple):
    """The kind of an error, as `--json` spells it, and its sentence."""

    kind: str
    sentence: str


@dataclass
class Pipe:
    """A pipe for the outcome of one command; `close` it."""

    _ends: tuple[int, int] = field(default_factory=os.pipe)  # to read, to write

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the command inherits."""
        return self._ends[1:]

    @property
    def variable(self) -> dict[str, str]:
        """The environment variable with which the command finds the pipe."""
        return {_PIPE: f"{self._ends[1]} {os.getpid()}"}

    def read(self) -> Outcome | None:
        """Return the outcome of a command that has ended, or None if it reported none."""
        os.set_blocking(self._ends[0], False)
        with suppress(OSError, ValueError, TypeError):
            return Outcome(*json.loads(os.read(self._ends[0], _MOST)))
        return None

    def close(self) -> None:
        """Close both ends."""
        for end in self._ends:
            os.close(end)


def report(kind: str, sentence: str) -> None:
    """Write why this command ends for the command that started it, if that one asked for it.

    A process that this command starts inherits the variable, but not the descriptor.
    """
    descriptor, _, parent = os.environ.get(_PIPE, "").partition(" ")
    if parent == str(os.getppid()):
        with suppress(OSError, ValueError):
            os.write(int(descriptor), json.dumps([kind, sentence[:_MOST_CHARACTERS]]).encode())
