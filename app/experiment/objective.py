"""The training loss of a run, the weights of its classes, and the notes on uneven classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import task
from ..artifacts.parts import DataRecord
from ..config import noisy
from ..config.run import RunConfig
from ..losses import Objective
from ..sharing import recipe
from .job import Job

_UNEVEN = 3  # ratio to the rows of the smallest class from which a note is printed


def class_weights(job: Job) -> Tensor | None:
    """Return the weights of the classes in the training loss, float32 (K,) on the run's device, or None without any."""
    if job.config.class_weights == "none":
        return None
    return torch.tensor(balanced(_training_rows(job.kept.data)), dtype=torch.float32, device=job.here.device)


def of(job: Job) -> Objective:
    """Return the training loss of a run."""
    config = job.config
    return Objective(config.loss, config.label_smoothing, class_weights(job))


def guess_loss(config: RunConfig) -> float:
    """Return the training loss of a model that answers with equal probabilities for all classes."""
    return Objective(config.loss).guess(config.classes)


def balanced(counts: Sequence[int]) -> list[float]:
    """Return n / (K n_c) of each class c with n_c of the n training rows. K classes have rows, the others weigh 0.

    These are scikit-learn's weights (`compute_class_weight("balanced")`, after King and Zeng 2001,
    doi:10.1093/oxfordjournals.pan.a004868). Their mean over the training rows is 1, so that the expected loss of a
    batch of any size is the mean of the classes' mean losses.
    """
    n, there = sum(counts), sum(count > 0 for count in counts)
    return [n / (there * count) if count else 0.0 for count in counts]


def log_header(config: RunConfig) -> dict[str, Any]:
    """Return the header of a run's log."""
    found = {"run_id": config.run_id, "model": config.model, "size": config.size, "dataset": config.dataset}
    found |= {"task": config.task} if task.of(config.task) is not task.classes else {}
    return found | noisy.settings(config) | header(config)


def header(config: RunConfig) -> dict[str, Any]:
    """Return the log header's entries on training losses that differ from those of validation, and on their counts."""
    plain, weighted = task.of(config.task).loss_name, config.class_weights != "none"
    mixes, smoothed = config.mixup or config.cutmix, config.label_smoothing
    if not weighted and not mixes and not smoothed and config.loss == "cross_entropy":
        return {}
    train = plain if config.loss == "cross_entropy" else "binary cross-entropy, the mean over the classes"
    train += " of mixed targets" if mixes else ""
    train += f", labels smoothed by {smoothed:g}" if smoothed else ""
    train += ", weighed by class with n / (K n_c)" if weighted else ""
    found: dict[str, Any] = {"class_weights": config.class_weights} if weighted else {}
    found |= {"losses": {"train": train, "val": plain, "val_full": plain}}
    if mixes:
        found |= {
            "mixing": recipe.mixing(config),
            "train_counts": "outputs of mixed inputs against the targets before mixing",
        }
    return found


def notes(config: RunConfig, data: DataRecord) -> list[str]:
    """Return what a reader must know about classes with uneven rows, as one sentence per fact."""
    if not data.class_rows:
        return []
    rows = _training_rows(data)
    said = _wrong_labels(data)
    if missing := [name for name, count in zip(data.class_names, rows, strict=True) if not count]:
        said.append(f"{len(missing):,} of {len(rows):,} classes have no training row: {', '.join(missing[:3])}")
    most, least = max(rows), min(count for count in rows if count)
    if most > _UNEVEN * least and config.class_weights == "none":
        large, small = (data.class_names[rows.index(count)] for count in (most, least))
        said.append(
            f"the classes are uneven: {large} has {most:,} training rows, {small} has {least:,}. Top-1 hides the small "
            "classes, so read balanced accuracy too. --class-weights balanced gives all classes the same weight"
        )
    return said


def _wrong_labels(data: DataRecord) -> list[str]:
    """Return how many labels differ from the published ones, as one sentence, or nothing without label noise."""
    if not (noise := data.label_noise):
        return []
    counts = [(noise.train, data.rows.train, "training"), (noise.val, data.rows.val, "validation")]
    told = [f"{count:,} of {rows:,} {name} labels ({100 * count / rows:.1f} %)" for count, rows, name in counts]
    return [f"{' and '.join(told)} differ from the published ones ({noise.rule.partition(':')[0]})"]


def _training_rows(data: DataRecord) -> list[int]:
    """Return the training rows of each class."""
    assert data.class_rows, "the rows are counted when a run begins"
    return data.class_rows["train"]
