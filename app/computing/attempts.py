"""Attempts at a micro-batch: two steps and a validation batch as a run makes them, and the memory that they leave."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .. import task
from ..config.effects import kind_of
from ..config.run import RunConfig
from ..data.splits import division
from ..data.splits.resident import Split
from ..data.transforms import mixing
from ..errors import OutOfMemory, is_out_of_memory
from ..place import Place
from ..system import devices
from ..tables.reading import DTYPES
from ..tables.shape import extent
from .choices import Execution
from .memory import average_bytes
from .rehearsal import Rehearsal
from .trials import SPARE, without_draws

_ROWS = 64  # of stored noise, each used by several examples


def sizes(batch: int) -> Iterator[int]:
    """Yield the micro-batches to try for a batch, the largest first: equal parts, each at least half of the one before.

    Where no number of equal parts is as near, the parts differ by one example.
    """
    size = batch
    while size > 1:
        yield size
        half = -(-size // 2)
        size = next((part for part in range(size - 1, half - 1, -1) if batch % part == 0), half)
    yield 1


def share(config: RunConfig, place: Place) -> int:
    """Return the examples of a batch that one rank computes, at most."""
    return -(-config.batch_size // place.ranks)


def fitting(
    config: RunConfig, place: Place, *, attention_path: str, checkpointing: bool, compile_: str, most: int,
    data_bytes: int,
) -> int:  # fmt: skip
    """Return the largest micro-batch up to `most` with which a run fits in the device's memory, with `SPARE` left.

    Memory of other processes and of this one's data counts as taken. `data_bytes` will be taken later. Raises
    OutOfMemory if not even one image fits.
    """
    alone = replace(place, rank=0, ranks=1)
    chosen = Execution(
        attention_path=attention_path, micro_batch_size=1, threads=torch.get_num_threads(), compile=compile_,
        checkpointing=checkpointing,
    )  # fmt: skip
    taken = data_bytes + 2 * average_bytes(config)  # the average, and the weights while it is evaluated

    def attempt(size: int) -> bool:
        batch = min(share(config, place), 2 * size)  # gradients of one part exist while the next is computed
        of_part = replace(config, batch_size=batch, val_batch_size=-(-config.val_batch_size // place.ranks))
        with without_draws(place):
            rehearse(of_part, alone, replace(chosen, micro_batch_size=size))
        free, total = devices.free_at_peak(place.device)
        return free - taken >= SPARE * total

    return first_fitting([size for size in sizes(share(config, place)) if size <= most], attempt, place)


def first_fitting(candidates: list[int], attempt: Callable[[int], bool], place: Place) -> int:
    """Return the first of some sizes whose attempt succeeds. One that runs out of memory fails."""
    for size in candidates:
        gc.collect()  # a compiled block refers to itself
        devices.empty_cache(place.device)
        devices.forget_peak(place.device)
        try:
            if attempt(size):
                return size
        except (RuntimeError, MemoryError) as error:  # cuBLAS reports a lack of memory in words
            if not is_out_of_memory(error):
                raise
    raise OutOfMemory("not even one image fits into the device's memory. Use a smaller --size")


def rehearse(config: RunConfig, place: Place, chosen: Execution) -> None:
    """Make two steps, the second next to the optimiser's state, and evaluate a validation batch."""
    rows = max(config.batch_size, config.val_batch_size)
    rehearsal = Rehearsal(config, place, noise(config, place, rows), chosen)
    for _ in range(2):
        rehearsal.step()
    rehearsal.validate(np.arange(config.val_batch_size))
    place.wait()


def noise(config: RunConfig, place: Place, rows: int) -> Split:
    """Return a training split of noise on the device, whose batches are made as those of the run: (rows, C, H, W)."""
    shape = (min(rows, _ROWS), config.channels, *extent(config.stored_side))
    images = _stored(config, shape, place.device)
    statistics = ([0.5] * config.channels, [0.25] * config.channels) if kind_of(config.dataset) == "image" else None
    labels = task.of(config.task).drawn(len(images), classes=config.classes, device=place.device)
    return Split(
        images=images, labels=labels, members=np.arange(rows) % len(images), rows=np.arange(rows), send=place.send,
        transforms=division.transforms_of(config, place, statistics, config.augment), mixing=mixing.of(config),
    )  # fmt: skip


def _stored(config: RunConfig, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return noise in the type that the cache stores: uint8 for images, else float16 or float32."""
    if kind_of(config.dataset) == "image":
        return torch.randint(256, shape, dtype=torch.uint8, device=device)
    return torch.randn(shape, device=device).to(torch.float16 if DTYPES[config.stored_dtype] == 2 else torch.float32)
