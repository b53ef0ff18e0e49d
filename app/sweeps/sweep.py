"""A sweep: its file, its seed, the settings of all trials, and where its lines are."""

from __future__ import annotations

import glob
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.paths import RunFiles
from ..config.settings import declared
from ..errors import Damaged, InputError
from ..studies import cells
from ..studies.cells import Cell
from ..studies.folder import StudyFiles
from ..studies.rows import Row
from ..system import durable
from ..system.ticket import Ticket
from ..tables.recipes import NONE
from . import drawing, lines
from .bayes import Finished
from .drawing import Draw
from .lines import Content, Drawn, Header, Writer
from .naming import SETTINGS, Names
from .sweepfile import SweepFile

if TYPE_CHECKING:
    from ..experiment.observers import Screen

_FOLDER = "sweeps"  # below the folder of the runs
_DIGITS = 8  # of the digest in the name of a folder
_LOCK_SECONDS = 60.0  # after which a process that does not answer loses the lock
_POLL = 0.05  # seconds
_CONFIGURES = ("recipe", "init", "data", "design", "filelist")  # a run's ID has what they lead to


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep. `given` are the settings of every trial, from the options of the command."""

    file: SweepFile
    seed: int
    given: dict[str, Any]
    checkpoints: Path
    _cells: dict[str, Cell] = field(default_factory=dict)  # by the values

    def __post_init__(self) -> None:
        try:
            self.names.require_whole(self.file.parameters)
        except InputError as error:
            raise InputError(f"{self.file.name}: {error}") from None
        for name in sorted(self.names.settings & self.given.keys()):
            raise InputError(
                f"--{name.replace('_', '-')} is also a parameter of {self.file.name}. Omit the option, or remove the "
                "parameter from the file"
            )

    @cached_property
    def names(self) -> Names:
        """The settings of the parameters."""
        return Names(each.name for each in self.file.parameters)

    @cached_property
    def files(self) -> StudyFiles:
        """The folder of the sweep, named after its file and a digest of what its draws and runs depend on."""
        content = self._decides()
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        return StudyFiles(self.checkpoints / _FOLDER / f"{self.file.name}-{digest}")

    @property
    def path(self) -> Path:
        """The file of the lines."""
        return self.files.folder / "trials.jsonl"

    def _decides(self) -> dict[str, Any]:
        rule = self.file.early_terminate
        return {
            "method": self.file.method, "seed": self.seed, "settings": self._settings(),
            "parameters": [each.to_json() for each in self.file.parameters],
            "metric": [self.file.metric.column, self.file.metric.impute],
            "early_terminate": [rule.bands, rule.eta, rule.strict] if rule else None,
        }  # fmt: skip

    def _settings(self) -> dict[str, str]:
        """Return the settings of all trials that decide their results."""
        return {name: str(value) for name, value in sorted(self.deciding().items())}

    def deciding(self) -> dict[str, Any]:
        """Return the settings of all trials that decide their results, as they are given."""
        return {
            name: value for name, value in self.given.items()
            if declared(SETTINGS[name]).decides or (name in _CONFIGURES and value not in (None, NONE))
        }  # fmt: skip

    def header(self) -> Header:
        """Return the first line of the file."""
        optuna = None
        if self.file.method == "bayes":
            from . import bayes

            optuna = bayes.version()
        return Header(
            format=lines.FORMAT, name=self.file.name, method=self.file.method, seed=self.seed, metric=self.file.metric,
            early_terminate=self.file.early_terminate, settings=self._settings(), optuna=optuna,
            parameters=[each.to_json() for each in self.file.parameters],
        )  # fmt: skip

    def read(self) -> Content:
        """Return the lines so far."""
        return lines.read(self.path)

    def others(self) -> list[Header]:
        """Return the first lines of other sweeps by a file of this name, in the order of their folders."""
        folders = sorted(self.files.folder.parent.glob(f"{glob.escape(self.file.name)}-{'?' * _DIGITS}"))
        headers = (_header(folder / self.path.name) for folder in folders if folder != self.files.folder)
        return [header for header in headers if header]

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Yield a writer of the lines, which no other process changes within the context."""
        durable.make_folder(self.files.folder)
        with locked(self.files.claims / "lines"), lines.writing(self.path) as writer:
            if not writer.content.header:
                writer.append(self.header())
            yield writer

    def draw(self, number: int, content: Content) -> Draw:
        """Return the draw of a trial after these lines."""
        return drawing.draw(self.file, self.seed, number, _finished(content))

    def cell(self, number: int, values: dict[str, Any], screen: Screen) -> Cell:
        """Return the run of a trial with these values. Raises InputError for settings that cannot be trained."""
        key = json.dumps(values, sort_keys=True)
        if key not in self._cells:
            row = Row(cells=self.given | self.names.given(values), where=f"trial {number}")
            (self._cells[key],) = cells.resolved([row], screen, checkpoints=self.checkpoints)
            self.file.metric.require_task(self._cells[key].config.task)
        return self._cells[key]

    def require_trainable(self, screen: Screen) -> None:
        """Raise InputError, which names the model, if the settings of the first trial cannot be trained."""
        try:
            self.cell(0, self.draw(0, Content(())).values, screen)
        except InputError as error:
            raise InputError(f"{self.given['model']}: {error}") from None

    def drawn(self, number: int, content: Content, screen: Screen) -> Drawn:
        """Return the line of a trial that begins. Its run is empty if its settings cannot be trained."""
        drawn = self.draw(number, content)
        try:
            config = self.cell(number, drawn.values, screen).config
        except InputError:
            if not number:  # nothing is begun yet, so it is the file that is wrong
                raise
            config = None
        files = RunFiles.of(Path(), config) if config else None
        return Drawn(
            trial=number, run_id=config.run_id if config else "", values=drawn.values, u=drawn.u,
            run=(files.folder / files.stem).as_posix() if files else "", finished=lines.ranges(sorted(content.ended)),
        )  # fmt: skip


def _header(path: Path) -> Header | None:
    """Return the first line of a file, or None of one that cannot be read."""
    try:
        return lines.read(path).header
    except (Damaged, InputError, OSError):
        return None


def _finished(content: Content) -> list[Finished]:
    """Return the trials that ended, by number, as a draw may depend on them."""
    drawn = content.drawn
    return [Finished(drawn[number].u, line.state, line.curve) for number, line in sorted(content.ended.items())]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have the lock of a sweep's lines within the context, on all machines that share its folder."""
    ticket = Ticket(folder, _LOCK_SECONDS)
    while ticket.take():
        time.sleep(_POLL)
    try:
        with ticket.renewed(), durable.only_while(ticket.require):
            yield
    finally:
        ticket.give_back()
