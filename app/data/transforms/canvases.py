"""Canvases of 3 x 3 cells: one labelled image and up to eight images of other classes, at random but known places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ... import draws as keyed
from .transform import Draws

GRID = 3
CELLS = GRID * GRID
_PLACE, _IMAGE = range(2)  # parts of a key


def places(rows: Tensor, count: int, *, seed: int = 0) -> Tensor:
    """Return the cells of the target and of `count` distractors: int64 (B,) -> int64 (B, 1 + count), each once.

    They are keyed by (seed, count, row).
    """
    stream = keyed.key(keyed.CANVASES, seed, _PLACE, count)
    words = keyed.words(stream, rows[:, None] * CELLS + torch.arange(CELLS, device=rows.device))
    return words.argsort(dim=1, stable=True)[:, : 1 + count]


def distractors(pool: np.ndarray, labels: np.ndarray, rows: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Return for each example distractors of other classes: int64 (N,), (n,), (n,) -> int64 (n, count).

    They are places in the pool, whose labels are `pool`, uniformly drawn and keyed by (seed, row, number). A canvas
    with more distractors has those of one with fewer, and the other examples of a call change nothing. Raises
    ValueError for a pool of a single class.
    """
    order = np.argsort(pool, kind="stable")
    starts, ends = (np.searchsorted(pool[order], labels, side=side) for side in ("left", "right"))
    if len(labels) and int((ends - starts).max()) == len(pool):
        raise ValueError("distractors need images of two classes")
    stream, most = keyed.key(keyed.CANVASES, seed, _IMAGE), CELLS - 1
    index = rows[:, None].astype(np.int64) * most + np.arange(count)
    drawn = keyed.integers(stream, index, (len(pool) - (ends - starts))[:, None])
    return np.asarray(order[np.where(drawn < starts[:, None], drawn, drawn + (ends - starts)[:, None])])


def occupied(at: Tensor) -> Tensor:
    """Return whether each cell has an image: int64 (B, 1 + m) -> bool (B, 9)."""
    return torch.zeros(len(at), CELLS, dtype=torch.bool, device=at.device).scatter(1, at, True)


def patch_cells(patches: tuple[int, int]) -> Tensor:
    """Return the fraction of each patch that is in each cell, for rows and columns of patches: float64 (P, 9)."""
    down, along = (overlap(count, GRID) for count in patches)  # (rows, 3), (columns, 3)
    return torch.einsum("ra,cb->rcab", down, along).reshape(patches[0] * patches[1], CELLS)


def overlap(count: int, cells: int) -> Tensor:
    """Return the fraction of each of `count` equal stretches that is in each of `cells`: float64 (count, cells)."""
    begin = torch.arange(count, dtype=torch.float64)[:, None] * cells
    cell = torch.arange(cells, dtype=torch.float64)[None] * count
    common = torch.minimum(begin + cells, cell + count) - torch.maximum(begin, cell)
    return common.clamp_min(0) / cells


@dataclass(frozen=True)
class Canvas:
    """A transform of a batch of stored images to canvases, on their device: (B, C, H, W) -> (B, C, 3 H, 3 W)."""

    images: Tensor  # (source rows, C, H, W), which may be on another device
    others: Tensor  # int64 (n, m): positions in `images` of each example's distractors, on the device of `images`
    rows: Tensor  # int64 (n,): the published row of each example, on the device of the batch
    empty: Tensor  # (C,): the value of empty cells
    seed: int = 0
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image on its canvas. Targets do not change."""
        batch, channels, height, width = inputs.shape
        count = self.others.shape[1]
        others = self.others.index_select(0, draws.examples.to(self.others.device)).flatten()
        more = self.images.index_select(0, others).to(inputs.device).view(batch, count, channels, height, width)
        cells = self.empty.to(inputs.dtype).view(1, 1, -1, 1, 1).repeat(batch, CELLS, 1, height, width)
        at = places(self.rows.index_select(0, draws.examples), count, seed=self.seed)
        where = at[..., None, None, None].expand(-1, -1, channels, height, width)
        cells.scatter_(1, where, torch.cat([inputs[:, None], more.to(inputs.dtype)], 1))
        grid = cells.view(batch, GRID, GRID, channels, height, width)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, GRID * height, GRID * width), targets
