"""The cells of a study: its rows resolved to configurations, each run once, whatever rows name it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.command import Command
from ..config.run import RunConfig, resolve
from ..config.settings import Data, Files, declared, flag, options_of, parsed
from ..config.settings.declaring import spelled_numbers
from ..errors import InputError
from .axes import SETTINGS, is_range
from .rows import Row

if TYPE_CHECKING:
    from ..experiment.observers import Screen

_Read = tuple[dict[str, Any], Command]
_OF_DATA = {*options_of(Data, Files), "image"} - {"fold", "repeat"}  # what the facts of a dataset depend on
OF_THE_STUDY = ("checkpoints", "fresh", "upload", "private", "if_held", "max_minutes")  # which no single row decides
NO_FRESH = (
    "--fresh retrains one run, and a study keeps what its runs have. Omit it. To retrain runs, first delete them with "
    "`runs rm`"
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a study: its configuration, the settings that name it, and the rows where they are written."""

    config: RunConfig
    given: dict[str, Any]
    rows: tuple[Row, ...]

    @property
    def run_id(self) -> str:
        """The ID of the cell's run."""
        return self.config.run_id

    @property
    def where(self) -> str:
        """The first row of the cell."""
        return self.rows[0].where

    def arguments(self) -> list[str]:
        """Return the cell as the arguments of a `train` command, without what is at its default anyway."""
        return words(self.given)


def words(given: Mapping[str, Any]) -> list[str]:
    """Return settings as the words of a command line, without what is at its default anyway."""
    changed = {name: value for name, value in given.items() if not _is_default(name, value)}
    return [word for name, value in changed.items() for word in _words(name, value)]


def _is_default(name: str, value: Any) -> bool:
    """Return whether a setting that decides no result has its default value, which a command hands on unasked."""
    field = SETTINGS[name]
    return not declared(field).decides and value == field.default


def resolved(rows: list[Row], screen: Screen, *, checkpoints: Path) -> list[Cell]:
    """Return the cells of a study in the order of its rows; the screen reports rows that name the same run.

    Nothing is written but what a dataset's class count leaves in the cache. Raises InputError for the first bad row,
    which says how many others are bad.
    """
    cells: dict[str, Cell] = {}
    for row, given, config in _configs(rows, screen, checkpoints):
        known = cells.get(config.run_id)
        if known:
            same = "names one run more than once" if row.where == known.where else f"is the run of {known.where}"
            screen.say(f"{row.where} {same} ({config.run_id}). It is trained once")
            cells[config.run_id] = dataclasses.replace(known, rows=(*known.rows, row))
        else:
            cells[config.run_id] = Cell(config=config, given=given, rows=(row,))
    return list(cells.values())


def commands(rows: list[Row], require: Callable[[dict[str, Any]], None] | None = None) -> dict[int, _Read]:
    """Return the settings of each row and its command, by the row's `id`; no dataset is looked at.

    `require` may raise InputError for the settings of a row. Raises InputError as `resolved` does.
    """

    alike: dict[str, Command] = {}  # by the settings besides the seed, on which no other one depends

    def read(row: Row) -> _Read:
        given = _settings(row)
        if require:
            require(given)
        seed = given.get("seed")
        key = repr(sorted((name, value) for name, value in given.items() if name != "seed"))
        if seed is None or key not in alike:
            command = Command.of(given)
            alike.setdefault(key, command)
            return given, command
        return given, alike[key].with_seed(seed)

    return _each(rows, read)


def _configs(rows: list[Row], screen: Screen, checkpoints: Path) -> Iterator[tuple[Row, dict[str, Any], RunConfig]]:
    """Yield each row with its settings and its configuration; all rows are read before a dataset is looked at."""
    read, lookup = commands(rows), _Lookup(screen, checkpoints)
    found = _each(rows, lambda row: lookup.config(read[id(row)][1]))
    for row in rows:
        yield row, read[id(row)][0], found[id(row)]


def _each(rows: list[Row], work: Callable[[Row], Any]) -> dict[int, Any]:
    """Return what becomes of each row; raise the InputError of the first bad one, with the number of others."""
    done: dict[int, Any] = {}
    bad: list[str] = []
    for row in rows:
        try:
            done[id(row)] = work(row)
        except InputError as error:
            bad.append(f"{row.where}: {error}")
    if bad:
        others = len(bad) - 1
        more = f" ({others:,} other row{'' if others == 1 else 's'} cannot be trained either)" if others else ""
        raise InputError(f"{bad[0]}{more}")
    return done


def _settings(row: Row) -> dict[str, Any]:
    for name in OF_THE_STUDY:
        if isinstance(row.cells.get(name), str):  # an option of the command has its value already
            raise InputError(
                NO_FRESH if name == "fresh"
                else f"{name} is a setting of the complete study. Give it as an option of `study`"
            )  # fmt: skip
    try:
        return parsed(SETTINGS, row.cells)
    except InputError:
        for name, value in row.cells.items():
            if isinstance(value, str) and is_range(name, value):
                raise InputError(
                    f"{name}={value!r} is a range, and a run has one value. Write one run per value, or an axis such "
                    f"as --cross {name}={value}"
                ) from None
        raise


class _Lookup:
    """Configurations of commands, for which each dataset is looked at once."""

    def __init__(self, screen: Screen, checkpoints: Path) -> None:
        self._screen, self._checkpoints = screen, checkpoints
        self._facts: dict[str, Any] = {}

    def config(self, command: Command) -> RunConfig:
        """Return the configuration of a command. Raises InputError."""
        config, request = command.config, command.request
        if config is None or not config.family.closed:  # torch is imported only where a row needs it
            from .. import models

            models.require_known(command.row)
            config = config or self._of_request(command, request)
            models.require(config)
        return config

    def _of_request(self, command: Command, request: Mapping[str, Any]) -> RunConfig:
        from .. import data
        from ..data.labels import filed
        from ..experiment import initial

        asked, weights = initial.asked(filed.asked(request), self._checkpoints, self._screen.say)
        key = json.dumps({name: str(value) for name, value in asked.items() if name in _OF_DATA}, sort_keys=True)
        if key not in self._facts:
            self._facts[key] = data.facts(asked, self._screen.say, self._screen.reading)
        config = resolve(asked, self._facts[key], command.row)
        if weights:
            initial.require_fit(weights, config)
        return config


def _words(name: str, value: Any) -> list[str]:
    """Return the words of one setting on a command line."""
    its = declared(SETTINGS[name])
    if isinstance(value, bool):
        return [flag(name) if value else its.off or f"--no-{flag(name)[2:]}"]
    if its.time:
        return [flag(name), f"{value:g}s"]
    if isinstance(value, tuple):
        return [flag(name), spelled_numbers(value)]
    return [flag(name), str(value)]
