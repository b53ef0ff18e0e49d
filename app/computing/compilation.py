"""The choice of how a run is compiled, by steps of the run with and without compiling."""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from ..config.run import RunConfig
from ..errors import first_line, is_out_of_memory, named_line
from ..models.compiling import missing
from ..place import Place
from ..system import devices
from ..system.child import NoAnswer
from . import trials
from .apart import Run
from .choosing import work

_IMAGES_ON_CPU = 4  # images in a trial: more take longer, and each takes the same time
_PROGRAMS = 2  # of a run: one for training and one for evaluation
_ALIKE = 0.02  # relative difference of losses between ways to compute them
_ALIKE_DROPPED = 0.1  # of losses of steps with other draws of dropout
_GRAPHS_BELOW = 0.02  # seconds of a step: a tiny model spends more time on launches than on arithmetic
_MOST = 140  # letters of an error in a line
_OF_A_STEP = ("depth", "classes", "channels", "optimizer", "dropout", "drop_path")


def may_compile(config: RunConfig, place: Place, wish: bool | None, *, steps: int) -> bool:
    """Return whether a run is compiled if `wish` is a request, else whether it may be, since it is long enough."""
    return wish if wish is not None else _is_long(config, place, steps) and not missing(place.device.type)


def _is_long(config: RunConfig, place: Place, steps: int) -> bool:
    kind, its = place.device.type, devices.limits(place.device)
    fastest = its.operations * (torch.get_num_threads() if kind == "cpu" else 1)
    return steps * work(config) / fastest / place.ranks >= its.compiles_after


def choice(
    config: RunConfig, place: Place, chosen: Mapping[str, Any], *, steps: int, say: Callable[[str], None], run: Run
) -> str:
    """Return how a run is compiled: not at all if it is short, else in the way that saves most in trials of one step.

    `chosen` contains attention_path, checkpointing and micro_batch_size.
    """
    if not _is_long(config, place, steps):
        return "off"
    tries = partial(_trial, config, place, chosen, say=say, run=run)
    if not (eager := tries("off")):
        return "off"
    tried = {"off": eager}
    little = place.device.type == "cuda" and eager["seconds"] * config.batch_size < _GRAPHS_BELOW
    tiny = little and fits_graphs(config, place, chosen)
    for how in ("blocks", "graphs") if tiny else ("blocks",):
        if trial := tries(how):
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
    config: RunConfig, place: Place, chosen: Mapping[str, Any], how: str, *, say: Callable[[str], None], run: Run
) -> Mapping[str, Any] | None:
    """Return the times of steps in one way, or None if it is unavailable here, which is reported.

    A compiler's failure is remembered like a time. A lack of memory or of time is not, since another process may be
    the cause.
    On a CPU the trial has few images and no dropout, so that its losses are those of eager mode. On a GPU it has those
    of the run, so that the run finds its programs in the cache. There, the loss of a validation batch is compared too,
    which does not depend on dropout.
    """
    if place.device.type == "cpu":
        config = dataclasses.replace(config, dropout=0.0)
        chosen = {**chosen, "micro_batch_size": min(chosen["micro_batch_size"], _IMAGES_ON_CPU)}
    else:
        chosen = {**chosen, "validation": -(-config.val_batch_size // place.ranks)}
    shape = {**chosen, **{name: getattr(config, name) for name in _OF_A_STEP}}
    key = trials.key_of(config, place) | shape | {"how": how, "lacking": missing(place.device.type)}

    try:
        found = trials.remembered("step", key, lambda: _measured(config, place, chosen, how, run))
    except NoAnswer as error:
        found = {"failure": f"{first_line(error)}, and the next command tries again"}
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        found = {"failure": named_line(error)[:_MOST]}
    if failure := found.get("failure"):
        say(f"compile {how} is unavailable here ({failure})")
        return None
    return found


def _measured(config: RunConfig, place: Place, chosen: Mapping[str, Any], how: str, run: Run) -> dict[str, Any]:
    """Return the times of steps in one way, or a compiler's failure. Raises NoAnswer, and what a lack of memory is."""
    try:
        found: dict[str, Any] = run(trials.step_trial, config, place, how, **chosen)
        return found
    except NoAnswer:  # of a slow machine, whose next try finds what was compiled so far
        raise
    except Exception as error:  # whatever a compiler fails with, the run does without
        if is_out_of_memory(error):
            raise
        return {"failure": named_line(error)[:_MOST]}
    finally:
        gc.collect()  # a compiled block refers to itself, and keeps device memory that the run is about to need


def gain(eager: Mapping[str, Any], trial: Mapping[str, Any], *, images: int) -> float:
    """Return the seconds that a way to compile saves over a run, including compiling.

    It is minus infinity if its losses differ from those of eager mode.
    """
    if trial is eager:
        return 0.0
    if not _is_alike(eager, trial):
        return -math.inf
    return images * (eager["seconds"] - trial["seconds"]) - _PROGRAMS * trial["preparation"]


def _is_alike(eager: Mapping[str, Any], trial: Mapping[str, Any]) -> bool:
    """Return whether the losses of two ways agree: those of steps less closely if their dropout may differ."""
    evaluated = [(eager["evaluation"], trial["evaluation"])] if "evaluation" in eager else []
    steps = zip(eager["losses"], trial["losses"], strict=True)
    near = _ALIKE_DROPPED if evaluated else _ALIKE
    return all(math.isclose(*pair, rel_tol=_ALIKE) for pair in evaluated) and all(
        math.isclose(*pair, rel_tol=near) for pair in steps
    )
