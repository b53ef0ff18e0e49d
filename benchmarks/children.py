"""Processes timed from their start, all with compiled bytecode, in a folder that is thrown away."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RUN_PY = Path(__file__).resolve().parents[1] / "run.py"
_POLL = 0.002  # seconds between looks at the log
_PATIENCE = 600.0  # seconds for the slowest first step
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes that ru_maxrss counts in

EMPTY_APP = '''"""An empty Typer app of one command."""
import typer

app = typer.Typer()


@app.command()
def hello() -> None:
    """Do nothing."""


if __name__ == "__main__":
    app()
'''
TORCH_ALONE = """import sys

import torch

torch.optim.AdamW(torch.nn.Linear(8, 8, device=sys.argv[1]).parameters())
print("ready", flush=True)
"""
LAUNCHER = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
MODULES = """import sys
from app.cli import main
main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@dataclass
class Stage:
    """Where children run: their scripts and their environment."""

    folder: Path
    environment: dict[str, str]

    def command(self, script: str, *arguments: str) -> list[str]:
        """How to call one of the scripts in the folder, or run.py."""
        path = RUN_PY if script == "run.py" else self.folder / script
        return [sys.executable, str(path), *arguments]

    def whole(self, command: list[str]) -> float:
        """Seconds from a child's start to its end."""
        began = time.perf_counter()
        process = self._started(command)
        with _ended(process):
            process.wait()
            return time.perf_counter() - began

    def until_said(self, command: list[str]) -> float:
        """Seconds from a child's start to its first line on stdout."""
        began = time.perf_counter()
        process = self._started(command, out=subprocess.PIPE)
        assert process.stdout, "it was asked for"
        with _ended(process), process.stdout as said:
            line = said.readline()
            seconds = time.perf_counter() - began
            said.read()
            process.wait()
        if not line:
            raise RuntimeError(f"{shlex.join(command)} said nothing")
        return seconds

    def until_trained(self, command: list[str], runs: Path) -> float:
        """Seconds from a child's start to the first whole train row in a log below `runs`; then the child is killed."""
        began = time.perf_counter()
        process = self._started(command)
        with _ended(process):
            while not _has_train_row(runs):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                    raise RuntimeError(f"{shlex.join(command)} has no first step (exit code {process.returncode})")
                time.sleep(_POLL)
            return time.perf_counter() - began

    def _started(self, command: list[str], out: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def peak_bytes(self, command: list[str]) -> int:
        """The largest resident set of a command that runs to its end, started by a small process.

        A child of this one would count what this one holds, until it becomes another program.
        """
        return int(self._printed([sys.executable, "-S", "-c", LAUNCHER, *command])) * _RSS_UNIT

    def modules(self, *arguments: str) -> set[str]:
        """The top modules that are loaded when a command of the program has ended."""
        return set(self._printed([sys.executable, "-c", MODULES, *arguments]).split())

    def _printed(self, command: list[str]) -> str:
        """The last line that a child wrote to stdout."""
        done = subprocess.run(
            command, cwd=RUN_PY.parent, env=self.environment, capture_output=True, text=True, timeout=_PATIENCE,
            check=True,
        )  # fmt: skip
        return done.stdout.splitlines()[-1]


@contextmanager
def stage() -> Iterator[Stage]:
    """A new folder with the scripts, a bytecode cache and a cache of datasets of its own; no network is asked."""
    with tempfile.TemporaryDirectory(prefix="isoscale-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / "empty_app.py").write_text(EMPTY_APP)
        (folder / "torch_alone.py").write_text(TORCH_ALONE)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "ISOSCALE_CACHE": str(folder / "cache")}
        environment |= {"HF_HUB_OFFLINE": "1", "TERM": "dumb"}
        yield Stage(folder, environment)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A child that is killed where it still runs, so that it writes nothing into a folder that is thrown away."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _has_train_row(runs: Path) -> bool:
    """Whether a log holds its header and a first row, both whole."""
    logs = list(runs.glob("*/*_training.log"))
    return bool(logs) and any(b'"split": "train"' in line for line in logs[0].read_bytes().split(b"\n")[:-1])
