"""What the runs of two arms show about their tuning and training, as remarks of the audit.

All finished runs of an architecture on the dataset count, not only those that are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..artifacts.index import Entry
from ..artifacts.parts import Errors
from ..artifacts.runs import Run
from .arms import ARCHITECTURE, Arm, architecture
from .audit import Finding, side_by_side

_REPLICATES = ("seed", "fold", "repeat")
_NAMED = 5  # runs in a remark


def findings(a: Arm, b: Arm, entries: Sequence[Entry]) -> list[Finding]:
    """Return the remarks on two arms; `entries` are those of all runs in the folder."""
    arms = [(arm, _alike(arm, entries)) for arm in (a, b)]
    found = [finding for arm, alike in arms for finding in (*_edge(arm, alike), *_diverged(arm, alike))]
    trials = [_trials(arm, alike) for arm, alike in arms]
    if trials[0] != trials[1]:
        text = f"tuning: {trials[0]} finished configurations of {a.title} against {trials[1]} of {b.title}"
        found.append(Finding(confound="trials spent on tuning", text=text))
    runs = (*a.runs, *b.runs)
    return [*found, *_unlearned(runs), *_tested_again(runs), *_side_by_side(runs), _order(a, b)]


def learned(run: Run) -> bool:
    """Return whether a run's test is better than a constant answer: the majority class, or the mean target."""
    test = run.record.test
    if isinstance(test, Errors):
        return bool(test.rmse < test.target_std)
    counts = (run.record.data.class_rows or {}).get("test") or [sum(row) for row in test.confusion]
    return bool(test.top1 > max(counts) / max(1, sum(counts)))


def _alike(arm: Arm, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of the arm's architecture on its dataset."""
    wanted = _plain(architecture(arm.config))
    return [
        entry for entry in entries
        if entry.dataset == arm.config.dataset
        and _plain(entry.config.get(name, 1) for name in ARCHITECTURE) == wanted
    ]  # fmt: skip


def _plain(values: Iterable[Any]) -> list[Any]:
    """Return values as the index has them, with lists in place of tuples."""
    return [[*value] if isinstance(value, tuple) else value for value in values]


def _recipe(entry: Entry, *omitted: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, repr(value)) for name, value in entry.config.items() if name not in (*_REPLICATES, *omitted))


def _trials(arm: Arm, alike: Sequence[Entry]) -> int:
    """Return how many different configurations were trained to their end, seeds and folds apart."""
    return len({_recipe(entry) for entry in alike if entry.status == "done"} or {arm.title})


def _edge(arm: Arm, alike: Sequence[Entry]) -> list[Finding]:
    """Return a remark if the learning rate is the lowest or the highest of those that were tried."""
    own = next((entry for entry in alike if entry.run_id == arm.run_ids[0]), None)
    if own is None:
        return []
    like = _recipe(own, "lr")
    grid = sorted({entry.config["lr"] for entry in alike if entry.status == "done" and _recipe(entry, "lr") == like})
    lr = arm.config.lr
    if len(grid) < 2 or lr not in (grid[0], grid[-1]):
        return []
    tried = ", ".join(f"{each:g}" for each in grid)
    text = f"the learning rate {lr:g} of {arm.title} is at the edge of those tried ({tried}), so a better one may exist"
    return [Finding(confound=f"a learning rate at the edge of its grid ({arm.title})", text=text)]


def _diverged(arm: Arm, alike: Sequence[Entry]) -> list[Finding]:
    gone = [entry.run_id for entry in alike if entry.failure and entry.failure.kind == "diverged"]
    if not gone:
        return []
    return [Finding(confound="", text=f"{len(gone)} runs of {arm.title} diverged ({_listed(gone)})")]


def _unlearned(runs: Sequence[Run]) -> list[Finding]:
    gone = [run.record.run_id for run in runs if not run.config.folds and not learned(run)]
    if not gone:
        return []
    text = f"{len(gone)} runs are not better than a constant answer ({_listed(gone)}), so they did not learn"
    return [Finding(confound="", text=text)]


def tested_again(run: Run) -> bool:
    """Return whether other weights of a tested run than its final ones were tested on the same rows."""
    results = run.record.results
    assert results, "the run is tested"
    return bool(results.test_best or results.test_ema or results.test_kept)


def _tested_again(runs: Sequence[Run]) -> list[Finding]:
    """Return a remark on runs with several tests on the same test rows, of which the best could be chosen."""
    again = [run.record.run_id for run in runs if tested_again(run)]
    if not again:
        return []
    text = (
        f"the test set was used more than once by {len(again)} runs ({_listed(again)}). The final weights are compared"
    )
    return [Finding(confound="", text=text)]


def _side_by_side(runs: Sequence[Run]) -> list[Finding]:
    """Return a remark on the times of runs that shared a device."""
    shared = [run.record.run_id for run in runs if max(side_by_side(run.record)) > 1]
    if not shared:
        return []
    many = "1 run" if len(shared) == 1 else f"{len(shared)} runs"
    text = f"{many} shared a device with other runs ({_listed(shared)}), which lengthens the training time"
    return [Finding(confound="", text=text)]


def _order(a: Arm, b: Arm) -> Finding:
    """Return a remark on the order of the training rows, which the seed decides."""
    same = np.array_equal(a.seeds, b.seeds)
    how = "the same seeds, so the same orders of the training rows" if same else "different seeds"
    shown = [", ".join(map(str, arm.seeds)) for arm in (a, b)]
    return Finding(confound="", text=f"{how} ({shown[0]})" if same else f"{how} ({shown[0]} and {shown[1]})")


def _listed(run_ids: Sequence[str]) -> str:
    more = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
    return ", ".join(run_ids[:_NAMED]) + more
