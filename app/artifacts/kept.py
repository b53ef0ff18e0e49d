"""The kept checkpoints of a finished run: the best of them, and those that can be deleted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..errors import InputError
from ..system import locks, storage
from ..system.durable import fsync_folder
from . import record
from .parts import KeptWeights
from .paths import kept_name
from .runs import Run


def best_of(run: Run) -> KeptWeights | None:
    """Return the kept checkpoint with the lowest validation loss, or None.

    With `--best-by accuracy` it is the one with the most correct validation examples. Records of earlier versions lack
    that number, and then the loss decides. Of equal ones it is the first.
    """
    return min(run.record.kept or (), key=lambda each: (-(each.correct or 0), each.val_loss, each.epoch), default=None)


def is_tested(run: Run) -> bool:
    """Return whether the best kept checkpoint has a test."""
    best, results = best_of(run), run.record.results
    return best is not None and results is not None and results.test_kept is not None \
        and results.test_kept.epoch == best.epoch  # fmt: skip


def spare(run: Run) -> dict[Path, int]:
    """Return the kept checkpoints of a run except the last and the best one, with their bytes.

    Raises InputError unless the best one is tested.
    """
    best = best_of(run)
    if best is None:
        return {}
    if not is_tested(run):
        raise InputError(
            f"the best kept checkpoint of run {run.record.run_id} (epoch {best.epoch}) is not tested. Run `study best` "
            "first"
        )
    there = run.files.kept()
    needed = {best.epoch, max(there, default=0)}
    return {path: storage.taken(path) for epoch, path in there.items() if epoch not in needed}


def remove(run: Run, paths: Iterable[Path]) -> int:
    """Delete spare kept checkpoints, and return their bytes. Their sums are removed from the record first.

    Raises Held if another process uses the run, and InputError if the checkpoints changed since they were listed.
    """
    with locks.lock(run.files.lock, wait=False):
        now = Run.load(run.files.record)
        chosen, there = {*paths}, spare(now)
        if not chosen <= there.keys():
            raise InputError(f"run {run.record.run_id} changed since it was listed. Run the same command again")
        gone = {kept_name(epoch) for epoch, path in now.files.kept().items() if path in chosen}
        sums = {name: digest for name, digest in (now.record.files or {}).items() if name not in gone}
        record.write(now.files.record, msgspec.structs.replace(now.record, files=sums))
        for path in chosen:
            storage.remove(path)
        fsync_folder(now.files.folder)
    return sum(there[path] for path in chosen)
