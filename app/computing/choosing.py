"""The choice of the attention path before a run's first step, by measurement on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..config.run import RunConfig
from ..counts.vit import head_width
from ..errors import InputError, is_out_of_memory, named_line
from ..models.attention.paths import candidates, pick_on_cpu, unfit
from ..place import Place
from . import fitting, trials
from .apart import Run

NO_PATH = "none"  # of a model without attention
_WORKS = "path-works"  # what is remembered of a path that was timed
_OUT_OF_MEMORY = "out of memory"  # why a path was skipped
_MOST = 140  # letters of an error in a line
_WORK_OF_ONE_THREAD = 5e9  # floating-point operations of a step


def is_little(config: RunConfig, place: Place) -> bool:
    """Return whether a step is so small that more CPU threads cost more time than they save."""
    return place.device.type == "cpu" and work(config) < _WORK_OF_ONE_THREAD


def unfit_path(config: RunConfig, place: Place, path: str) -> str:
    """Return why a path is unavailable for a model on a place, or an empty text if it is available."""
    if config.attention is None:
        return "" if path == NO_PATH else f"{config.model} has no attention. Omit --attention-path"
    return unfit(path, attention=config.attention, head_width=head_width(config.shape), device=place.device.type)


def work(config: RunConfig) -> float:
    """Return the floating-point operations of an optimiser step, backward pass included."""
    return 3.0 * config.flops * config.batch_size


def path(
    config: RunConfig, place: Place, say: Callable[[str], None], run: Run, *, how: str
) -> tuple[str, dict[str, str]]:
    """Return the attention path, from a table on a CPU, else the fastest one, and why other paths were skipped.

    The path of a model without attention is `none`. `how` is how the run is, or may be, compiled.
    """
    if config.attention is None:
        return NO_PATH, {}
    if place.device.type == "cpu":
        return pick_on_cpu(attention=config.attention, tokens=config.tokens, precision=place.precision), {}
    return fastest(config, place, _able(config, place), say, run, how=how)


def _able(config: RunConfig, place: Place) -> list[str]:
    assert config.attention is not None
    return candidates(attention=config.attention, head_width=head_width(config.shape), device=place.device.type)


def fastest(
    config: RunConfig, place: Place, paths: list[str], say: Callable[[str], None], run: Run, *, how: str = "off"
) -> tuple[str, dict[str, str]]:
    """Return the path whose block takes the least time, forward and backward, and why others were skipped.

    Each path is timed once per shape, number of images and device. If no block can be compiled, they are timed without
    compiling. Raises InputError if no path works.
    """
    found = {path: _tried(config, place, path, run, how=how) for path in paths}
    for path in (path for path, tried in found.items() if isinstance(tried, float)):
        trials.remembered(_WORKS, _key(config, place, path), lambda: True)  # for a run that resumes
    if how != "off" and not any(isinstance(tried, float) for tried in found.values()):
        return fastest(config, place, paths, say, run)
    skipped = {path: tried for path, tried in found.items() if isinstance(tried, str)}
    seconds = {path: tried for path, tried in found.items() if isinstance(tried, float)}
    if not seconds:
        reasons = ", ".join(f"{path} ({reason})" for path, reason in skipped.items())
        smaller = "Use a smaller --batch-size, or choose an --attention-path and a --micro-batch-size"
        raise InputError(
            f"no attention path works on this device for a block of {config.tokens} tokens: {reasons}. "
            f"{smaller if _OUT_OF_MEMORY in skipped.values() else 'Use another --device or another --model'}"
        )
    for path, reason in skipped.items():
        say(f"attention path {path} is skipped because it fails on this device ({reason})")
    best = min(seconds, key=seconds.__getitem__)
    times = ", ".join(f"{name} {1e3 * value:.3g} ms" for name, value in seconds.items())
    compiled = "" if how == "off" else ", compiled"
    say(f"attention path {best}: one block{compiled}, forward and backward, takes {times} per image")
    return best, skipped


def unavailable(config: RunConfig, place: Place, path: str, run: Run) -> str:
    """Return why a path is unavailable for a model on a place, by a trial on a GPU, or an empty text if it works.

    A trial that runs out of memory does not count, since a smaller micro-batch may fit.
    """
    if (why := unfit_path(config, place, path)) or path == NO_PATH or place.device.type == "cpu":
        return why
    try:
        trials.remembered(_WORKS, _key(config, place, path), lambda: _worked(_tried(config, place, path, run)))
    except _FailsError as failure:
        if str(failure) == _OUT_OF_MEMORY:
            return ""
        others = " or ".join(other for other in _able(config, place) if other != path)
        return f"the {path} path fails on this device ({failure}). Use {others}, or omit --attention-path"
    return ""


class _FailsError(Exception):
    """A path fails on this device."""


def _worked(tried: float | str) -> bool:
    """Return True for the seconds of a path. Raises _FailsError with the reason for which it failed."""
    if isinstance(tried, str):
        raise _FailsError(tried)
    return True


def _key(config: RunConfig, place: Place, path: str) -> dict[str, Any]:
    return trials.key_of(config, place) | {"path": path}


def _tried(config: RunConfig, place: Place, path: str, run: Run, *, how: str = "off") -> float | str:
    """Return the seconds per image of a path, or why it fails here. Only seconds are remembered.

    A failure is tried again. Torch's operators fail with a RuntimeError, for example if cuDNN has no plan for unequal
    head widths. Triton can fail with any error, depending on the machine: a compiler, Python's headers, the driver's
    library, a folder. So can compiling.
    """
    images = fitting.likely(config, place, path)
    key = _key(config, place, path) | {"images": images, "how": how}
    measure = partial(run, trials.path_seconds, config, place, path, images=images, how=how)
    try:
        seconds = float(trials.remembered("path", key, measure))
    except Exception as error:
        if is_out_of_memory(error):
            return _OUT_OF_MEMORY
        if path != "fused" and how == "off" and not isinstance(error, RuntimeError):  # a bug of this program
            raise
        return named_line(error)[:_MOST]
    return seconds
