"""MixUp (arXiv:1710.09412) and CutMix (arXiv:1905.04899): each training example with another of its optimiser batch.

Every draw is keyed by (seed, epoch, example). The partner is chosen from the complete optimiser batch before it is
divided, so that micro-batches and ranks do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ... import draws as keyed
from ...config.settings import Recipe
from ...task import Mixed
from .erasing import inside

PAIR = np.dtype([
    ("example", "<i8"), ("partner", "<i8"), ("share", "<f4"), ("cut", "<f4"), ("row", "<f4"), ("column", "<f4")
])  # fmt: skip
_PART = 13  # of a draw's key
_WHETHER, _CUT, _SHARE, _SHIFT, _ROW, _COLUMN = range(6)
_HALF = 2.0**-25  # half a step of a draw, so that no share is drawn at an end of the distribution


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """The rule of a run: the parameters of the Beta distributions, 0 for none, and who shares a draw."""

    mixup: float
    cutmix: float
    prob: float = 1.0  # of a mixed example or batch
    switch: float = 0.5  # the probability of CutMix if both are used
    mode: str = "batch"  # or element
    epochs: int | None = None  # after which nothing is mixed

    def paired(self, examples: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
        """Return the pairs of an optimiser batch, int64 (B,) -> PAIR (B,). The epoch counts from 0.

        A pair has the example's share of the mixture, from Beta(a, a), and for CutMix the centre of the box as shares
        of height and width. In batch mode all examples have the same draws, and the partner is a fixed number of places
        ahead. In element mode each example has separate draws. An example that is not mixed is its own partner.
        """
        found = np.zeros(len(examples), PAIR)
        found["example"] = found["partner"] = examples
        found["share"] = 1.0
        if len(examples) == 1 or (self.epochs is not None and epoch >= self.epochs):
            return found
        at = np.broadcast_to(examples[:1], examples.shape) if self.mode == "batch" else examples
        stream = [keyed.key(keyed.AUGMENT, seed, epoch, _PART, part) for part in range(6)]
        mixed = keyed.uniform(stream[_WHETHER], at) < self.prob
        cut = keyed.uniform(stream[_CUT], at) < (self.switch if self.mixup and self.cutmix else float(self.cutmix > 0))
        share = np.where(
            cut, *(_beta(alpha, keyed.uniform(stream[_SHARE], at)) for alpha in (self.cutmix, self.mixup))
        )  # fmt: skip
        places = np.arange(len(examples)) + 1 + keyed.integers(stream[_SHIFT], at, len(examples) - 1)
        found["partner"] = np.where(mixed, examples[places % len(examples)], examples)
        found["share"] = np.where(mixed, share, 1.0)
        found["cut"] = mixed & cut
        found["row"], found["column"] = (keyed.uniform(stream[part], at) for part in (_ROW, _COLUMN))
        return found


def of(recipe: Recipe) -> Mixing | None:
    """Return the rule of a run, or None if nothing is mixed."""
    if not recipe.mixup and not recipe.cutmix:
        return None
    return Mixing(
        mixup=recipe.mixup, cutmix=recipe.cutmix, prob=recipe.mix_prob, switch=recipe.mix_switch,
        mode=recipe.mix_mode, epochs=recipe.mix_epochs,
    )  # fmt: skip


def _beta(alpha: float, uniform: np.ndarray) -> np.ndarray:
    """Return the quantiles of Beta(alpha, alpha), or ones for alpha 0."""
    if alpha in (0.0, 1.0):
        return uniform + _HALF if alpha else np.ones_like(uniform)
    from scipy import special  # takes a moment to import

    found: np.ndarray = special.betaincinv(alpha, alpha, uniform + _HALF)
    return found


def loaded(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the examples of some pairs, each once, and the places of examples and partners in them, int64 (2, B)."""
    both = np.concatenate([pairs["example"], pairs["partner"]])
    examples, places = np.unique(both, return_inverse=True)
    return examples, places.reshape(2, len(pairs))


def numbers(pairs: np.ndarray) -> np.ndarray:
    """Return share, cut, row and column of some pairs: float32 (4, B)."""
    return np.stack([pairs[name] for name in ("share", "cut", "row", "column")])


def mixed(inputs: Tensor, targets: Tensor, places: Tensor, drawn: Tensor) -> tuple[Tensor, Any]:
    """Return the mixed inputs and targets of B pairs from the n loaded examples.

    inputs (n, C, H, W) or (n, C, L), targets (n,), places int64 (2, B), drawn float32 (4, B) -> (B, ...), `Mixed`.
    CutMix replaces a box around the centre by the partner's pixels. Its sides are sqrt(1 - share) of the image's, in
    even numbers of pixels, and the part outside the image is cut off. The share becomes that of the pixels.
    """
    x, y = (inputs.index_select(0, each) for each in places)
    share, cut, row, column = drawn
    if inputs.dim() == 4:
        box, of_box = _box(x, share, row, column)
        share = torch.where(cut > 0, 1 - of_box, share)
        each = share[:, None, None, None]
        x = torch.where(cut[:, None, None, None] > 0, torch.where(box, y, x), x * each + y * (1 - each))
    else:
        x = x * share[:, None, None] + y * (1 - share[:, None, None])
    theirs, others = (targets.index_select(0, each) for each in places)
    return x, Mixed(theirs, others, share)


def _box(x: Tensor, share: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels of each example's box, bool (B, 1, H, W), and their share of the image, float32 (B,)."""
    height, width = x.shape[-2:]
    half = 0.5 * (1 - share).clamp(min=0).sqrt()
    tall, wide = ((half * side).floor().long() for side in (height, width))
    top, left = ((centre * side).floor().long() for centre, side in ((row, height), (column, width)))
    box = inside(height, width, top - tall, left - wide, 2 * tall, 2 * wide)
    return box, box.flatten(1).float().mean(1)
