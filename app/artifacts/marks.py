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
