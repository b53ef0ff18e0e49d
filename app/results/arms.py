"""The arms of a comparison: one per architecture, each with the finished and tested runs of its seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..config.settings import declared
from ..config.settings.declaring import spelled_numbers
from ..errors import InputError

ARCHITECTURE = tuple(field.name for field in dataclasses.fields(RunConfig) if declared(field).differs == "architecture")
_LISTED = 5  # runs in a message


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A run that is not compared, and why."""

    run_id: str
    title: str  # model, size and seed
    reason: str

    @property
    def line(self) -> str:
        """The exclusion for a reader."""
        return f"run {self.run_id} ({self.title}) is excluded: {self.reason}"

    def to_json(self) -> dict[str, str]:
        """Return the exclusion for a machine."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One architecture and its runs, in the order of their seeds."""

    title: str
    runs: tuple[Run, ...]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The IDs of the runs."""
        return tuple(run.record.run_id for run in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the runs, each once, smallest first."""
        return tuple(sorted({run.config.seed for run in self.runs}))

    @property
    def config(self) -> RunConfig:
        """The config of the first run."""
        return self.runs[0].config

    @cached_property
    def of_folds(self) -> bool:
        """Whether the runs are folds of a cross-validation."""
        return self.config.folds is not None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The arms of one dataset, in the order in which they were named, and the runs that are not compared."""

    arms: tuple[Arm, ...]
    exclusions: tuple[Exclusion, ...]


def chosen(parts: Mapping[str, Sequence[Run]], dataset: str | None = None, *, fewest: int = 2) -> Chosen:
    """Return the arms among the runs that each argument names.

    Each architecture is an arm. If all runs have one architecture and there are several arguments, each argument is an
    arm. Raises InputError for fewer arms than `fewest` and for runs of several datasets.
    """
    runs = [*{_copy(run): run for part in parts.values() for run in part}.values()]
    runs = _of_one_dataset(runs, dataset)
    usable, exclusions = _usable(runs)
    grouped: dict[Any, list[Run]] = {}
    for run in usable:
        grouped.setdefault(architecture(run.config), []).append(run)
    titles = titles_of([members[0].config for members in grouped.values()])
    named_arms = dict(zip(titles, grouped.values(), strict=True))
    if len(grouped) == 1 and len(parts) > 1:
        there = {_copy(run) for run in usable}
        named_arms = {name: [run for run in part if _copy(run) in there] for name, part in parts.items()}
        named_arms = {name: part for name, part in named_arms.items() if part}
        _require_apart(named_arms)
    arms = []
    for title, members in named_arms.items():
        arm, older = _arm(title, members)
        arms.append(arm)
        exclusions += older
    _require(arms, exclusions, fewest)
    return Chosen(arms=tuple(arms), exclusions=tuple(exclusions))


def architecture(config: RunConfig) -> tuple[Any, ...]:
    """Return what makes a config's model another architecture: its name, size and the cells of its shape."""
    return tuple(getattr(config, name) for name in ARCHITECTURE)


def titles_of(configs: Sequence[RunConfig]) -> list[str]:
    """Return a title per architecture: its model, its size, and the cells in which others of that title differ."""
    short = [_short(config) for config in configs]
    found = []
    for config, title in zip(configs, short, strict=True):
        alike = [other for other, its in zip(configs, short, strict=True) if its == title]
        differ = [name for name in ARCHITECTURE if len({getattr(each, name) for each in alike}) > 1]
        found.append(", ".join([title, *(f"{name} {shown(getattr(config, name))}" for name in differ)]))
    return found


def about(model: str, size: str, seed: int) -> str:
    """Return the model, size and seed of a run for messages."""
    return f"{model if size == model else f'{model} {size}'}, seed {seed}"


def shown(value: Any) -> str:
    """Return a setting's value for a reader."""
    if isinstance(value, tuple):
        return spelled_numbers(value)
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_one_dataset(runs: list[Run], dataset: str | None) -> list[Run]:
    """Return the runs of one dataset. Raise InputError for none, or for several if no dataset is given."""
    names = [*dict.fromkeys(run.config.dataset for run in runs)]
    if dataset is None and len(names) > 1:
        raise InputError(
            f"the runs are of {len(names)} datasets ({', '.join(names)}), and each needs a separate comparison. Choose "
            "one with --dataset"
        )
    found = [run for run in runs if dataset in (None, run.config.dataset)]
    if not found:
        raise InputError(f"none of the runs is of --dataset {dataset}. Valid values: {', '.join(names) or 'none'}")
    return found


def _usable(runs: Iterable[Run]) -> tuple[list[Run], list[Exclusion]]:
    """Return the runs that are finished and tested, and the others with the reason."""
    usable: list[Run] = []
    excluded: list[Exclusion] = []
    for run in runs:
        if reason := _unusable(run):
            excluded.append(Exclusion(run_id=run.record.run_id, title=_about(run), reason=reason))
        else:
            usable.append(run)
    return usable, excluded


def _unusable(run: Run) -> str:
    if failure := run.record.failure:
        return f"it failed ({failure.kind})"
    if not run.done:
        return "it is not finished. Its train command resumes it"
    return "" if run.record.tested else f"it is not tested. Run `evaluate {run.record.run_id}`"


def _arm(title: str, runs: Sequence[Run]) -> tuple[Arm, list[Exclusion]]:
    """Return the arm of these runs, and the runs that a newer one of the same seed replaces."""
    newest: dict[Any, Run] = {}
    for run in sorted(runs, key=lambda run: (run.record.finished or run.record.started, run.record.run_id)):
        newest[_place(run)] = run
    newest_ids = {run.record.run_id for run in newest.values()}
    older = [
        Exclusion(
            run_id=run.record.run_id, title=_about(run),
            reason=f"run {newest[_place(run)].record.run_id} is newer and has the same architecture and seed",
        )
        for run in runs if run.record.run_id not in newest_ids
    ]  # fmt: skip
    return Arm(title=title, runs=tuple(newest[place] for place in sorted(newest))), older


def _place(run: Run) -> tuple[int, int, int]:
    """Return the place of a run in its arm: its seed and, of a fold, its partition."""
    return run.config.seed, run.config.repeat, run.config.fold or 0


def _copy(run: Run) -> Path:
    """Return what distinguishes a run from another training of the same configuration: its record's file."""
    return run.files.record.resolve()


def _about(run: Run) -> str:
    return about(run.config.model, run.config.size, run.config.seed)


def _short(config: RunConfig) -> str:
    size = "" if config.size == config.model else f" {config.size}"
    of = f" ({config.attention})" if config.attention not in (None, config.row.attention) else ""
    return f"{config.model}{size}{of}"


def _require_apart(parts: Mapping[str, Sequence[Run]]) -> None:
    """Raise InputError if two arguments name one run, where each argument is an arm."""
    seen: dict[Path, str] = {}
    for name, runs in parts.items():
        for run in runs:
            if (other := seen.setdefault(_copy(run), name)) != name:
                raise InputError(f"{other} and {name} both name run {run.record.run_id}. Name each run once")


def _require(arms: Sequence[Arm], exclusions: Sequence[Exclusion], fewest: int) -> None:
    """Raise InputError for too few arms, with the runs that are excluded."""
    if len(arms) < fewest:
        only = f"only {arms[0].title}, run{'s' if len(arms[0].runs) > 1 else ''} " if arms else "none"
        only += ", ".join(arms[0].run_ids[:_LISTED]) if arms else ""
        lines = "".join(f"; {each.line}" for each in exclusions[:_LISTED])
        raise InputError(
            f"finished and tested runs of {'two architectures' if fewest > 1 else 'an architecture'} are needed, and "
            f"there is {only}{lines}. Name others, or train them"
        )
