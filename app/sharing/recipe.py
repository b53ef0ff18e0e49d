"""How a run was trained, as a card says it: one sentence for each part, from the configuration alone."""

from __future__ import annotations

from ..artifacts.parts import Schedule
from ..config.run import RunConfig

_OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam"}
_SCHEDULES = {"cosine": "cosine to 0", "constant": "then constant"}
_EPS = 1e-8  # that is not mentioned


def optimiser(config: RunConfig) -> str:
    """The optimiser with its numbers."""
    name = _OPTIMIZERS.get(config.optimizer, config.optimizer)
    decay = f"weight decay {config.weight_decay:g}" if config.weight_decay else "no weight decay"
    parts = [name, f"lr {config.lr:g}", decay, f"batch {config.batch_size:,}"]
    if config.eps != _EPS:
        parts.append(f"eps {config.eps:g}")
    if config.clip_norm is not None:
        parts.append(f"gradients clipped to norm {config.clip_norm:g}")
    return ", ".join(parts)


def schedule(config: RunConfig, made: Schedule) -> str:
    """The learning rate over the steps: warm-up, then the schedule."""
    shape = _SCHEDULES.get(config.schedule, config.schedule)
    if not made.warmup_steps:
        return f"no warm-up, {made.total_steps:,} steps, {shape.removeprefix('then ')}"
    return f"{made.warmup_steps:,} warm-up steps of {made.total_steps:,}, {shape}"


def epochs(config: RunConfig) -> str:
    """How many epochs, and of what."""
    rows = f"{config.train_batches:,} random batches" if config.train_batches else "every training row"
    val = f"{config.val_batches:,} random batches" if config.val_batches else "every validation row"
    return f"{config.epochs:,}, each of {rows}; validated on {val}"


def regularisation(config: RunConfig, kind: str) -> str:
    """Dropout, and of images how they are augmented."""
    dropout = f"dropout {config.dropout:g}"
    return f"{dropout}, augmentation {config.augment}" if kind == "image" else dropout
