"""The weights that `--keep-every` keeps: written at the ends of epochs, and consistent when a run resumes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from torch import nn

from ..artifacts import checkpoint
from ..artifacts.parts import KeptWeights
from ..artifacts.paths import RunFiles
from ..errors import InputError
from ..events import EpochEnd, Event
from ..log import TrainingLog


@dataclass
class KeepingEpochs:
    """An observer that keeps the weights after every nth epoch.

    The header of their file contains epoch, step and validation loss.
    """

    files: RunFiles
    model: nn.Module
    log: TrainingLog
    every: int  # epochs
    metadata: Mapping[str, Any]
    by: str = "loss"  # or accuracy: what the best weights are chosen by

    def __call__(self, event: Event) -> None:
        if not isinstance(event, EpochEnd) or event.epoch % self.every:
            return
        self.log.drain()
        row = self.log.last["val_full"]
        correct = row["correct"] if self.by == "accuracy" else None
        kept = KeptWeights(epoch=event.epoch, step=event.step, val_loss=row["loss"], correct=correct)
        about = dict(self.metadata) | {"kept": msgspec.to_builtins(kept)}
        checkpoint.save_weights(self.files.kept_at(event.epoch), self.model, about)


def require_effect(every: int | None, epochs: int) -> None:
    """Raise InputError if no epoch would be kept."""
    if every and every > epochs:
        raise InputError(f"--keep-every {every} keeps nothing of {epochs:,} epochs. Use at most {epochs:,}, or omit it")


def drop_later(files: RunFiles, step: int, *, steps_per_epoch: int) -> None:
    """Remove kept weights of epochs that end after a step, because the run resumes there and recomputes them."""
    for epoch, path in files.kept().items():
        if epoch * steps_per_epoch > step:
            path.unlink()


def listed(files: RunFiles) -> list[KeptWeights] | None:
    """Return the kept weights in the order of their epochs, by the headers of their files, or None without any."""
    found = []
    for path in files.kept().values():
        with suppress(InputError, KeyError, msgspec.ValidationError):  # a damaged file is not a checkpoint
            found.append(msgspec.convert(checkpoint.metadata(path)["kept"], KeptWeights))
    return found or None


def room(parameters: int, *, epochs: int, every: int | None) -> int:
    """Return the bytes of the weights that a run keeps after its epochs, in float32."""
    return 4 * parameters * (epochs // every) if every else 0
