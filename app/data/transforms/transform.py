"""One step of a batch's way from stored inputs to the model: what it gets, and the law that all of them keep."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Draws(NamedTuple):
    """What keys a batch's random draws, so that an example is drawn alike in any batch, order and process."""

    seed: int
    epoch: int | None  # None: outside of training
    examples: Tensor  # int64 (B,), on the device


class Transform(Protocol):
    """(inputs, targets) -> (inputs, targets) of a batch on its device, without waiting for the device.

    Inputs are (B, C, H, W) or (B, C, L). Targets are of any dtype, (B,) or (B, K). The inputs are the list's: a
    transform may write into them.
    """

    @property
    def in_training_only(self) -> bool: ...

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]: ...
