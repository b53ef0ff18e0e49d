"""The tests marked `gpu`: each outcome is noted as it comes, so that a part that is cut off keeps them."""

from __future__ import annotations

import re
import subprocess
import sys

from . import machine
from .findings import Findings, without_folders
from .parts import root

# The widest fp32 kernels take longest to compile, and half of the grid in one pass is enough next to `accuracy`
OMITTED = "not 128-dtype0 and not (gradients_in_one_pass and ([1- or [1025-))"
_COUNT = re.compile(r"\bworkers? \[(\d+) items?\]")
_OUTCOME = re.compile(r"\[gw\d+\] \[ *\d+%\] (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (.*\S)")


def measure(findings: Findings) -> None:
    """Run the tests, and end with pytest's exit code."""
    with subprocess.Popen(
        command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as run:
        assert run.stdout, "it is a pipe"
        for line in run.stdout:
            print(line, end="", flush=True)
            note(line, findings)
    sys.exit(run.returncode)


def note(line: str, findings: Findings) -> None:
    """Note the number of tests or the outcome of one, if a line of pytest's output reports it."""
    if found := _COUNT.search(line):
        findings.note("collected", tests=int(found[1]))
    elif found := _OUTCOME.match(line):
        findings.note("test", case=without_folders(found[2]), outcome=found[1].lower())


def command() -> list[str]:
    """Return the command that runs the tests, without collecting files that have none."""
    count = str(machine.workers())
    files = [path for path in sorted((root() / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
    more = ["-vv", "-n", count, "--maxprocesses", count, "-p", "no:cacheprovider", "--tb=short", "-k", OMITTED]
    return [sys.executable, "-m", "pytest", "-m", "gpu", *more, *(str(path.relative_to(root())) for path in files)]
