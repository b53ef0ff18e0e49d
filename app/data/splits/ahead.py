"""Image rows in host memory, gathered by a thread one batch before the device needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor


class Ahead:
    """A reader that gathers announced rows ahead of time, and others on request. The rows are the same either way."""

    def __init__(self, images: Tensor, staging: Callable[[Sequence[int], torch.dtype], Tensor]) -> None:
        """Read from `images` (rows, ...) in host memory.

        `staging` makes the empty tensors that rows are gathered in.
        """
        self._images, self._staging = images, staging
        self._reader: ThreadPoolExecutor | None = ThreadPoolExecutor(
            1, "ahead"
        )  # its thread starts with the first batch that is expected
        self._expected: tuple[np.ndarray, Future[Tensor]] | None = None

    def expect(self, at: np.ndarray) -> None:
        """Begin to gather the rows at int64 (B,), and forget what was expected before.

        If the system cannot start a thread, because of memory or the number of processes, rows are read when they are
        requested.
        """
        self._expected = None
        if self._reader:
            try:
                self._expected = at, self._reader.submit(self._gathered, at)
            except RuntimeError:
                self._reader = None

    def rows(self, at: np.ndarray) -> Tensor:
        """Return the rows at int64 (B,) in the staging memory: (B, ...)."""
        expected, self._expected = self._expected, None
        if expected and np.array_equal(expected[0], at):
            return expected[1].result()
        return self._gathered(at)

    def _gathered(self, at: np.ndarray) -> Tensor:
        rows = self._staging((len(at), *self._images.shape[1:]), self._images.dtype)
        return torch.index_select(self._images, 0, torch.from_numpy(at), out=rows)
