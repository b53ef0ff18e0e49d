"""The tiny run that a selftest trains repeatedly: its command, its folders, and random numbers keyed by the seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..config.command import Command
from ..config.settings import flag
from ..system import relaunch
from ..tables import own
from ..tables.models import model_row
from .child import Child, Ended

TRAIN_ROWS, BATCH_SIZE = 160, 32
TINY = {
    "dataset": "digits", "batch_size": BATCH_SIZE, "val_batch_size": 16, "limit_train": TRAIN_ROWS, "limit_val": 40,
    "limit_test": 60, "threads": 1,
}  # fmt: skip
_SMALL = {"size": "100K", "d_model": 64}  # of a model of the size table; another has its default size
ALWAYS = ("--state-every", "0")  # a state at every step
_UNSET = ("HF_TOKEN", "HF_REPOSITORY", "HF_ENDPOINT", "ISOSCALE_DEBUG")


class Failed(Exception):
    """A selftest cannot continue because the program behaved wrongly. The message states how."""


@dataclass
class Verdict:
    """The result of one kind of selftest. It passed if `failures` is empty."""

    kind: str
    failures: list[str] = field(default_factory=list)
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.failures

    def expect(self, holds: bool, sentence: str) -> None:
        """Add the sentence to the failures unless `holds`."""
        if not holds:
            self.failures.append(sentence)

    def line(self) -> str:
        """Return the verdict as one line."""
        return f"PASS {self.kind}: {self.summary}" if self.passed else f"FAIL {self.kind}: {'; '.join(self.failures)}"


@dataclass(kw_only=True)
class Trial:
    """The settings that all children of one selftest share."""

    root: Path
    say: Callable[[str], None]
    seed: int = 0
    model: str = "vit_differential"  # a name, or FILE.py:NAME
    model_args: str | None = None
    micro_batch_size: int | None = None
    deterministic: bool = False  # of runs on a CUDA device
    ranks: int = 1
    epochs: int = 4
    _started: int = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of the complete run."""
        return self.epochs * -(-TRAIN_ROWS // BATCH_SIZE)

    def arguments(self) -> list[str]:
        """Return the run's command line, without the program."""
        given = (word for name, value in self.settings().items() for word in (flag(name), str(value)))
        return ["train", *given, *(["--deterministic"] if self.deterministic else [])]

    def settings(self) -> dict[str, Any]:
        """Return the run's settings. A file is named by its absolute path, since each run has a separate folder."""
        model = self.model
        if own.is_file(model):
            found = own.read(model)
            model = f"{Path(found.path).expanduser().resolve()}:{found.name}"
        given = {"model": model, "seed": self.seed, "epochs": self.epochs}
        given |= _SMALL if model_row(model).sized else {}
        asked = {"model_args": self.model_args, "micro_batch_size": self.micro_batch_size}
        return TINY | given | {name: value for name, value in asked.items() if value is not None}

    def require_possible(self) -> None:
        """Raise InputError for a model that cannot be trained on digits."""
        Command.of(self.settings())

    def command(self, *more: str) -> list[str]:
        """Return the complete command for the system, under `torchrun` if there are several ranks.

        It is called in other folders, so a relative path of `run.py` becomes absolute.
        """
        words, script = relaunch.command(*self.arguments(), *more, ranks=self.ranks), sys.argv[0]
        return [str(Path(word).resolve()) if word == script else word for word in words]

    def environment(self) -> dict[str, str]:
        """Return the user's environment without a Hub, and with a separate cache for the selftest."""
        kept = {name: value for name, value in relaunch.environment().items() if name not in _UNSET}
        if kept.pop("PYTHONDONTWRITEBYTECODE", ""):  # otherwise every child compiles all of torch again
            kept["PYTHONPYCACHEPREFIX"] = str(self.root / "bytecode")
        return kept | {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "ISOSCALE_CACHE": str(self.cache)}

    @property
    def cache(self) -> Path:
        """The cache in which all children of this selftest have their datasets."""
        return self.root / "cache"

    def chance(self, kind: str) -> random.Random:
        """Return the random numbers of one kind. They are the same for the same seed."""
        return random.Random(f"{kind}-{self.seed}")

    def folder(self, name: str) -> Path:
        """Make and return a new folder to run in."""
        path = self.root / name
        path.mkdir()
        return path

    def start(self, folder: Path, *more: str, **environment: str) -> Child:
        """Start the command in a folder. `more` are options that do not belong to the run."""
        self._started += 1
        said = self.root / "said" / f"{self._started:02d}-{folder.name}"
        return Child(self.command(*more), folder=folder, environment=self.environment() | environment, said=said)

    def finish(self, folder: Path, *more: str) -> Ended:
        """Let the command run to its end. Raises Failed unless it succeeds."""
        with self.start(folder, *more) as child:
            ended = child.wait()
        if ended.code:
            raise Failed(f"the command in {folder.name} ended with exit {ended.code}: {ended.last_line}")
        return ended

    @cached_property
    def reference(self) -> Path:
        """The folder of an uninterrupted run, which is made at the first use."""
        folder = self.folder("reference")
        seconds = self.finish(folder).seconds
        self.say(f"reference: {self.model}, seed {self.seed}, {self.steps} steps left alone, {seconds:.1f} s")
        return folder
