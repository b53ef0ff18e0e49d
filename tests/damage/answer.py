"""Commands given in this process, for trials that are too many for a process each, and what they answer."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.artifacts import record
from app.cli import main
from app.errors import Explained
from app.selftest import kept
from app.selftest.trial import Trial

Normal = Callable[[Path], Any]  # a file as two runs must have it alike
_FIGURES = (".png", ".svg")
_ENDS = (75, 130)  # the user's own signals


@dataclass(frozen=True)
class Answer:
    """How a command ended, what it printed, and what it left; of figures only those that it drew."""

    code: int
    out: str
    err: str
    files: Mapping[str, Any]

    @property
    def last_line(self) -> str:
        return (self.err.strip().splitlines() or self.out.strip().splitlines() or ["nothing was said"])[-1]

    @property
    def is_sentence(self) -> bool:
        """Whether the errors are one line for the user."""
        return "Traceback" not in self.err and self.last_line.startswith("error: ")

    def differences(self, other: Answer, unread: tuple[str, ...] = ()) -> list[str]:
        """The names of files, and `stdout`, that are not as in the other answer; `unread` files may differ."""
        found = ["stdout"] if self.out != other.out else []
        every = sorted(self.files.keys() | other.files.keys())
        return found + [name for name in every if name not in unread and self.files.get(name) != other.files.get(name)]


def unchanged(path: Path) -> Any:
    """A file of a finished run: every byte counts."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def finished(path: Path) -> Any:
    """A file of a run that was trained to its end: every byte but what a clock says."""
    with contextlib.suppress(Explained):  # what cannot be read is compared by its bytes
        if path.name.endswith("_training.log"):
            return kept.rows(path)
        if path.suffix == ".json" and path.name.startswith("model_"):
            found = record.plain(record.read(path))
            return {name: found.get(name) for name in kept.FACTS}
    return unchanged(path)


class Caller:
    """The command line in one folder that is laid out anew for each case; the process is as before at the end."""

    def __init__(self, trial: Trial) -> None:
        self.folder = trial.root / "case"
        self._trial = trial
        run_id = kept.the_run(trial.reference).record.run_id
        self._commands = {
            "train": [*trial.arguments(), *self._here()],
            "evaluate": ["evaluate", *self._here(), "--json", "--dataset", "digits", "--threads", "1"],
            "plot loss": ["plot", "loss", *self._here(), "--run", run_id, "--out", str(self.folder / "drawn")],
        }
        for option in ("--again", "--best"):
            self._commands[f"evaluate {option}"] = [*self._commands["evaluate"], option]
        self._commands["train --json"] = [*self._commands["train"], "--json"]

    def _here(self) -> list[str]:
        return ["--checkpoints", str(self.folder / "checkpoints")]

    def __enter__(self) -> Caller:
        self._argv, self._environment = sys.argv, dict(os.environ)
        os.environ.update(self._trial.environment() | {"ISOSCALE_CACHE": str(self.folder / "cache")})
        return self

    def __exit__(self, *_: object) -> None:
        sys.argv = self._argv
        os.environ.clear()
        os.environ.update(self._environment)
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay_out(self, scene: Path) -> Path:
        """The folder of commands as a fresh copy of a scene."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(scene, self.folder)
        return self.folder

    def call(self, command: str, normal: Normal) -> Answer:
        """Gives a command; raises KeyboardInterrupt where the user's own signal ended it."""
        out, err = io.StringIO(), io.StringIO()
        arguments = self._commands[command]
        sys.argv = ["run.py", *arguments]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
        if code in _ENDS:
            raise KeyboardInterrupt
        files = {} if code else self._files(normal)
        return Answer(code, out.getvalue(), err.getvalue(), files)

    def _files(self, normal: Normal) -> dict[str, Any]:
        paths = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in _FIGURES]
        drawn = self.folder.glob("drawn/*.png")
        return {str(path.relative_to(self.folder)): normal(path) for path in sorted([*paths, *drawn])}

    def keep(self, number: int) -> None:
        """Leaves the folder of a case for a look at it."""
        self.folder.rename(self.folder.with_name(f"case-{number}"))
