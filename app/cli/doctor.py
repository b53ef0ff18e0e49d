"""`doctor`: report what this machine lacks, and the command that fixes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .examples import page
from .screen import result_json, result_line

Checkpoints = Annotated[
    Path,
    typer.Option(
        "--checkpoints", show_default=False, help="Check the disk of this folder for runs. Default: checkpoints."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("doctor", "Exit codes: 0 no check fails; 2 a check fails."))(doctor)


def doctor(checkpoints: Checkpoints = o.DEFAULT_CHECKPOINTS, as_json: o.AsJson = False) -> None:
    """Check whether this machine can train and upload: GPU, memory, disks, clock, Hub and token, one line per check."""
    from ..doctor import examine
    from ..system.findings import require_good, worst

    found = []
    for line in examine(checkpoints):
        found.append(line)
        if not as_json:
            result_line(line.line())
    if as_json:
        result_json({"verdict": worst(found), "checks": [line.to_json() for line in found]})
    require_good(found)
