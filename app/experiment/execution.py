"""How a run is computed where that changes no result: attention path, micro-batch, threads; chosen once and kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from app.config import RunConfig
from app.errors import InputError
from app.models import build
from app.models.attention import PATHS, pick_path
from app.place import GRADIENTS, Place, fitting_micro_batch
from app.tables.models import MODELS
from app.tables.names import suggestion

_WORK_OF_ONE_THREAD = 5e9  # floating-point operations of a step
_SHARE_OF_HOST = 0.5  # of the machine's memory for activations on a CPU


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What is written into the record before step 0 and used again on continuing."""

    attention_path: str
    micro_batch_size: int
    threads: int
    gradients: str = "fp32"  # as they travel between ranks; records of earlier versions do not say it

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def choose(
    config: RunConfig,
    place: Place,
    *,
    attention_path: str | None = None,
    micro_batch_size: int | None = None,
    threads: int | None = None,
    gradients: str | None = None,
) -> Execution:
    """The given choices, the others by a table on a CPU and by trying on a GPU.

    A step of little work takes one thread on a CPU: more gain little, and lose much where the cores are shared.
    """
    if attention_path is not None and attention_path not in PATHS:
        raise InputError(f"unknown attention path {attention_path!r}; {suggestion(attention_path, list(PATHS))}")
    work = 3 * MODELS[config.model].flops(config.shape) * config.batch_size
    if threads is None and place.device.type == "cpu" and work < _WORK_OF_ONE_THREAD:
        torch.set_num_threads(1)
    path = attention_path or pick_path(tokens=config.shape.tokens, device=place.device.type)
    if micro_batch_size is not None and not 0 < micro_batch_size <= config.batch_size:
        raise InputError(f"micro_batch_size={micro_batch_size} must lie between 1 and batch_size={config.batch_size}")
    return Execution(
        attention_path=path,
        micro_batch_size=micro_batch_size or _fitting(config, place, path),
        threads=torch.get_num_threads(),
        gradients=gradients or "fp32",
    )


def require_effect(gradients: str | None, place: Place, *, stored: Mapping[str, Any] | None) -> None:
    """Raises InputError for gradients of no such kind, and for those in bf16 where one process exchanges none.

    A run that began with them on several ranks may go on, and end, on one by the same command.
    """
    if gradients is not None and gradients not in GRADIENTS:
        raise InputError(f"unknown --gradients {gradients!r}; {suggestion(gradients, list(GRADIENTS))}")
    began = (stored or {}).get("gradients")
    if gradients == "bf16" != began and place.ranks == 1:
        raise InputError("--gradients bf16 has no effect with one process; leave it out, or start several by torchrun")


def again(stored: Mapping[str, Any], place: Place, say: Callable[[str], None], **given: Any) -> Execution:
    """The choices a run began with, unless others are asked for now; what differs or cannot be had is said aloud."""
    execution = Execution(**stored)
    for name, value in given.items():
        if value is not None and value != getattr(execution, name):
            say(f"{name}={value} where the run began with {getattr(execution, name)}: its last bits may differ")
            execution = replace(execution, **{name: value})
    if execution.gradients == "bf16" and place.ranks == 1:
        say("the run began with --gradients bf16, which has no effect with one process, as now")
    if place.device.type == "cpu" and execution.threads != torch.get_num_threads():
        torch.set_num_threads(execution.threads)
        if execution.threads > (os.cpu_count() or 1):
            say(f"the run began with {execution.threads} threads, more than this machine's {os.cpu_count()} cores")
    return execution


def _fitting(config: RunConfig, place: Place, path: str) -> int:
    """The optimiser's batch, halved until its activations fit."""
    if place.device.type == "cuda":
        return _tried(config, place, path)
    keeps_maps = path == "plain"
    per_image = MODELS[config.model].activation_bytes(config.shape, maps_kept=keeps_maps)
    room = _SHARE_OF_HOST * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = config.batch_size
    while size > 1 and size * per_image > room:
        size = -(-size // 2)
    return size


def _tried(config: RunConfig, place: Place, path: str) -> int:
    """Found by a forward and backward pass on noise, with room for the optimiser's moments set aside."""
    with torch.random.fork_rng(devices=[place.device]):
        model = build(config, attention_path=path).to(place.device)

        def attempt(size: int) -> None:
            moments = [torch.empty_like(parameter) for parameter in (*model.parameters(), *model.parameters())]
            images = torch.randn(size, config.channels, config.image, config.image, device=place.device)
            with place.autocast():
                loss = model(images).float().logsumexp(1).sum()
            loss.backward()
            model.zero_grad(set_to_none=True)
            del moments

        return fitting_micro_batch(config.batch_size, attempt)
