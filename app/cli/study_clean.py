"""`study clean`: delete the kept checkpoints of a study's finished runs, but the last and the best of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..system.printable import printable
from . import options as o
from . import screen
from .examples import page
from .study_best import CellsOf, finished, with_kept

if TYPE_CHECKING:
    from ..artifacts.runs import Run

_SAFE = (
    "The last and the best kept checkpoint of each run stay. If the best one of a run is not tested, nothing is "
    "deleted."
)


def register(group: typer.Typer, options: Mapping[str, tuple[Any, Any]], cells_of: CellsOf) -> None:
    """Add the command to the group; `cells_of` reads a study from its options."""

    @o.takes(**options, yes=(o.Yes, False))
    def clean(*, yes: bool, **given: Any) -> None:
        """Delete the checkpoints of --keep-every that are neither the last nor the best, after listing them."""
        with screen.Screen() as shown:
            found = _spare(with_kept(finished(*cells_of(given, shown))))
        if not found:
            return screen.note("note: there is nothing to delete")
        _announce(found)
        screen.require_agreement(f"Delete {_counted(found)}?", yes=yes)
        return _remove(found)

    group.command(**page("study clean", _SAFE))(clean)


def _spare(runs: Sequence[Run]) -> list[tuple[Run, dict[Path, int]]]:
    """Return the runs with checkpoints to delete. Raises InputError for one that is untested, Held for one in use."""
    from ..artifacts import kept
    from ..errors import Held
    from ..system import locks

    found = [(run, spare) for run in runs if (spare := kept.spare(run))]
    for run, _ in found:
        if locks.is_held(run.files.lock):
            raise Held(
                f"run {run.record.run_id} is in use by another process, and nothing was deleted. Stop that process, or "
                "wait until it ends"
            )
    return found


def _announce(found: Sequence[tuple[Run, dict[Path, int]]]) -> None:
    from ..system import storage

    for run, spare in found:
        size = storage.spoken(sum(spare.values()))
        screen.note(printable(f"{run.files.folder / run.files.stem}: {_files(len(spare))}, {size}"))
        for path, count in spare.items():
            screen.note(printable(f"  {storage.spoken(count):>12}  {path.name}"))


def _remove(found: Sequence[tuple[Run, dict[Path, int]]]) -> None:
    from ..artifacts import kept
    from ..system import storage

    freed = 0
    for run, spare in found:
        freed += kept.remove(run, spare)
        screen.result_line(f"deleted {_files(len(spare))} of {run.files.folder / run.files.stem}")
    screen.result_line(f"{storage.spoken(freed)} freed")


def _counted(found: Sequence[tuple[Run, dict[Path, int]]]) -> str:
    from ..system import storage

    count, size = sum(len(spare) for _, spare in found), sum(sum(spare.values()) for _, spare in found)
    return f"{_files(count)} with {storage.spoken(size)}"


def _files(count: int) -> str:
    return f"{count:,} checkpoint{'' if count == 1 else 's'}"
