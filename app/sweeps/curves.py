"""The curve of a run: a sweep's metric after each epoch, from the full validation passes in its training log."""

from __future__ import annotations

from .. import log
from ..artifacts import states
from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run
from .metric import Metric


def of_run(files: RunFiles, metric: Metric, *, until: int | None = None) -> tuple[float, ...]:
    """Return the metric after each epoch, up to a step; nothing for a run without a log. Raises Damaged."""
    if not files.log.is_file():
        return ()
    rows = [row for row in log.read(files.log)[1] if row["split"] == "val_full"]
    by_epoch = {row["epoch"]: metric.value(row) for row in rows if until is None or row["step"] <= until}
    return tuple(value for _, value in sorted(by_epoch.items()))


def saved(files: RunFiles, metric: Metric) -> tuple[float, ...]:
    """Return the curve up to the newest complete state, from which the run resumes."""
    manifests = (states.read(path) for path in states.manifests(files.state))
    newest = next((manifest for manifest in manifests if manifest), None)
    return of_run(files, metric, until=newest.step) if newest else ()


def is_done(files: RunFiles) -> bool:
    """Return whether a run is finished, by its record. Raises Damaged."""
    return files.record.is_file() and Run.load(files.record).done
