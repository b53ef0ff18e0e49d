"""Distractors: patches of images of other classes on the border of each image, at places that are known.

An image is divided into 4 x 4 cells. A patch fills one of the 12 cells of the border, so the four cells in the centre
always show the image. A patch is a random part of another image, of a quarter of its height and width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import draws as keyed
from .canvases import overlap
from .transform import Draws

GRID = 4  # cells of an image in each direction
BORDER = tuple(cell for cell in range(GRID**2) if {cell // GRID, cell % GRID} & {0, GRID - 1})
_CELLS, _IMAGE, _TOP, _LEFT = range(4)  # parts of a draw's key
_MOST = 8  # distractors of an image


def cells(count: int, *, seed: int, epoch: int | None, rows: Tensor) -> Tensor:
    """Return the cells of each image that are covered: int64 (B,) published rows -> int64 (B, count).

    Cells are numbered from 0 to 15, row by row. `epoch` is None outside of training, where an image has the same
    distractors each time.
    """
    among = torch.arange(len(BORDER), device=rows.device)
    words = keyed.words(_stream(seed, epoch, _CELLS), rows[:, None] * len(BORDER) + among)  # (B, 12)
    return torch.tensor(BORDER, device=rows.device)[words.argsort(dim=1, stable=True)[:, :count]]


def covered(at: Tensor, height: int, width: int) -> Tensor:
    """Return the pixels that patches cover, from their cells: int64 (B, m) -> bool (B, H, W)."""
    flat = torch.zeros(len(at), height * width, dtype=torch.bool, device=at.device)
    return flat.scatter(1, _pixels(at, height, width).flatten(1), True).view(-1, height, width)


def visible(at: Tensor, stored: tuple[int, int], patches: tuple[int, int]) -> Tensor:
    """Return the fraction of each patch token's area that shows the image: int64 (B, m) cells -> float64 (B, P).

    `stored` is the height and width in pixels of the images that distractors are pasted into, and `patches` the rows
    and columns of the tokens, which divide the complete image.
    """
    down, along = (overlap(count, side).to(at.device) for count, side in zip(patches, stored, strict=True))
    shown = (~covered(at, *stored)).double()  # (B, H, W)
    return torch.einsum("rh,bhw,cw->brc", down, shown, along).flatten(1)


def pasted(
    images: Tensor, labels: Tensor, pool: Pool, count: int, *, seed: int, epoch: int | None, rows: Tensor
) -> Tensor:
    """Return the images with `count` patches each: uint8 (B, C, H, W), int64 (B,) twice -> uint8 (B, C, H, W).

    Every draw is keyed by (seed, epoch, row).
    """
    batch, channels, height, width = images.shape
    tall, wide = height // GRID, width // GRID
    index = rows[:, None] * _MOST + torch.arange(count, device=rows.device)  # (B, m)
    others = pool.of_other_classes(labels, _stream(seed, epoch, _IMAGE), index)
    top = keyed.integers(_stream(seed, epoch, _TOP), index, height - tall + 1)
    left = keyed.integers(_stream(seed, epoch, _LEFT), index, width - wide + 1)
    source = _window(top, left, tall, wide, width).flatten(2)  # (B, m, h w)
    planes = torch.arange(channels, device=images.device)[:, None]
    patches = pool.images.flatten(2)[others[:, :, None, None], planes, source[:, :, None]]  # (B, m, C, h w)
    target = _pixels(cells(count, seed=seed, epoch=epoch, rows=rows), height, width).flatten(1)  # (B, m h w)
    flat = patches.transpose(1, 2).reshape(batch, channels, -1)
    return images.flatten(2).scatter(2, target[:, None].expand(-1, channels, -1), flat).view_as(images)


def _stream(seed: int, epoch: int | None, part: int) -> int:
    return keyed.key(keyed.DISTRACTORS, seed, 0 if epoch is None else epoch + 1, part)


def _window(top: Tensor, left: Tensor, tall: int, wide: int, width: int) -> Tensor:
    """Return the pixels of rectangles in images of `width` pixels: int64 (B, m) twice -> int64 (B, m, h, w)."""
    down, along = torch.arange(tall, device=top.device), torch.arange(wide, device=top.device)
    return (top[..., None] + down)[..., None] * width + (left[..., None] + along)[..., None, :]


def _pixels(at: Tensor, height: int, width: int) -> Tensor:
    """Return the pixels of a patch in each cell: int64 (B, m) -> int64 (B, m, h, w)."""
    top, left = (at // GRID) * height // GRID, (at % GRID) * width // GRID
    return _window(top, left, height // GRID, width // GRID, width)


@dataclass(frozen=True)
class Pool:
    """Images that patches are cut from, in the order of their classes."""

    images: Tensor  # uint8 (P, C, H, W), on the device
    starts: Tensor  # int64 (K,): where each class begins
    counts: Tensor  # int64 (K,): images of each class

    def of_other_classes(self, labels: Tensor, stream: int, index: Tensor) -> Tensor:
        """Return images that are not of the example's class, uniformly drawn: int64 (B,), (B, m) -> int64 (B, m)."""
        start, count = (of.index_select(0, labels)[:, None] for of in (self.starts, self.counts))
        place = keyed.integers(stream, index, len(self.images) - count)
        return torch.where(place < start, place, place + count)


@dataclass(frozen=True)
class Distract:
    """`pasted` as a transform of a batch of stored images, on their device."""

    count: int
    pool: Pool
    seed: int
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with patches of classes other than the targets. Targets do not change."""
        assert draws.rows is not None, "a split has rows"
        found = pasted(inputs, targets, self.pool, self.count, seed=self.seed, epoch=draws.epoch, rows=draws.rows)
        return found, targets
