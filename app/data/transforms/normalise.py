"""From stored numbers to the model's float32: pixels normalised by channel, other inputs unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .transform import Draws


@dataclass(frozen=True)
class Normalise:
    """Normalise each channel to (x / 255 - mean) / std: uint8 or float (B, C, H, W) -> float32 (B, C, H, W)."""

    mean: Tensor  # (C,), of pixels in [0, 1]
    std: Tensor  # (C,)
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with normalised inputs."""
        del draws
        x = inputs.float()
        x.mul_((1 / (255 * self.std))[:, None, None]).sub_((self.mean / self.std)[:, None, None])
        return x, targets


@dataclass(frozen=True)
class AsFloat:
    """Convert inputs that are not images: float16 or float32 -> float32."""

    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with float32 inputs."""
        del draws
        return inputs.float(), targets
