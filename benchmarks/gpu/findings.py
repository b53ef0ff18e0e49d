"""The results file of a sheet: one JSON object per line, each fsynced as it is written."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Finding = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """The results file as one part of the sheet writes to it. `ends` is its time box, on the monotonic clock."""

    path: Path
    part: str
    ends: float = float("inf")
    tiny: bool = False

    @property
    def device(self) -> str:
        """The device that is measured."""
        return "cpu" if self.tiny else "cuda"

    def left(self) -> float:
        """Return the seconds until the part's time box ends."""
        return self.ends - time.monotonic()

    def note(self, kind: str, **found: Any) -> None:
        """Append a finding to the file, and fsync it. A line that a kill has cut stays apart from it."""
        line = json.dumps({"kind": kind, "part": self.part, **found}, default=str) + "\n"
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = "\n" + line
            os.write(file, line.encode())
            os.fsync(file)
        finally:
            os.close(file)


def without_folders(text: str) -> str:
    """Return a line of output with the names of files only, since results are committed."""
    return re.sub(r"(?<![\w:])(?:/[\w.+-]+)+/", "", text)[:300]


def read(path: Path) -> list[Finding]:
    """Return every complete finding of a results file, or nothing if there is no file."""
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            value = json.loads(line)
        except ValueError:  # cut by a kill
            continue
        if isinstance(value, dict) and "kind" in value:
            found.append(value)
    return found
