"""One transform of a batch between storage and the model: its arguments, and the rules for every transform."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypedDict

from torch import Tensor


class Keys(TypedDict):
    """The arguments that key an augmentation's draws."""

    examples: Tensor
    seed: int
    epoch: int


class Draws(NamedTuple):
    """The keys of a batch's random draws, so that an example has the same draws in any batch, order and process."""

    seed: int
    epoch: int | None  # None: outside of training
    examples: Tensor  # int64 (B,), on the device
    rows: Tensor | None = None  # int64 (B,), row numbers as published, on the device; None: the batch has none

    def keys(self) -> Keys:
        """Return the keys of a training batch's draws, as the arguments of an augmentation."""
        assert self.epoch is not None, "augmentation is for training only"
        return {"examples": self.examples, "seed": self.seed, "epoch": self.epoch}


class Transform(Protocol):
    """A map (inputs, targets) -> (inputs, targets) of a batch on its device, without waiting for the device.

    Inputs are (B, C, H, W) or (B, C, L). Targets are of any dtype, (B,) or (B, K). The inputs belong to the list of
    transforms, so a transform may write into them.
    """

    @property
    def in_training_only(self) -> bool: ...

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]: ...
