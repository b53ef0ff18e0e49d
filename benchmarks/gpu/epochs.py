"""What a training log says of time: steps with their validation batches, an epoch, and the study's 50 epochs."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .findings import Finding

EPOCHS, IMAGES, VALIDATION = 50, 45_000, 5_000  # of CIFAR-100, of which a tenth of the training split is held out
_FIRST = 10  # steps that compile, allocate and fill the queue of the log


def found(folder: Path) -> Iterator[Finding]:
    """Return one finding per training log in a folder, complete or not."""
    for log in sorted(folder.rglob("*_training.log")):
        record = json.loads(Path(str(log).replace("_training.log", ".json")).read_text())
        yield {"kind": "epoch", **read(_rows(log), record["config"]["batch_size"])} | {
            "model": record["config"]["model"], "execution": record.get("execution"),
        }  # fmt: skip


def _rows(log: Path) -> list[dict[str, Any]]:
    rows = []
    for line in log.read_text(errors="replace").splitlines()[1:]:
        try:
            rows.append(json.loads(line))
        except ValueError:  # the process was killed while it wrote
            break
    return rows


def read(rows: list[dict[str, Any]], batch_size: int) -> dict[str, Any]:
    """Return the seconds of a steady step and of an epoch, and the minutes of 50 epochs, from a log's rows.

    Means, since a slow step costs as much as it takes. The steps before the steady ones count once.
    """
    of: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(row["split"], []).append(row)
    train, val = of.get("train", []), of.get("val", [])
    first = min(_FIRST, len(train) // 2)
    steady, steady_val = train[first:], val[first:]
    if not steady or not steady_val:
        return {"steps": len(train)}
    step = statistics.fmean(row["seconds"] for row in steady)
    validation = statistics.fmean(row["seconds"] for row in steady_val)
    full = of.get("val_full", [])
    passed = full or steady_val  # the process may have been killed before the first complete pass
    per_image = sum(row["seconds"] for row in passed) / sum(row["examples"] for row in passed)
    epoch = math.ceil(IMAGES / batch_size) * (step + validation) + VALIDATION * per_image
    once = sum(row["seconds"] for row in train[:first] + val[:first]) - first * (step + validation)
    return {
        "steps": len(train), "batch": batch_size, "step_seconds": step, "validation_seconds": validation,
        "images_per_second": batch_size / step, "wait_ms": statistics.median(row["wait_ms"] for row in steady),
        "once_seconds": max(0.0, once), "epoch_seconds": epoch, "full_validation": bool(full),
        "fifty_epochs_minutes": (EPOCHS * epoch + max(0.0, once)) / 60,
        "samples": [row["seconds"] for row in steady],
    }  # fmt: skip
