"""The program as a user has it: one command line in, an exit code and two texts out."""

import shlex
import shutil
import sys
from typing import NamedTuple

import pytest

from app.artifacts.runs import find_runs
from app.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _not_drawn(request, monkeypatch):
    """Figures are files without a picture, for drawing takes most of a tiny run's time; `figures` marks who looks."""
    if not request.node.get_closest_marker("figures"):
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
        monkeypatch.setattr(Figure, "savefig", lambda _, path, **__: path.write_bytes(b"not drawn"))


@pytest.fixture
def call(capsys, monkeypatch, work):
    """Runs a command line in this process, in an empty folder."""

    def call(line):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["run.py", *shlex.split(line)])
        return Ended(main(), *capsys.readouterr())

    return call


@pytest.fixture
def run(work, trained):
    """A finished run under ./checkpoints."""
    shutil.copytree(trained, work / "checkpoints")
    return find_runs(work / "checkpoints")[0]
