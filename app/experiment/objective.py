"""What a run minimises: its task's loss, or the same weighed by class; and what is said of uneven classes."""

from __future__ import annotations

from typing import Any

import torch

from .. import task
from ..artifacts.parts import DataRecord
from ..config.run import RunConfig
from ..task import Task
from .job import Job

_UNEVEN = 3  # times the rows of the smallest class: from here on a note is worth its line


def of(job: Job) -> Task:
    """Return the task whose `training_sums` are minimised."""
    if job.config.class_weights == "none":
        return job.task
    weights = task.balanced_weights(_training_rows(job.kept.data))
    return task.WeightedClasses(weights=torch.tensor(weights, dtype=torch.float32, device=job.here.device))


def header(config: RunConfig) -> dict[str, Any]:
    """Return what the log's header says of the losses, where those of training are weighed; nothing otherwise."""
    if config.class_weights == "none":
        return {}
    plain = task.of(config.task).loss_name
    losses = {"train": f"{plain}, weighed by class (n / (K n_c)), per example", "val": plain, "val_full": plain}
    return {"class_weights": config.class_weights, "losses": losses}


def notes(config: RunConfig, data: DataRecord) -> list[str]:
    """Return what a reader has to know of classes with uneven rows: a sentence each."""
    if not data.class_rows:
        return []
    rows = _training_rows(data)
    said = []
    if missing := [name for name, count in zip(data.class_names, rows, strict=True) if not count]:
        said.append(f"{len(missing):,} classes have no training row: {', '.join(missing[:3])}")
    most, least = max(rows), min(count for count in rows if count)
    if most > _UNEVEN * least and config.class_weights == "none":
        large, small = (data.class_names[rows.index(count)] for count in (most, least))
        said.append(
            f"the classes are uneven: {large} has {most:,} training rows, {small} has {least:,}. Top-1 hides the small "
            "classes; read balanced accuracy too. --class-weights balanced weighs their losses evenly"
        )
    return said


def _training_rows(data: DataRecord) -> list[int]:
    """The training rows of each class."""
    assert data.class_rows, "the rows are counted when a run begins"
    return data.class_rows["train"]
