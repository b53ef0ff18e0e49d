"""`doctor`: what this machine lacks, and the command that mends it."""

from __future__ import annotations

import typer

from . import options as o
from .screen import result_json, result_line


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Exit codes: 0 no line fails; 2 a line fails.")(doctor)


def doctor(checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, as_json: o.AsJson = False) -> None:
    """Whether this machine can train and upload: GPU, memory, disks, clock, Hub, token; a line each."""
    from ..doctor import examine
    from ..system.findings import require_good, worst

    found = []
    for line in examine(checkpoints):
        found.append(line)
        if not as_json:
            result_line(line.line())
    if as_json:
        result_json({"verdict": worst(found), "checks": [line._asdict() for line in found]})
    require_good(found)
