"""Choices by measurement before a run's first step: attention path, micro-batch size, compiling."""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..config.run import RunConfig
from ..counts.vit import head_width
from ..errors import InputError, is_out_of_memory
from ..models.attention.paths import candidates, pick_on_cpu, unfit
from ..models.compiling import missing
from ..place import Place
from ..system import devices
from ..tables.computing import KEEPING_MAPS
from . import trials

NO_PATH = "none"  # of a model without attention
_OUT_OF_MEMORY = "out of memory"  # why a path was skipped
_WORK_OF_ONE_THREAD = 5e9  # floating-point operations of a step
_SHARE_OF_HOST = 0.5  # of the memory of the host or of a device without trials, for activations
_LEAST_MICRO_BATCH = 8  # images below which activations are recomputed instead of kept
_IMAGES_ON_CPU = 4  # images in a trial: more take longer, and each takes the same time
_PROGRAMS = 3  # of different batch sizes that a run compiles, about
_ALIKE = 0.02  # relative difference of losses between ways to compute them
_GRAPHS_BELOW = 0.02  # seconds of a step: a tiny model spends more time on launches than on arithmetic


def is_little(config: RunConfig, place: Place) -> bool:
    """Return whether a step is so small that more CPU threads cost more time than they save."""
    return place.device.type == "cpu" and _work(config) < _WORK_OF_ONE_THREAD


def unfit_path(config: RunConfig, place: Place, path: str) -> str:
    """Return why a path is unavailable for a model on a place, or an empty text if it is available."""
    if config.attention is None:
        return "" if path == NO_PATH else f"{config.model} has no attention. Omit --attention-path"
    return unfit(path, attention=config.attention, head_width=head_width(config.shape), device=place.device.type)


def _work(config: RunConfig) -> float:
    """Return the floating-point operations of an optimiser step, backward pass included."""
    return 3.0 * config.flops * config.batch_size


def path(config: RunConfig, place: Place, say: Callable[[str], None]) -> tuple[str, dict[str, str]]:
    """Return the attention path, from a table on a CPU, else the fastest one, and why other paths were skipped.

    The path of a model without attention is `none`.
    """
    if config.attention is None:
        return NO_PATH, {}
    if place.device.type == "cpu":
        return pick_on_cpu(attention=config.attention, tokens=config.tokens, precision=place.precision), {}
    return fastest(config, place, _able(config, place), say)


def _able(config: RunConfig, place: Place) -> list[str]:
    assert config.attention is not None
    return candidates(attention=config.attention, head_width=head_width(config.shape), device=place.device.type)


def fastest(
    config: RunConfig, place: Place, paths: list[str], say: Callable[[str], None]
) -> tuple[str, dict[str, str]]:
    """Return the path that takes the least time for one layer, forward and backward, and why others were skipped.

    Each path is timed once per shape and device. Raises InputError if no path works.
    """
    found = {path: _tried(config, place, path) for path in paths}
    skipped = {path: tried for path, tried in found.items() if isinstance(tried, str)}
    seconds = {path: tried for path, tried in found.items() if isinstance(tried, float)}
    if not seconds:
        reasons = ", ".join(f"{path} ({reason})" for path, reason in skipped.items())
        smaller = "Use a smaller --batch-size, or choose an --attention-path and a --micro-batch-size"
        raise InputError(
            f"no attention path works on this device for a layer of {config.tokens} tokens: {reasons}. "
            f"{smaller if _OUT_OF_MEMORY in skipped.values() else 'Use another --device or another --model'}"
        )
    for path, reason in skipped.items():
        say(f"attention path {path} is skipped because it fails on this device ({reason})")
    best = min(seconds, key=seconds.__getitem__)
    times = ", ".join(f"{name} {1e3 * value:.2f} ms" for name, value in seconds.items())
    say(f"attention path {best}: one layer forward and backward takes {times}")
    return best, skipped


def unavailable(config: RunConfig, place: Place, path: str) -> str:
    """Return why a path is unavailable for a model on a place, by a trial on a GPU, or an empty text if it works.

    A trial that runs out of memory does not count, since a smaller micro-batch may fit.
    """
    if (why := unfit_path(config, place, path)) or path == NO_PATH or place.device.type == "cpu":
        return why
    tried = _tried(config, place, path)
    if isinstance(tried, float) or tried == _OUT_OF_MEMORY:
        return ""
    others = " or ".join(other for other in _able(config, place) if other != path)
    return f"the {path} path fails on this device ({tried}). Use {others}, or omit --attention-path"


def _tried(config: RunConfig, place: Place, path: str) -> float | str:
    """Return the seconds of a path, or why it fails here. Only seconds are remembered, a failure is tried again.

    Torch's operators fail with a RuntimeError, for example if cuDNN has no plan for unequal head widths. Triton can
    fail with any error, depending on the machine: a compiler, Python's headers, the driver's library, a folder.
    """
    key = trials.key_of(config, place) | {"path": path, "batch_size": config.batch_size}
    try:
        return trials.remembered("path", key, lambda: trials.path_seconds(config, place, path))
    except Exception as error:
        if is_out_of_memory(error):
            return _OUT_OF_MEMORY
        if path != "fused" and not isinstance(error, RuntimeError):  # a bug of this program
            raise
        return _first_line(error)


def micro_batch(
    config: RunConfig, place: Place, path: str, *, checkpointing: bool | None, say: Callable[[str], None]
) -> tuple[int, bool]:
    """Return the micro-batch size, and whether activations are recomputed instead of kept.

    They are recomputed if requested, or if only few images would fit.
    """
    kept = _fitting(config, place, path, checkpointing=bool(checkpointing))
    if checkpointing is not None or config.attention is None or kept >= min(_LEAST_MICRO_BATCH, config.batch_size):
        return kept, bool(checkpointing)
    made_again = _fitting(config, place, path, checkpointing=True)
    say(
        f"only {kept} images fit at a time: activation checkpointing is on, so that {made_again} fit. "
        "--no-checkpointing turns it off"
    )
    return made_again, True


def _fitting(config: RunConfig, place: Place, path: str, *, checkpointing: bool) -> int:
    """Return the optimiser's batch size, halved until its activations fit."""
    if devices.limits(place.device).fits_by_trial:
        shape: dict[str, Any] = {"attention_path": path, "checkpointing": checkpointing}
        room = {"batch_size": config.batch_size, "channels": config.channels, "classes": config.classes}
        key = trials.key_of(config, place) | shape | room | {"memory": place.memory()}
        return trials.remembered("micro-batch", key, lambda: trials.fitting(config, place, **shape))
    per_image = config.family.activation_bytes(
        config.shape, maps_kept=path in KEEPING_MAPS, checkpointing=checkpointing
    )
    size = config.batch_size
    while size > 1 and size * per_image > _SHARE_OF_HOST * place.room()[1]:
        size = -(-size // 2)
    return size


def forget_micro_batch(config: RunConfig, place: Place, *, at_least: int) -> None:
    """Discard the remembered micro-batches of a model on this kind of device that proved too large."""
    trials.forget("micro-batch", trials.key_of(config, place), lambda found: found >= at_least)


def compiling(
    config: RunConfig, place: Place, chosen: Mapping[str, Any], *, steps: int, say: Callable[[str], None]
) -> str:
    """Return how a run is compiled: not at all if it is short, else in the way that saves most in trials of one step.

    `chosen` contains attention_path, checkpointing and micro_batch_size.
    """
    kind, its = place.device.type, devices.limits(place.device)
    fastest = its.operations * (torch.get_num_threads() if kind == "cpu" else 1)
    if steps * _work(config) / fastest / place.ranks < its.compiles_after:
        return "off"
    if not (eager := _trial(config, place, chosen, "off", say)):
        return "off"
    tried = {"off": eager}
    little = kind == "cuda" and eager["seconds"] * config.batch_size < _GRAPHS_BELOW
    tiny = little and fits_graphs(config, place, chosen)
    for how in ("blocks", "graphs") if tiny else ("blocks",):
        if trial := _trial(config, place, chosen, how, say):
            tried[how] = trial
    images = steps * config.batch_size // place.ranks
    gains = {how: gain(eager, trial, images=images) for how, trial in tried.items()}
    best = max(gains, key=gains.__getitem__)
    told = ", ".join(f"{how} {1e3 * trial['seconds']:.2f} ms" for how, trial in tried.items())
    verdict = f"gains about {gains[best] / 60:.0f} minutes" if best != "off" else "costs more time than it saves"
    say(f"compile {best}: one image takes {told}. Over {steps:,} steps, compiling {verdict}")
    return best


def fits_graphs(config: RunConfig, place: Place, chosen: Mapping[str, Any]) -> bool:
    """Return whether a step is one pass of the model, so that gradients need not outlive the graph that made them."""
    return chosen["micro_batch_size"] >= config.batch_size and place.ranks == 1 and not chosen["checkpointing"]


def _trial(
    config: RunConfig, place: Place, chosen: Mapping[str, Any], how: str, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Return the measured step of one way to compile, or None if it lacks a compiler or memory.

    A compiler's failure is remembered like a time. A lack of memory is not, since another process may be the cause.
    """
    still = dataclasses.replace(config, dropout=0.0)
    if place.device.type == "cpu":
        chosen = {**chosen, "micro_batch_size": min(chosen["micro_batch_size"], _IMAGES_ON_CPU)}
    shape = {**chosen, "depth": config.depth, "classes": config.classes, "channels": config.channels}
    key = trials.key_of(config, place) | shape | {"how": how, "lacking": missing(place.device.type)}

    def measure() -> dict[str, Any]:
        try:
            return trials.step_trial(still, place, how, **chosen)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a compiler fails with, the run does without  # noqa: BLE001
            return {"failure": _first_line(error)}
        finally:
            gc.collect()  # a compiled block refers to itself, and keeps device memory that the run is about to need

    try:
        found = trials.remembered("step", key, measure)
    except torch.OutOfMemoryError as error:
        found = {"failure": _first_line(error)}
    if failure := found.get("failure"):
        say(f"compile {how} is unavailable here ({failure})")
        return None
    return found


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {[*str(error).splitlines(), ''][0][:120]}"


def gain(eager: Mapping[str, Any], trial: Mapping[str, Any], *, images: int) -> float:
    """Return the seconds that a way to compile saves over a run, including compiling.

    It is minus infinity if its losses differ from those of eager mode.
    """
    pairs = zip(eager["losses"], trial["losses"], strict=True)
    if not all(math.isclose(one, other, rel_tol=_ALIKE) for one, other in pairs):
        return -math.inf
    if trial is eager:
        return 0.0
    return images * (eager["seconds"] - trial["seconds"]) - _PROGRAMS * trial["preparation"]
