"""`study best`: test the kept checkpoint with the lowest validation loss of each finished run of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from . import options as o
from .examples import page
from .screen import Screen, note, result, result_json

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..studies.cells import Cell

CellsOf = Callable[[dict[str, Any], Screen], tuple["list[Cell]", Path]]

_RULE = (
    "The checkpoints are those of --keep-every. The choice is by the loss over the validation split, or by the "
    "accuracy there of a run with --best-by accuracy, and never by the test. The test is stored as results.test_kept, "
    "and the tests of the final and the best weights stay as they are."
)


def register(group: typer.Typer, options: Mapping[str, tuple[Any, Any]], cells_of: CellsOf) -> None:
    """Add the command to the group; `cells_of` reads a study from its options."""

    @o.takes(**options, as_json=(o.AsJson, False))
    def best(*, as_json: bool, **given: Any) -> None:
        """Test the kept checkpoint with the lowest validation loss of each finished run."""
        with Screen(quiet=as_json) as screen:
            found = with_kept(finished(*cells_of(given, screen)))
            tested, failed = _tested(found, given, screen)
        result_json([_to_json(run) for run in tested], indent=1) if as_json else result(_table(tested))
        _require_all(failed)

    group.command(**page("study best", _RULE))(best)


def finished(cells: Sequence[Cell], checkpoints: Path) -> list[Run]:
    """Return the finished runs of a study; the number of others is noted."""
    from ..artifacts.runs import Run
    from ..studies import progress

    found = progress.of_cells(list(cells), checkpoints, note)
    done = [each.run for each in found if each.done and each.run]
    if left := len(found) - len(done):
        note(f"{left:,} of {len(found):,} runs are not finished, and are skipped")
    return [Run.load(run.files.record) for run in done]


def with_kept(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that kept checkpoints; raise InputError where none did."""
    from ..errors import InputError

    found = [run for run in runs if run.record.kept]
    if not found:
        raise InputError(
            f"none of the {len(runs):,} finished runs of the study has kept checkpoints. Train with --keep-every"
        )
    if left := len(runs) - len(found):
        note(f"{left:,} of {len(runs):,} finished runs have no kept checkpoints, and are skipped")
    return found


def _tested(runs: Sequence[Run], given: Mapping[str, Any], screen: Screen) -> tuple[list[Run], list[str]]:
    """Return the runs with the test of their best checkpoint, and why others could not be tested."""
    from ..artifacts import kept
    from ..errors import Explained

    tested: list[Run] = []
    failed: list[str] = []
    for number, run in enumerate(runs, 1):
        if kept.is_tested(run):
            tested.append(run)
            continue
        screen.stage(f"testing run {number:,} of {len(runs):,}")
        try:
            tested.append(_test(run, given, screen))
        except Explained as error:
            failed.append(f"run {run.record.run_id}: {error}")
            screen.say(failed[-1])
    return tested, failed


def _test(run: Run, given: Mapping[str, Any], screen: Screen) -> Run:
    from ..artifacts import kept
    from ..experiment import run as experiment  # torch, which a study whose checkpoints are tested need not load

    best = kept.best_of(run)
    assert best, "the run has kept checkpoints"
    options = experiment.Options(
        device=given["device"] or "auto", threads=given["threads"], verify=bool(given["verify"])
    )
    return experiment.evaluate_kept(run, options, screen, epoch=best.epoch)


def _require_all(failed: Sequence[str]) -> None:
    """Raise StudyFailed if a checkpoint could not be tested."""
    from ..errors import StudyFailed

    if failed:
        count = "1 run" if len(failed) == 1 else f"{len(failed):,} runs"
        raise StudyFailed(f"the best checkpoint of {count} could not be tested. The first: {failed[0]}")


def _to_json(run: Run) -> dict[str, Any]:
    """Return the checkpoint and its test for a machine."""
    from ..artifacts import kept
    from ..artifacts.record import plain

    best, record = kept.best_of(run), run.record
    assert best and record.results and record.results.test_kept, "it was just tested"
    return {"run_id": record.run_id, "model": record.model, "size": record.size, "dataset": record.dataset,
            "seed": run.config.seed, "path": str(run.files.kept_at(best.epoch)), **plain(best),
            "test": plain(record.results.test_kept)}  # fmt: skip


def _table(runs: Sequence[Run]) -> str:
    from ..artifacts import kept
    from ..system.columns import columns

    lines = []
    for run in runs:
        best, record = kept.best_of(run), run.record
        assert best and record.results, "it was just tested"
        about = (record.run_id, record.model, record.size, record.dataset, run.config.seed)
        tests = (_number(record.results.test), _number(record.results.test_kept))
        lines.append((*about, best.epoch, f"{best.val_loss:.4g}", *tests))
    heads = ("run", "model", "size", "dataset", "seed", "epoch", "val loss", "final", "kept")
    return columns(heads, lines, folds=("model", "dataset"))


def _number(test: Any) -> str:
    """Return the number of a test for a reader."""
    if test is None:
        return "-"
    return f"RMSE {test.rmse:.4g}" if hasattr(test, "rmse") else f"{100 * test.top1:.2f} %"
