"""One split of a dataset on its device: batches by example number, in an order keyed by seed and epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ... import draws
from ..transforms import chain, mixing
from ..transforms.transform import Draws, Transform
from .ahead import Ahead


class Holder(Protocol):
    """The methods of a place that a split needs."""

    @property
    def device(self) -> torch.device: ...

    def hold(self, array: np.ndarray) -> tuple[Tensor, str]: ...

    def staging(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor: ...

    def send(self, tensor: Tensor) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Split:
    """Rows of a cached source. `images` and `labels` are the source's, `members` the rows of this split."""

    images: Tensor  # as the cache stores them, (source rows, C, H, W) or (source rows, C, L); on the device or not
    labels: Tensor  # int64, or float32 of a regression, (source rows,), on the device
    members: np.ndarray  # int64 (n,): positions in images
    rows: np.ndarray  # int64 (n,): row numbers in the dataset as published
    transforms: tuple[Transform, ...]  # from what is stored to what the model sees, in their order
    send: Callable[[Tensor], Tensor]
    ahead: Ahead | None = None  # of images that are not on the device
    seed: int = 0
    mixing: mixing.Mixing | None = None  # of training examples
    names: np.ndarray | None = None  # str (n,) of the simulations, if rows are their frames
    groups: np.ndarray | None = None  # int64 (n,) of the groups of --group-column
    paths: Sequence[str] | None = None  # of the rows' files within the dataset's folder, (n,); of test rows only

    def __len__(self) -> int:
        return len(self.members)

    @property
    def targets(self) -> np.ndarray:
        """The label of each example, int64 or float32 (n,). Reading it waits for the device."""
        found: np.ndarray = self.labels.cpu().numpy()[self.members]
        return found

    def order(self, epoch: int, size: int | None = None) -> np.ndarray:
        """Return the epoch's order of examples 0..n-1, the same on any machine and any number of ranks.

        With `size`, return that many examples, from one permutation after the other.
        """
        keys = [(self.seed, epoch, *([more] if more else [])) for more in range(-(-(size or 1) // len(self)))]
        orders = [draws.permutation(draws.key(draws.ORDER, *key), len(self)) for key in keys]
        return np.concatenate(orders)[:size]

    def paired(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """Return an optimiser batch with the partner of each example if the run mixes examples, else unchanged."""
        return self.mixing.paired(examples, seed=self.seed, epoch=epoch) if self.mixing else examples

    def expect(self, examples: np.ndarray) -> None:
        """Announce the next examples or pairs, so that host memory is read before they are requested."""
        if self.ahead and len(examples):
            self.ahead.expect(self.members[_loaded(examples)])

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Any]:
        """Return inputs float32 (B, C, H, W) or (B, C, L), and targets int64 (B,), or float32 (B,) of a regression.

        Pairs have `Mixed` targets. Transforms that are for training only are applied if an epoch is given. Nothing here
        waits for the device.
        """
        if not examples.dtype.names:
            return self._transformed(examples, epoch)
        numbers, places = mixing.loaded(examples)
        inputs, targets = self._transformed(numbers, epoch)
        sent = self.send(torch.from_numpy(places)), self.send(torch.from_numpy(mixing.numbers(examples)))
        return mixing.mixed(inputs, targets, *sent)

    def _transformed(self, examples: np.ndarray, epoch: int | None) -> tuple[Tensor, Tensor]:
        members, published = self.members[examples], self.rows[examples]
        sent = self.send(torch.from_numpy(np.stack([members, examples, published])))  # (3, B): one copy to the device
        at, numbers, rows = sent
        images = self.send(self.ahead.rows(members)) if self.ahead else self.images.index_select(0, at)
        targets = self.labels.index_select(0, at)
        return chain.passed(self.transforms, images, targets, Draws(self.seed, epoch, numbers, rows))

    def batches(
        self, batch_size: int, examples: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Yield (examples, inputs, targets) of these examples, or of all, once and in order, without augmentation."""
        examples = np.arange(len(self)) if examples is None else examples
        for start in range(0, len(examples), batch_size):
            part = examples[start : start + batch_size]
            batch = self.batch(part)
            self.expect(examples[start + batch_size : start + 2 * batch_size])
            yield part, *batch


def _loaded(examples: np.ndarray) -> np.ndarray:
    """Return the numbers of the examples, or of both partners of pairs, that a batch reads."""
    return mixing.loaded(examples)[0] if examples.dtype.names else examples


def channel_statistics(moments: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each channel over pixels in [0, 1], from exact sums.

    int64 (n, C, 2) -> (C,) x 2. `pixels` is the number of pixels of one image. A channel without variation gets a
    deviation of 1.
    """
    sums, squares = moments.sum(0).astype(np.float64).T  # (C,) each
    count = len(moments) * pixels
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0)) / 255
    return mean / 255, np.where(std > 1e-6, std, 1.0)
