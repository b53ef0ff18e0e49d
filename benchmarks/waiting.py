"""The share of a training step that waits for its input: images that the device or the host holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from app import loop
from app.bench import meter, ours
from app.bench.meter import Prepared
from app.bench.report import Group
from app.bench.rounds import Contender, Pace, measure, spread
from app.computing import execution
from app.computing.rehearsal import Rehearsal
from app.config.run import RunConfig
from app.data.transforms import chain
from app.data.transforms.transform import Draws
from app.place import Place
from app.tables.shape import side_of

from .pictures import Pictures, train_split


class HostHeld(Place):
    """A place whose images stay in the host's memory, as those do that do not fit beside the model."""

    def hold(self, array: np.ndarray) -> tuple[Tensor, str]:
        """The array where it lies."""
        return torch.from_numpy(array), "mapped"


class Watched:
    """A training split with a clock around its batches; it waits for the device on both sides of each."""

    def __init__(self, split: loop.Examples, device: torch.device) -> None:
        self.split, self.device, self.seconds = split, device, 0.0

    def __len__(self) -> int:
        return len(self.split)

    def order(self, epoch: int, size: int | None = None) -> np.ndarray:
        """The split's own."""
        return self.split.order(epoch, size) if size else self.split.order(epoch)

    def paired(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """The split's own."""
        return self.split.paired(examples, epoch)

    def expect(self, examples: np.ndarray) -> None:
        """The split's own."""
        self.split.expect(examples)

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """The split's own, its seconds added up."""
        meter.synchronise(self.device)
        began = time.perf_counter()
        found = self.split.batch(examples, epoch=epoch)
        meter.synchronise(self.device)
        self.seconds += time.perf_counter() - began
        return found


def waiting(
    config: RunConfig, images: Pictures, here: Place, pace: Pace, *, threads: int | None
) -> tuple[Group, list[str]]:
    """Percent of a step that passes inside batch(), for each way to hold the images."""
    chosen = ours.choose(config, here, execution.Wishes(threads=threads), say=lambda _: None)
    splits: dict[str, Callable[[], loop.Examples]] = {
        "resident": lambda: train_split(config, images, here),
    }
    left_out = []
    if here.device.type == "cpu":
        left_out.append("host-held: on a CPU that is the same as resident")
    else:
        apart = HostHeld(here.device, here.precision)
        splits["host-held"] = lambda: train_split(config, images, apart)
    with meter.threads(chosen.threads):
        resizing = _resizing(config, images, here)
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in splits}
    contenders = [_contender(name, make, config, here, chosen, seen[name]) for name, make in splits.items()]
    samples, failed = measure(contenders, pace, meter.Memory(None))
    samples = [
        replace(one, facts={**_facts(seen[one.name][-len(one.values) :], resizing), **one.facts}) for one in samples
    ]
    title = f"input's share of a step of {config.model}, {config.parameters:,} parameters, batch {config.batch_size}"
    return Group(title=title, unit="input percent of a step", samples=samples), [*left_out, *failed]


def _resizing(config: RunConfig, images: Pictures, here: Place) -> float:
    """Seconds of a batch's resizing and normalising on the device, the median of some."""
    size = (config.batch_size, images.pixels.shape[3], images.side, images.side)
    stored = torch.zeros(size, dtype=torch.uint8, device=here.device)
    mean = std = torch.full(size[1:2], 0.5, device=here.device)
    way = chain.of_images("none", stored=images.side, side=side_of(config.image), mean=mean, std=std)
    numbers = torch.arange(config.batch_size, device=here.device)
    run = meter.stopwatch(lambda: chain.passed(way, stored, numbers, Draws(0, None, numbers)), here.device)
    run(2)
    return spread([run(1) for _ in range(9)]).median


def _facts(pairs: list[tuple[float, float]], resizing: float) -> dict[str, float]:
    """Medians beside the input's share; what is left of the input without resizing and normalising is waiting."""
    steps, batches = zip(*pairs, strict=True)
    waits = [100 * max(0.0, batch - resizing) / step for step, batch in pairs]
    middle = {"step_ms": 1000 * spread(steps).median, "input_ms": 1000 * spread(batches).median}
    return middle | {"waiting_percent": spread(waits).median}


def _contender(
    name: str, make: Callable[[], loop.Examples], config: RunConfig, here: Place, chosen: execution.Execution,
    seen: list[tuple[float, float]],
) -> Contender:  # fmt: skip
    """Notes the seconds of a step and of its input in `seen`, a pair per sample."""

    def prepare() -> Prepared:
        watched = Watched(make(), here.device)
        timed = meter.stopwatch(Rehearsal(config, here, watched, chosen).step, here.device)

        def run(units: int) -> float:
            watched.seconds = 0.0
            step, batch = timed(units), watched.seconds / units
            seen.append((step, batch))
            return 100 * batch / step

        return run

    return Contender(name=name, prepare=prepare, facts={"threads": chosen.threads}, threads=chosen.threads)
