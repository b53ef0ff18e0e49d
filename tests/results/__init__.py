"""Runs made up for comparisons: finished records with predictions, in which a test plants a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from raw_records import put, raw
from report import made_up_run

from app import task
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run

N = 400


def finished(
    folder: Path, found: Predictions, *, data: dict[str, Any] | None = None, about: dict[str, Any] | None = None,
    test: dict[str, Any] | None = None, **asked: Any,
) -> Run:  # fmt: skip
    """A finished run with these predictions; `data`, `about` and `test` change parts of its record."""
    run = made_up_run(folder, steps=1, **asked)
    found.save(run.files.predictions)
    record = raw(run)
    record["data"] |= {"rows": {"train": 900, "val": 100, "test": len(found.rows)}, **(data or {})}
    record["results"]["test"] |= {"n": len(found.rows), **(test or {})}
    put(run.files.record, record | {"finished": record["started"], "flops_per_image": 1e6} | (about or {}))
    return Run.load(run.files.record)


def classified(right: np.ndarray, *, classes: int = 10, rows: np.ndarray | None = None, **more: Any) -> Predictions:
    """Predictions that are right where `right` (n,) is true, with labels 0, 1, 2, ... in turn."""
    labels = np.arange(len(right)) % classes
    logits = 3 * np.eye(classes, dtype=np.float32)[np.where(right, labels, (labels + 1) % classes)]
    return Predictions(np.arange(len(right)) if rows is None else rows, labels, logits, **more)


def fitted(errors: np.ndarray, *, names: np.ndarray | None = None) -> Predictions:
    """Predictions of a regression with these errors (n,)."""
    truth = np.linspace(0.3, 1.9, len(errors)).astype(np.float32)
    found = (truth + errors).astype(np.float32)
    return Predictions(np.arange(len(errors)), truth, found[:, None], names, task.values)


def arms(
    folder: Path, rates: dict[str, float], *, seeds: int = 5, n: int = N, spread: float = 0.0, **asked: Any
) -> None:
    """Runs of models on digits, of some seeds each, that are right with a probability each; examples are unequal."""
    random = np.random.default_rng(7)
    ease = random.normal(0, 0.1, n)
    for model, rate in rates.items():
        for seed in range(seeds):
            right = random.random(n) < rate + ease + random.normal(0, spread)
            finished(folder, classified(right), dataset="digits", size="1M", model=model, seed=seed, **asked)
