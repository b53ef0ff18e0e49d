"""The time of a run, estimated from twenty steps of the program's training loop on noise, on this device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..computing.execution import Execution
from ..computing.rehearsal import HeldBatch, Rehearsal
from ..config.run import RunConfig
from ..place import Place
from .costs import counts, evaluated_inputs, trained_inputs
from .extent import Extent

STEPS, _UNCOUNTED = 20, 5
_LEAST_ON_CPU = 2  # images, enough for batch statistics
_WORK_ON_CPU = 2e10  # floating-point operations of a step per thread: half a second or so


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The seconds of a step of `images` images, and of evaluating one image."""

    images: int
    step_seconds: float
    evaluation_seconds: float
    peak_bytes: int  # peak of the device on CUDA, else of this process

    def to_json(self, config: RunConfig) -> dict[str, Any]:
        """Return its fields and whether it was scaled.

        On a CPU it computes fewer images, each step with a full optimiser step.
        """
        return asdict(self) | {"steps": STEPS, "scaled": self.images != config.batch_size}


def images_of(config: RunConfig, here: Place, threads: int) -> int:
    """Return the images per step of the probe: the batch or, on a CPU, as many as take about half a second."""
    if here.device.type != "cpu":
        return config.batch_size
    few = int(_WORK_ON_CPU * threads / (3 * counts(config).flops))
    return min(config.batch_size, max(_LEAST_ON_CPU, few))


def take(config: RunConfig, here: Place, chosen: Execution, say: Callable[[str], None]) -> Probe:
    """Run the steps. The first five are not counted, because compiling and allocating happen in them."""
    here.take_threads(chosen.threads)  # as the run does
    images = images_of(config, here, chosen.threads)
    scaled = f", of {images} of {config.batch_size} images each, to be scaled" if images != config.batch_size else ""
    say(f"probe: {STEPS} steps on noise{scaled}")
    small = replace(config, batch_size=images)
    chosen = replace(chosen, micro_batch_size=min(images, chosen.micro_batch_size))
    rehearsal = Rehearsal(small, here, HeldBatch.of(small, here.device), chosen)
    for _ in range(_UNCOUNTED):
        rehearsal.step()
    step = _seconds(here, rehearsal.step, STEPS - _UNCOUNTED)
    seen = np.arange(min(images, config.val_batch_size))
    rehearsal.validate(seen)
    evaluation = _seconds(here, lambda: rehearsal.validate(seen), 3) / len(seen)
    return Probe(images=images, step_seconds=step, evaluation_seconds=evaluation, peak_bytes=here.peak_bytes())


def _seconds(here: Place, work: Callable[[], None], times: int) -> float:
    """Return the seconds of one call, averaged over several without waiting for the device between them."""
    here.wait()
    began = time.perf_counter()
    for _ in range(times):
        work()
    here.wait()
    return (time.perf_counter() - began) / times


def seconds(probe: Probe, config: RunConfig, extent: Extent) -> float | None:
    """Return the seconds of the complete run without reading its data, or None if the number of rows is unknown."""
    trained, evaluated = trained_inputs(config, extent), evaluated_inputs(config, extent)
    if trained is None or evaluated is None:
        return None
    return trained * probe.step_seconds / probe.images + evaluated * probe.evaluation_seconds


def times(
    probe: Probe | None, config: RunConfig, extent: Extent, *, usd_per_hour: float | None
) -> dict[str, Any]:  # fmt: skip
    """Return a probe's result and its estimate for the complete run, in seconds and dollars. None if unknown."""
    took = seconds(probe, config, extent) if probe else None
    return {
        "probe": probe.to_json(config) if probe else None,
        "seconds": took,
        "usd": None if took is None or usd_per_hour is None else took / 3600 * usd_per_hour,
    }
