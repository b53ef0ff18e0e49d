"""Training rows that are too many to keep: read anew each epoch, in the exact order of a seeded shuffle buffer."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ... import draws
from ...errors import HubUnavailable, InputError
from ...tables.shape import Extent
from ..sources.source import Ask, Example, Source
from ..transforms.augment import AUGMENTATIONS, to_input
from .membership import Membership
from .prefetch import Prefetch, behind

_WAITS = (2.0, 15.0, 60.0, 300.0)  # seconds before a stream that broke is opened again
_LOOK = 0.5  # seconds between looks whether a batch is still wanted


@dataclass(kw_only=True)
class StreamedSplit:
    """The training split as the loop wants it: examples are positions in the epoch's stream, asked for in turn.

    Nothing is opened before the first batch. While a batch is computed with, the next one is decoded, and rows are read
    ahead: a shuffle buffer gives half of itself at once and then reads as much, which must not hold up the loop.
    Whoever waits for a batch for long is asked whether to go on: `still_wanted` may raise.
    """

    total: int  # rows of an epoch
    membership: Membership
    ask: Ask
    buffer: int  # rows
    reopen: Callable[[], Source]
    side: Extent  # of what the model sees, pixels
    mean: Tensor  # (C,), of pixels in [0, 1]
    std: Tensor  # (C,)
    send: Callable[[Tensor], Tensor]
    say: Callable[[str], None]
    augment: str = "none"
    seed: int = 0
    still_wanted: Callable[[], None] = lambda: None
    _at: tuple[int, int] | None = None  # epoch and position of the example that is ahead first
    _source: Source | None = None
    _rows: Iterator[tuple[Example, int]] = field(default_factory=lambda: iter(()))
    _ahead: deque[Future[tuple[np.ndarray, int]]] = field(default_factory=deque)
    _filling: Future[None] | None = None
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "stream", initializer=behind))
    _decoders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(os.cpu_count(), initializer=behind)
    )

    def __len__(self) -> int:
        return self.total

    @property
    def rows(self) -> np.ndarray:
        """int64 (0,): the rows of a shuffled stream have no numbers."""
        return np.empty(0, np.int64)

    def order(self, epoch: int, size: int | None = None) -> np.ndarray:
        """Positions 0..n-1: the order itself is the stream's, keyed by seed and epoch."""
        assert size is None, "an epoch of a stream is the stream"
        del epoch
        return np.arange(self.total)

    def expect(self, examples: np.ndarray) -> None:
        """Begins the next epoch's stream where these are of it; within an epoch the stream reads ahead by itself."""
        if self._at and len(examples) and examples[0] < self._at[1]:
            self._at = self._at[0] + 1, int(examples[0])
            self._filling = self._reader.submit(self._begin, *self._at, len(examples))

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """Inputs float32 (B, C, side, side) and targets int64 (B,) at these positions of an epoch, one after another.

        Raises InputError where the dataset is not what it was, HubUnavailable when it stays silent, and what
        `still_wanted` raises meanwhile.
        """
        assert epoch is not None, "a stream is read for training only"
        pixels, labels = zip(*self._taken(epoch, int(examples[0]), len(examples)), strict=True)
        images, targets = self.send(torch.from_numpy(np.stack(pixels))), self.send(torch.tensor(labels))
        if self.augment != "none":
            numbers = self.send(torch.from_numpy(np.ascontiguousarray(examples)))
            images = AUGMENTATIONS[self.augment](images, examples=numbers, seed=self.seed, epoch=epoch)
        inputs = to_input(images, side=self.side, mean=self.mean, std=self.std)
        self._read_on(len(examples))
        return inputs, targets

    def _taken(self, epoch: int, position: int, count: int) -> list[tuple[np.ndarray, int]]:
        """Stored images and class indices; a stream that breaks is opened again and read up to the position."""
        for pause in (*_WAITS, None):
            try:
                return self._next(epoch, position, count)
            except HubUnavailable as error:
                self._at, self._source = None, None
                if pause is None:
                    raise
                self.say(f"{error}; the stream is opened again in {pause:.0f} s")
                self._awaited(self._reader.submit(time.sleep, pause))
        raise AssertionError("unreachable")

    def _next(self, epoch: int, position: int, count: int) -> list[tuple[np.ndarray, int]]:
        if self._at != (epoch, position):
            self._filling = self._reader.submit(self._begin, epoch, position, count)
        if self._filling:
            self._awaited(self._filling)
        if len(self._ahead) < count:
            self._awaited(self._reader.submit(self._fill, count - len(self._ahead)))
        if len(self._ahead) < count:
            found = position + len(self._ahead)
            raise InputError(
                f"the stream of {self.ask.dataset} ended after {found:,} of {self.total:,} rows: it changed"
            )
        taken = [self._ahead.popleft() for _ in range(count)]
        self._at = epoch, position + count
        return [future.result() for future in taken]

    def _awaited(self, work: Future[None]) -> None:
        """Waits for the reader's work, and raises what it raised, as long as it is wanted."""
        while wait([work], _LOOK).not_done:
            self.still_wanted()
        work.result()

    def _read_on(self, count: int) -> None:
        """Has as many examples decoded next; not before this batch is made, for Python's threads hold each other up."""
        assert self._at, "a batch was taken"
        left = self.total - self._at[1]
        self._filling = self._reader.submit(self._fill, min(count, left) - len(self._ahead))

    def _fill(self, count: int) -> None:
        """Reads so many more examples and hands them to the decoders."""
        for example, label in itertools.islice(self._rows, max(0, count)):
            self._ahead.append(self._decoders.submit(self._decoded, example, label))

    def _decoded(self, example: Example, label: int) -> tuple[np.ndarray, int]:
        from ..store.decode import stored  # a start with a warm cache decodes nothing

        try:
            return stored(example.image, side=self.ask.side, channels=self.ask.channels), label
        except InputError as error:
            raise InputError(f"an image of {self.ask.dataset} is not what it was before: {error}") from error

    def _begin(self, epoch: int, position: int, count: int) -> None:
        """Opens the epoch's stream, passes over what was seen before, and reads so many of its examples."""
        self._source = self._source or self.reopen()
        if position:
            self.say(f"reading the stream of {self.ask.dataset} up to row {position:,} of epoch {epoch + 1}")
        rows = itertools.islice(self._epoch(self._source, epoch), position, None)
        self._rows = Prefetch(rows, max(1, self.buffer // 2))
        self._ahead.clear()
        self._fill(count)

    def _epoch(self, source: Source, epoch: int) -> Iterator[tuple[Example, int]]:
        """The epoch's training rows with their class indices, in its order."""
        assert source.shuffled
        index_of = source.class_indices(self.ask.unlabelled)
        for example in source.shuffled(draws.key(draws.ORDER, self.seed, epoch), self.buffer):
            if example.label in index_of and self.membership(example.image, example.group) == "train":
                yield example, index_of[example.label]
