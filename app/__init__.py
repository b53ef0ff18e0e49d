"""isoscale: compare vision architectures at equal budget, data and seed, and test whether a difference is real."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .errors import ON_WINDOWS, InputError, NotUploaded, RunFailed, Stopped

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from .artifacts.runs import Run

__version__ = "0.1.0"
__all__ = ["InputError", "NotUploaded", "RunFailed", "Stopped", "__version__", "load", "train"]


def _require_supported() -> None:
    if os.name == "nt":
        raise InputError(ON_WINDOWS)


def train(**settings: Any) -> Run:
    """Train a model and test it. Resume the run if it was interrupted, or return it if it is done.

    `settings` are the options of the command `train`, with underscores. The run has the same ID, files and numbers as
    that of the equal command. Raises InputError for settings that cannot be used, RunFailed if the run fails,
    NotUploaded, and Stopped for a signal or `max_minutes`.
    """
    _require_supported()
    from .cli.train import kept_at_the_hub, trained
    from .config.command import Command
    from .system import signals

    command = Command.of(settings)
    spelled = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    with signals.ending():
        run = trained(command, text=f"isoscale.train({spelled})")
        assert run, "ranks are started by torchrun, with the command"
        _, failed = kept_at_the_hub(run, command.keeping)
    if failed:
        raise failed
    return run


def load(
    where: str | Path, *, best: bool = False, ema: bool = False, device: str = "auto", model: str | None = None
) -> nn.Module:
    """Return the model of a finished run, in eval mode on a device: float32 (B, C, H, W) or (B, C, L) -> (B, K).

    Its `classes` are the class names in the order of the K logits or, for a regression, the target's name (K = 1). Its
    `preprocess` makes such inputs from images, fields or signals. Its `run_id` is the ID of the run.

    `where` is a run's folder, its stem, one of its files, its ID if it is below ./checkpoints, or hf://owner/name/path,
    which is downloaded to the cache. With `best` the weights are those that were best on validation, and with `ema`
    the average of a run with `--ema`. `model` is the FILE.py:NAME of a run with a model of your own, whose code
    is never run from a record. Raises InputError for a run that does not exist, is not finished or has no such
    weights, and RunFailed for damaged files.
    """
    _require_supported()
    from .experiment.loading import load

    return load(where, best=best, ema=ema, device=device, model=model)
