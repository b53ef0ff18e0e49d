"""The choice of the micro-batch: the largest that fits, by trials on a device that allows them, else by an estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..config.run import RunConfig
from ..errors import Explained, InputError, first_line, is_out_of_memory, named_line
from ..place import Place
from ..system import devices
from ..system.child import NoAnswer, ProcessEnded
from ..tables.computing import KEEPING_MAPS
from . import attempts, trials
from .apart import Run

_SHARE_OF_HOST = 0.5  # of the memory of the host or of a device without trials, for activations
_LEAST_MICRO_BATCH = 8  # images below which activations are recomputed instead of kept
_RESULTS = ("batch_size", "val_batch_size", "channels", "classes", "depth", "optimizer", "ema")  # that change memory
_INPUTS = ("augment", "mixup", "cutmix", "stored_side")


class Need(NamedTuple):
    """What the choice of a micro-batch depends on, besides the run and its place."""

    attention_path: str
    data_bytes: int = 0  # of the dataset, if it is not on the device yet
    checkpointing: bool | None = None  # as requested


def likely(config: RunConfig, place: Place, path: str) -> int:
    """Return the micro-batch that a path likely allows, by the closed form of its activations and the free memory."""
    each = config.kept_bytes(place.precision, maps_kept=path in KEEPING_MAPS)
    room = (1 - trials.SPARE) * place.room()[0]
    return next((size for size in attempts.sizes(attempts.share(config, place)) if size * each <= room), 1)


def micro_batch(
    config: RunConfig, place: Place, need: Need, *, how: str, say: Callable[[str], None], run: Run
) -> tuple[int, bool]:
    """Return the micro-batch size, and whether activations are recomputed instead of kept.

    They are recomputed if requested, or if only few images would fit. `how` is how the run is compiled. Raises
    InputError if compiling that was requested fails.
    """
    kept = _largest(config, place, need, bool(need.checkpointing), how, run)
    if need.checkpointing is not None or config.attention is None or kept >= min(_LEAST_MICRO_BATCH, config.batch_size):
        return kept, bool(need.checkpointing)
    made_again = _largest(config, place, need, True, how, run)
    say(
        f"only {kept} images fit at a time: activation checkpointing is on, so that {made_again} fit. "
        "--no-checkpointing turns it off"
    )
    return made_again, True


def enlarged(
    config: RunConfig, place: Place, chosen: dict[str, Any], need: Need, *, say: Callable[[str], None], run: Run
) -> dict[str, Any]:
    """Return the choices with a larger micro-batch if the batch was split, and compiled blocks allow a larger one."""
    size = chosen["micro_batch_size"]
    if not devices.limits(place.device).fits_by_trial or size >= attempts.share(config, place):
        return chosen
    try:
        found = _largest(config, place, need, chosen["checkpointing"], "blocks", run)
    except (Explained, RuntimeError, MemoryError) as error:
        say(f"the micro-batch stays {size}, because a larger one could not be tried compiled ({first_line(error)})")
        return chosen
    return chosen | {"micro_batch_size": found}


def _largest(config: RunConfig, place: Place, need: Need, checkpointing: bool, how: str, run: Run) -> int:
    """Return the largest micro-batch that fits.

    Compiled, at most the second size above the one that fits without compiling is tried, since each takes a program.
    """
    if not devices.limits(place.device).fits_by_trial:
        return _estimated(config, place, need.attention_path, checkpointing=checkpointing)
    try:
        eager = _tried(config, place, need, {"checkpointing": checkpointing, "compile_": "off"}, run)
    except (ProcessEnded, NoAnswer) as error:
        raise InputError(
            f"the search for a micro-batch failed on this device ({first_line(error)}). Choose a --micro-batch-size, "
            "or try again"
        ) from error
    if how == "off":
        return eager
    larger = [size for size in attempts.sizes(attempts.share(config, place)) if size > eager]
    asked = {"checkpointing": checkpointing, "compile_": how, "most": (larger[-2:] or [eager])[0]}
    try:
        return _tried(config, place, need, asked, run)
    except (Explained, MemoryError):
        raise
    except NoAnswer as error:
        raise InputError(
            f"compiling took too long ({first_line(error)}). Run the same command again, which finds what was "
            "compiled, or omit --compile"
        ) from error
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"--compile is unavailable here, because compiling fails ({named_line(error)}). Omit it"
        ) from error


def _tried(config: RunConfig, place: Place, need: Need, asked: dict[str, Any], run: Run) -> int:
    """Return the largest micro-batch by trials, which are made once for each use of the device's memory."""
    shape = {"most": attempts.share(config, place), "attention_path": need.attention_path, **asked}
    shape |= {"data_bytes": need.data_bytes}
    more: dict[str, Any] = {name: getattr(config, name) for name in (*_RESULTS, *_INPUTS)}
    key = trials.key_of(config, place) | more | shape | {"memory": place.memory()}
    return int(trials.remembered("micro-batch", key, lambda: run(attempts.fitting, config, place, **shape)))


def _estimated(config: RunConfig, place: Place, path: str, *, checkpointing: bool) -> int:
    """Return the optimiser's batch size, halved until its activations take less than half of the memory."""
    per_image = config.kept_bytes(place.precision, maps_kept=path in KEEPING_MAPS, checkpointing=checkpointing)
    size = config.batch_size
    while size > 1 and size * per_image > _SHARE_OF_HOST * place.room()[1]:
        size = -(-size // 2)
    return size


def forget_micro_batch(config: RunConfig, place: Place, *, at_least: int) -> None:
    """Discard the remembered micro-batches of a model on this kind of device that proved too large."""
    trials.forget("micro-batch", trials.key_of(config, place), lambda found: found >= at_least)
