"""One process that runs many commands, for faults that are too many for a process each, in its own environment."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from app.selftest.child import PATIENCE
from app.selftest.trial import Failed

_TESTS = Path(__file__).resolve().parents[1]
_CODE = "from app.cli import main; from hub import worker; worker.serve(main)"


class Said(NamedTuple):
    """How a command ended, what it printed, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def last_line(self) -> str:
        return (self.err.strip().splitlines() or self.out.strip().splitlines() or ["nothing was said"])[-1]


class Worker:
    """The process, from `with` to its end."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        path = os.pathsep.join(filter(None, (str(_TESTS.parent), str(_TESTS), environment.get("PYTHONPATH", ""))))
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE], cwd=folder, env={**environment, "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout, "it was asked for"
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def call(self, arguments: list[str], folder: Path, **environment: str) -> Said:
        """Gives a command in a folder; raises Failed where no answer comes."""
        assert self._process.stdin, "it was asked for"
        request = {"arguments": arguments, "folder": str(folder), "environment": environment}
        began = time.monotonic()
        with contextlib.suppress(OSError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
        try:
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed(f"`{arguments[0]}` did not end within {PATIENCE:.0f} s") from None
        if not answer:
            raise Failed(f"`{arguments[0]}` took its process down with it")
        code, out, err = json.loads(answer)
        return Said(code, out, err, time.monotonic() - began)


def serve(main: Callable[[list[str]], int]) -> None:
    """Runs the commands that come on stdin, a line each, and answers with code, stdout and stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for line in sys.stdin:
        request = json.loads(line)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        sys.argv = ["run.py", *request["arguments"]]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(request["arguments"])
        print(json.dumps([code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
