"""The folds of a study: rows that stand for every fold, and the finished runs of a model's folds, pooled."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..artifacts.runs import Run
from ..config.settings import parsed
from ..config.settings.data import MOST_FOLDS
from ..errors import Explained, InputError
from .axes import MOST_ROWS, SETTINGS
from .progress import Progress
from .rows import Row

if TYPE_CHECKING:
    from ..results.pooled import Pooled

_APART = ("fold", "repeat")
_TITLE = ("model", "size", "dataset", "seed")  # what a group of runs is named by in any case


def expanded(rows: Iterable[Row], repeats: int | None) -> list[Row]:
    """Return the rows with those that have `folds` but no `fold` written out, one row per fold and repeat.

    `repeats` is the number of partitions for all rows with folds. Raises InputError.
    """
    found: list[Row] = []
    any_folds = False
    for row in rows:
        folds = _folds(row)
        any_folds |= folds is not None
        written = [row] if folds is None else _of_row(row, folds, repeats)
        found += itertools.islice(written, MOST_ROWS + 1 - len(found))
        if len(found) > MOST_ROWS:
            raise InputError(f"the study has more than {MOST_ROWS:,} runs. Divide it into several files")
    if repeats is not None and not any_folds:
        raise InputError(f"--repeats {repeats} has no effect without folds. Give --folds, or omit --repeats")
    return found


def _folds(row: Row) -> int | None:
    """Return the folds of a row; None where it has none, or no number of folds, which is refused later."""
    with suppress(InputError):
        count = parsed(SETTINGS, {"folds": row.cells.get("folds")}).get("folds")
        return count if count and 2 <= count <= MOST_FOLDS else None
    return None


def _of_row(row: Row, folds: int, repeats: int | None) -> Iterator[Row]:
    if repeats is not None and _is_given(row, "repeat"):
        raise InputError(
            f"{row.where or '--repeat'}: repeat={row.cells['repeat']} and --repeats {repeats} both choose "
            "partitions. Omit one of them"
        )
    given = _is_given(row, "fold")
    for repeat in range(repeats or 1):
        for fold in range(1 if given else folds):
            yield _at(row, ({} if repeats is None else {"repeat": repeat}) | ({} if given else {"fold": fold}))


def _is_given(row: Row, name: str) -> bool:
    return row.cells.get(name) not in (None, "")


def _at(row: Row, more: dict[str, int]) -> Row:
    shown = ", ".join(filter(None, [row.where, *(f"{name}={value}" for name, value in more.items())]))
    return replace(row, cells=row.cells | more, where=shown)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The cells of a study that differ in fold and repeat only, and what their finished runs give together."""

    cells: tuple[Progress, ...]
    title: str
    pooled: Pooled | None  # of the repeats whose folds are all finished; None: there is none, or they cannot be pooled
    note: str = ""  # why not, or what is missing

    def to_json(self) -> dict[str, Any] | None:
        """Return the pooled test for a machine; None where there is none."""
        return self.pooled.to_json() if self.pooled else None

    def line(self) -> str:
        """Return the group for a reader."""
        config = self.cells[0].cell.config
        head = f"{self.title}, {config.folds} folds"
        text = f"{head}: {_told(self.pooled)}" if self.pooled else head
        return f"{text}. {self.note}" if self.note else text


def groups(progress: Sequence[Progress], say: Callable[[str], None]) -> list[Group]:
    """Return the groups of a study's cells that have folds, in the order of their first cells."""
    found: dict[str, list[Progress]] = {}
    for each in progress:
        if each.cell.config.folds is not None:
            fields = each.cell.config.to_json()
            key = json.dumps({name: value for name, value in fields.items() if name not in _APART}, sort_keys=True)
            found.setdefault(key, []).append(each)
    titles = _titles([members[0] for members in found.values()])
    return [_group(members, title, say) for members, title in zip(found.values(), titles, strict=True)]


def _group(members: list[Progress], title: str, say: Callable[[str], None]) -> Group:
    folds, repeats = members[0].cell.config.folds or 0, _by_repeat(members)
    complete = {repeat: each for repeat, each in repeats.items() if sum(one.done for one in each) == folds}
    note = _missing(members, folds * len(repeats))
    if not complete:
        return Group(cells=tuple(members), title=title, pooled=None, note=note)
    from ..results import pooled  # numpy, which a study without finished folds need not load

    try:
        runs = [Run.load(one.run.files.record) for each in complete.values() for one in each if one.run]
        return Group(cells=tuple(members), title=title, pooled=pooled.pooled(runs), note=note)
    except Explained as error:
        say(f"the folds of {title} are not pooled: {error}")
        return Group(cells=tuple(members), title=title, pooled=None, note=note or "They are not pooled")


def _missing(members: Sequence[Progress], wanted: int) -> str:
    """Return which runs a group lacks, of as many as all its repeats need; empty if it lacks none."""
    unfinished = sum(not each.done for each in members)
    parts = [f"{unfinished:,} of {len(members):,} runs are not finished"] if unfinished else []
    if absent := wanted - len(members):
        parts.append(f"{absent:,} of {wanted:,} folds are not in the study")
    return ", and ".join(parts)


def _by_repeat(members: Iterable[Progress]) -> dict[int, list[Progress]]:
    found: dict[int, list[Progress]] = {}
    for each in members:
        found.setdefault(each.cell.config.repeat, []).append(each)
    return found


def _titles(firsts: Sequence[Progress]) -> list[str]:
    """Return a title per group: model, size, dataset and seed, then the settings in which the groups differ."""
    given = [each.cell.given for each in firsts]
    names = dict.fromkeys(name for settings in given for name in settings if name not in (*_TITLE, *_APART))
    differ = [name for name in names if len({str(settings.get(name)) for settings in given}) > 1]
    return [", ".join(_words(each, differ)) for each in firsts]


def _words(each: Progress, differ: Sequence[str]) -> Iterator[str]:
    config, given = each.cell.config, each.cell.given
    yield config.model if config.size == config.model else f"{config.model} {config.size}"
    yield config.dataset
    yield f"seed {config.seed}"
    yield from (f"{name}={given[name]}" for name in differ if name in given)


def _told(found: Pooled) -> str:
    """Return a pooled test for a reader."""
    score, several = found.overall, len(found.repeats) > 1
    scale, unit = (100.0, " %") if score.metric == "accuracy" else (1.0, "")
    digits = ".2f" if score.metric == "accuracy" else ".4g"

    def shown(value: float) -> str:
        return f"{scale * value:{digits}}{unit}"

    kind = "Wilson" if score.metric == "accuracy" else "bootstrap"
    within = score.interval
    parts = [f"95 % {kind} interval {shown(within[0])} to {shown(within[1])}"] if within else []
    parts.append(f"n = {score.n:,}")
    if several:
        values = [each.value for each in found.repeats.values()]
        parts.append(f"mean of {len(values)} repeats, {shown(min(values))} to {shown(max(values))}")
    return f"{'RMSE' if score.metric == 'rmse' else 'accuracy'} {shown(score.value)} ({', '.join(parts)})"
