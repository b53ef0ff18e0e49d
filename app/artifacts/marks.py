"""The high-water mark of each tracker of a run: the last step that it surely has, in `<stem>.tracking/<tracker>.json`.

A mark belongs to this machine. It is neither uploaded nor downloaded, and a run that is trained again has new marks.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from ..system.durable import text, write_text
from .parts import Part
from .paths import RunFiles


class Mark(Part, kw_only=True):
    """What a tracker has of one training of a run."""

    key: str  # of the training
    destination: str
    step: int = 0  # the last step that is sure to be kept
    done: bool = False  # whether the tracker has the test results, which come last
    spans: tuple[tuple[int, int], ...] = ()  # (last step, N) of each range of which it has every Nth step; N 0: unknown

    def moved(self, step: int, every: int, *, done: bool) -> Mark:
        """Return the mark at a later step, where every Nth step in between was sent."""
        spans = self.spans or (((self.step, 0),) if self.step else ())
        if step > (spans[-1][0] if spans else 0):
            spans = (*(spans[:-1] if spans and spans[-1][1] == every else spans), (step, every))
        return msgspec.structs.replace(self, step=step, done=done, spans=spans)

    def spacing_without(self, every: int) -> int | None:
        """Return the N of a range that lacks a multiple of `every`, or None if no range is known to lack one."""
        begin = 0
        for last, there in self.spans:
            if there and any(step % there for step in range((begin // every + 1) * every, last + 1, every)):
                return there
            begin = last
        return None


def path_of(files: RunFiles, tracker: str) -> Path:
    """Return the path of a tracker's mark."""
    return files.tracking / f"{tracker}.json"


def read(files: RunFiles, tracker: str, *, key: str, destination: str) -> Mark:
    """Return the mark of a training at a destination: that at step 0 if there is none, or it cannot be read."""
    try:
        found = msgspec.convert(json.loads(text(path_of(files, tracker))), Mark)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        found = Mark(key="", destination="")
    own = found.key == key and found.destination == destination and found.step >= 0
    return found if own else Mark(key=key, destination=destination)


def write(files: RunFiles, tracker: str, mark: Mark) -> None:
    """Write a mark."""
    write_text(path_of(files, tracker), json.dumps(msgspec.to_builtins(mark)))
