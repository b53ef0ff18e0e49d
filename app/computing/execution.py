"""The execution of a run, which does not change its result: attention path, micro-batch, compiling.

It is chosen once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from .. import models
from ..config.run import RunConfig
from ..errors import InputError
from ..models.compiling import missing
from ..place import Place
from ..tables.computing import COMPILING, GRADIENTS, PATHS
from ..tables.names import suggestion
from . import apart, choosing, compilation, fitting
from .apart import Run
from .choices import Execution, Wishes


def choose(
    config: RunConfig, place: Place, wishes: Wishes, *, steps: int, say: Callable[[str], None], data_bytes: int = 0
) -> Execution:  # fmt: skip
    """Return the requested choices, the others from a table on a CPU and by trials on a GPU. `say` reports them.

    On a GPU each choice is measured with those that it depends on, in this order:

    1. The attention path, at the micro-batch that its memory likely allows, compiled if the run is or may be compiled.
       The ranking depends on both.
    2. The micro-batch of that path: compiled if `--compile` asks for it, else without compiling, which takes more.
    3. Compiling, by steps at that micro-batch.
    4. If the choice is to compile, and the batch was split, the micro-batch again, as compiled.

    A small step uses one thread on a CPU, because more threads gain little, and lose much if the cores are shared.
    `data_bytes` is the size of the dataset if it is not on the device yet, and will be. Raise InputError for a
    requested choice that is unavailable.
    """
    _switch(place, bool(wishes.deterministic), say)
    with apart.trials_on(config, place, say) as run:
        _require(config, place, wishes, run)
        threads = 1 if wishes.threads is None and choosing.is_little(config, place) else torch.get_num_threads()
        may = compilation.may_compile(config, place, wishes.compile, steps=steps)
        path, skipped = wishes.attention_path, dict[str, str]()
        if path is None:
            path, skipped = choosing.path(config, place, say, run, how="blocks" if may else "off")
        need = fitting.Need(path, data_bytes, wishes.checkpointing)
        chosen = _sized(config, place, wishes, need, say, run)
        if wishes.compile is None:
            compile_ = compilation.choice(config, place, chosen, steps=steps, say=say, run=run)
            if compile_ == "blocks" and wishes.micro_batch_size is None:
                chosen = fitting.enlarged(config, place, chosen, need, say=say, run=run)
        else:
            compile_ = "blocks" if wishes.compile else "off"
    gradients = wishes.gradients or "fp32"
    exact = bool(wishes.deterministic)
    return Execution(
        **chosen, compile=compile_, threads=threads, gradients=gradients, deterministic=exact, paths_skipped=skipped
    )


def _switch(place: Place, deterministic: bool, say: Callable[[str], None]) -> None:
    """Switch deterministic kernels on or off, before any trial, and report where they change nothing or too little.

    Raises InputError on a device that has none.
    """
    if deterministic and (why := place.repeats_no_bits()):
        raise InputError(f"--deterministic is unavailable here: {why}. Omit --deterministic")
    place.repeat_bits(deterministic)
    if deterministic and place.device.type == "cpu":
        say("--deterministic has no effect on a CPU, which repeats every bit without it")
    elif deterministic and place.ranks > 2:  # the sum of two numbers has one order
        say(f"--deterministic does not fix the order in which {place.ranks} ranks add gradients. Last bits may differ")


def _sized(
    config: RunConfig, place: Place, wishes: Wishes, need: fitting.Need, say: Callable[[str], None], run: Run
) -> dict[str, Any]:
    """Return the attention path, the micro-batch size and whether activations are recomputed."""
    checkpointing, micro_batch_size = wishes.checkpointing or False, wishes.micro_batch_size
    if micro_batch_size is None:
        how = "blocks" if wishes.compile else "off"
        micro_batch_size, checkpointing = fitting.micro_batch(config, place, need, how=how, say=say, run=run)
    return {
        "attention_path": need.attention_path,
        "micro_batch_size": micro_batch_size,
        "checkpointing": checkpointing,
    }


def require_effect(gradients: str | None, place: Place, *, stored: Mapping[str, Any] | None) -> None:
    """Raise InputError for an unknown kind of gradients, and for bf16 if a single process exchanges none.

    A run that began with them on several ranks may resume and finish on one by the same command.
    """
    if gradients is not None and gradients not in GRADIENTS:
        raise InputError(f"unknown --gradients {gradients!r}. {suggestion(gradients, list(GRADIENTS))}")
    began = (stored or {}).get("gradients")
    if gradients == "bf16" != began and place.ranks == 1:
        raise InputError(
            "--gradients bf16 has no effect with one process. Omit it, or start several processes with torchrun"
        )


def again(
    stored: Mapping[str, Any], config: RunConfig, place: Place, wishes: Wishes, say: Callable[[str], None]
) -> Execution:
    """Return a run's first choices, except for those requested now. Report what differs or is unavailable.

    Raise InputError for a requested choice that is unavailable.
    """
    execution = _with(wishes, _read(stored), say)
    if wishes.deterministic:
        _switch(place, True, say)
    place.repeat_bits(execution.deterministic)
    with apart.trials_on(config, place, say) as run:
        _require(config, place, wishes, run)
        execution = _of_the_same_path(execution, config, place, say, run)
    if execution.compile != "off" and (lacks := _cannot_compile(execution.compile, place)):
        say(
            f"the run began compiled ({execution.compile}), but {lacks}. It resumes without compiling, and its last "
            "bits may differ"
        )
        execution = replace(execution, compile="off")
    if execution.compile == "graphs" and not compilation.fits_graphs(config, place, execution.to_json()):
        say(
            "the run began in CUDA graphs, which need complete batches. It resumes with compiled blocks, and its "
            "last bits may differ"
        )
        execution = replace(execution, compile="blocks")
    if execution.gradients == "bf16" and place.ranks == 1:
        say("the run began with --gradients bf16, which has no effect with one process, then and now")
    if place.device.type == "cpu" and execution.threads > (os.cpu_count() or 1):
        say(f"the run began with {execution.threads} threads, more than this machine's {os.cpu_count()} cores")
    return execution


def _with(wishes: Wishes, execution: Execution, say: Callable[[str], None]) -> Execution:
    """Return a run's first choices with those requested now in their place. Report what differs."""
    given = {name: value for name, value in asdict(wishes).items() if value is not None}
    if wishes.compile is not None:
        given["compile"] = "blocks" if wishes.compile else "off"
    for name, value in given.items():
        if value != getattr(execution, name):
            say(f"{name}={value} is used, but the run began with {getattr(execution, name)}. Its last bits may differ")
            execution = replace(execution, **{name: value})
    return execution


def _of_the_same_path(
    execution: Execution, config: RunConfig, place: Place, say: Callable[[str], None], run: Run
) -> Execution:
    """Return the choices with their attention path, or with another one if a run began on another kind of device."""
    if not (why := choosing.unavailable(config, place, execution.attention_path, run)):
        return execution
    how = "blocks" if execution.compile == "blocks" else "off"
    path, skipped = choosing.path(config, place, say, run, how=how)
    say(f"{why}. The run resumes with {path}, and its last bits may differ")
    return replace(execution, attention_path=path, paths_skipped=skipped)


def _read(stored: Mapping[str, Any]) -> Execution:
    """Return the choices in a record. Raises InputError for choices that no version of this program wrote."""
    known = {field.name for field in fields(Execution)}
    if strange := sorted(set(stored) - known):
        raise InputError(
            f"the record's execution has unknown fields {', '.join(strange)}. Another version wrote it. Use that "
            "version, or train with --fresh"
        )
    execution = Execution(**stored)
    if execution.compile not in COMPILING:
        raise InputError(
            f"the record's execution has compile={execution.compile!r}. Valid values: {', '.join(COMPILING)}. Train "
            "with --fresh"
        )
    return execution


def _cannot_compile(how: str, place: Place) -> str:
    """Return why a place cannot compile in that way, or an empty text if it can."""
    if how == "graphs" and place.device.type != "cuda":
        return "CUDA graphs need a CUDA device"
    return missing(place.device.type)


def _require(config: RunConfig, place: Place, wishes: Wishes, run: Run) -> None:
    """Raise InputError for a requested choice that is unavailable."""
    if (path := wishes.attention_path) is not None:
        if path not in PATHS:
            raise InputError(f"unknown attention path {path!r}. {suggestion(path, list(PATHS))}")
        if why := choosing.unavailable(config, place, path, run):
            raise InputError(f"attention_path={path}: {why}")
    if wishes.compile and (lacks := _cannot_compile("blocks", place)):
        remedy = "Omit --compile" if place.device.type == "mps" else "Install it, or omit --compile"
        raise InputError(f"--compile is unavailable here: {lacks}. {remedy}")
    if wishes.checkpointing and config.attention is None:
        raise InputError(
            f"--checkpointing has no effect on {config.model}, which has no attention layers of isoscale. Omit it"
        )
    if wishes.micro_batch_size is not None and not 0 < wishes.micro_batch_size <= config.batch_size:
        raise InputError(
            f"micro_batch_size={wishes.micro_batch_size} is out of range. Use a number from 1 to "
            f"batch_size={config.batch_size}"
        )


def require_whole_batches(config: RunConfig, place: Place, chosen: Execution, *, examples: int) -> None:
    """Raise InputError if batch normalisation would not see each complete batch, or would see only one image.

    Micro-batches would change its statistics, and so the result. So would ranks, but on GPUs they share the statistics.
    """
    size, apart, last = config.batch_size, chosen.micro_batch_size, examples % config.batch_size or config.batch_size
    share = -(-size // place.ranks)
    together = place.ranks == 1 or place.device.type == "cuda"
    if (apart >= share and together and last > 1 and last >= place.ranks) or not models.has_batch_statistics(config):
        return
    because = f"{config.model} normalises over the batch"
    if not together:
        raise InputError(f"{because}, which {place.ranks} ranks would split. Start one process")
    if apart < share:
        raise InputError(
            f"{because}, so {share} images cannot be computed {apart} at a time. Use --batch-size {apart * place.ranks}"
        )
    raise InputError(
        f"{because}, and the last batch of an epoch of {examples:,} images would have {last}, too few for "
        f"{place.ranks} {'process' if place.ranks == 1 else 'ranks'}. Use --batch-size "
        f"{_ending_in_more(examples, size, place)}"
    )


def _ending_in_more(examples: int, size: int, place: Place) -> int:
    """Return the nearest larger batch size with which the last batch of an epoch is large enough."""
    least = max(2, place.ranks)
    return next(larger for larger in range(size + 1, examples + size + 1) if (examples % larger or larger) >= least)
