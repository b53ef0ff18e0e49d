"""The looks at a study: which were planned, before the first one, and which were taken.

A look is a comparison of a new set of finished runs. Looking after each new seed and stopping at the first p < 0.05
gives 17 % false positives. Planned looks divide the 5 % equally, and a look outside the plan has no verdict.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Damaged, InputError
from ..statistics import planning
from ..system import clock, locks
from ..system.durable import text, write_text
from .arms import Chosen

NAME = "looks.jsonl"


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a study's comparison."""

    number: int  # of all looks, from 1
    seeds: int  # that each model has
    plan: tuple[int, ...]  # the seeds of each planned look
    planned: bool  # whether the plan has this look
    level: float  # of its intervals
    others: int = 0  # looks in the same file at runs of another study with this name

    @property
    def line(self) -> str:
        """The look for a reader."""
        counts = ", ".join(map(str, self.plan))
        of = "1 seed" if self.plan == (1,) else f"{counts} seeds"
        plan = f"the plan has {len(self.plan)} look{'s' if len(self.plan) > 1 else ''}, at {of}"
        look = f"look {self.number} at this study, with {self.seeds} seed{'' if self.seeds == 1 else 's'}"
        if self.others:
            look += f" (not counted: {self.others} earlier with none of these runs, of another study with this name)"
        return f"{look}: {plan}" if self.planned else f"{look}, is outside the plan: {plan}. It takes no verdict word"

    def to_json(self) -> dict[str, Any]:
        """Return the look for a machine."""
        return asdict(self)


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of the file: the plan of a dataset's comparison, or a look that was taken."""

    dataset: str
    time: str
    plan: list[int] | None = None
    runs: str | None = None  # a digest of the run IDs
    run_ids: list[str] | None = None
    seeds: int = 0
    planned: bool = False


def parsed(looks: str) -> tuple[int, ...]:
    """Return the seeds of the planned looks of a text such as 3,5,10. Raise InputError for any other text."""
    parts = [part.strip() for part in looks.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 7 for part in parts):
        raise InputError(f"--looks {looks} is not a list of numbers of seeds. Write it as 3,5,10")
    return tuple(map(int, parts))


def take(
    folder: Path, dataset: str, run_ids: Collection[str], *, seeds: int, complete: int, asked: Sequence[int] | None
) -> Look:
    """Return the look at these runs of a study, and store it if it is a new one.

    `seeds` are those that each model has, and `complete` those of the complete study. `asked` is the plan of
    `--looks`, None for none: then the stored plan is used or, before the first look, one look at the complete study.
    Looks of another study with the same name, which share no run with this one, are not counted. Two processes take
    their looks one after the other. Raises InputError for a plan that is not the stored one, and Damaged for a damaged
    file.
    """
    path = folder / NAME
    asks: dict[str, Any] = {"seeds": seeds, "complete": complete, "asked": asked}
    look, new = _next(_read(path), dataset, run_ids, **asks)
    if not new:
        return look  # also in a folder that is read-only
    with locks.lock(path.with_name(f".{NAME}.lock"), wait=True):
        lines = _read(path)
        look, new = _next(lines, dataset, run_ids, **asks)
        if new:
            write_text(path, "".join(msgspec.json.encode(line).decode() + "\n" for line in (*lines, *new)))
    return look


def _next(
    lines: Sequence[_Line], dataset: str, run_ids: Collection[str], *, seeds: int, complete: int,
    asked: Sequence[int] | None,
) -> tuple[Look, list[_Line]]:  # fmt: skip
    """Return the look at these runs, and the lines that a new one adds to the file."""
    own, others = _of_study([line for line in lines if line.dataset == dataset], run_ids)
    plans = [line.plan for line in own if line.plan]
    plan = _plan(plans[0] if plans else None, asked, complete)
    digest = hashlib.sha256(" ".join(sorted(run_ids)).encode()).hexdigest()[:16]
    taken = [line for line in own if line.runs]
    about: dict[str, Any] = {"plan": plan, "level": planning.look_level(len(plan)), "others": others}
    for number, line in enumerate(taken, 1):
        if line.runs == digest:
            return Look(number=number, seeds=line.seeds, planned=line.planned, **about), []
    now = clock.utc(time.time())
    planned = seeds in plan and not any(line.planned and line.seeds == seeds for line in taken)
    new = [] if plans else [_Line(dataset=dataset, time=now, plan=[*plan])]
    new.append(_Line(dataset=dataset, time=now, runs=digest, run_ids=sorted(run_ids), seeds=seeds, planned=planned))
    return Look(number=len(taken) + 1, seeds=seeds, planned=planned, **about), new


def _of_study(lines: Sequence[_Line], run_ids: Collection[str]) -> tuple[list[_Line], int]:
    """Return the lines of the study that has these runs, and the number of looks of other studies.

    Two tables of runs of one name, in different folders, have one file. A plan begins a study, and a study is known by
    its runs. Lines without IDs may be of any study, so they count.
    """
    own: list[_Line] = []
    others = 0
    parts: list[list[_Line]] = []
    for line in lines:
        if line.plan or not parts:
            parts.append([])
        parts[-1].append(line)
    for part in parts:
        looks = [line for line in part if line.runs]
        if not looks or any(line.run_ids is None or not {*line.run_ids}.isdisjoint(run_ids) for line in looks):
            own += part
        else:
            others += len(looks)
    return own, others


def of_arms(
    folder: Path, chosen: Chosen, *, seeds: Callable[[str], int], complete: Callable[[str], int],
    asked: Sequence[int] | None,
) -> Look:  # fmt: skip
    """Return the look at the arms of a study's dataset, and store it if it is a new one.

    `seeds` gives those that every model of the study has on a dataset, and `complete` those of the complete study.
    """
    dataset = chosen.arms[0].config.dataset
    ids = [run_id for arm in chosen.arms for run_id in arm.run_ids]
    return take(folder, dataset, ids, seeds=seeds(dataset), complete=complete(dataset), asked=asked)


def _plan(stored: Sequence[int] | None, asked: Sequence[int] | None, complete: int) -> tuple[int, ...]:
    wanted = tuple(sorted(set(asked))) if asked else None
    if wanted and wanted[0] < 2:
        raise InputError(f"--looks {','.join(map(str, wanted))} plans a look at {wanted[0]} seeds. Use 2 or more")
    if stored and wanted and wanted != tuple(stored):
        raise InputError(
            f"--looks {','.join(map(str, wanted))} is not the plan of this study, which was written before its first "
            f"look: {','.join(map(str, stored))}. Omit --looks"
        )
    return tuple(stored) if stored else wanted or (max(complete, 1),)


def _read(path: Path) -> list[_Line]:
    """Return the lines of the file, none if there is no file. Raise Damaged for any other content."""
    try:
        return [msgspec.json.decode(line, type=_Line) for line in text(path).splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (ValueError, OSError) as error:
        raise Damaged(
            f"{path} is damaged ({str(error)[:80]}), and it counts the looks at this study. Restore it from a copy"
        ) from error
