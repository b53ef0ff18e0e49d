"""The cost of a run: steps, floating-point operations, memory and disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import optim
from ..artifacts import checkpoint
from ..computing.execution import Execution, Wishes
from ..config.effects import kind_of
from ..config.run import RunConfig
from ..experiment import keeping, length
from ..place import Place
from ..system import home, machine
from ..tables.computing import KEEPING_MAPS
from ..tables.reading import DTYPES
from ..tables.shape import extent as axes_of
from .extent import Extent

_FLOAT = 4  # bytes
_LINE_OF_LOG = 200  # bytes, about; two lines a step
_MARGIN = 1 << 24  # bytes of small files


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A model's counts, such as FLOPs of one image's forward pass and bytes that one image keeps in float32."""

    parameters: int
    non_embedding: int
    tokens: int
    flops: int
    activation_bytes: int


def counts(config: RunConfig, *, maps_kept: bool = False, checkpointing: bool = False) -> Counts:
    """Return the counts of a config's model by its family."""
    family, shape = config.family, config.shape
    return Counts(
        parameters=config.parameters,
        non_embedding=config.parameters - family.embedding_parameters(shape),
        tokens=config.tokens,
        flops=family.flops(shape),
        activation_bytes=family.activation_bytes(shape, maps_kept=maps_kept, checkpointing=checkpointing),
    )


def steps_of(config: RunConfig, extent: Extent) -> int | None:
    """Return the optimiser steps of the complete run, or None if the number of rows is unknown."""
    known = extent.train is not None or config.train_batches
    return length.steps(config, extent.train or 0) if known else None


def trained_inputs(config: RunConfig, extent: Extent) -> int | None:
    """Return the number of training inputs: a fixed number of random batches per epoch, or each training row once."""
    known = extent.train is not None or config.train_batches
    return config.epochs * length.shown(config, extent.train or 0) if known else None


def evaluated_inputs(config: RunConfig, extent: Extent) -> int | None:
    """Return the number of inputs evaluated without gradients, or None if the number of rows is unknown."""
    if steps_of(config, extent) is None or extent.val is None or extent.test is None:
        return None
    return length.evaluated(config, train=extent.train or 0, val=extent.val, test=extent.test)


def training_flops(config: RunConfig, extent: Extent) -> int | None:
    """Return the FLOPs of the complete run, or None if the number of rows is unknown."""
    if steps_of(config, extent) is None or extent.val is None or extent.test is None:
        return None
    return length.flops(config, train=extent.train or 0, val=extent.val, test=extent.test)


def of_run(config: RunConfig, extent: Extent) -> dict[str, Any]:
    """Return the costs that do not depend on the machine."""
    return {
        **asdict(counts(config)),
        "steps": steps_of(config, extent),
        "rows": {name: getattr(extent, name) for name in ("train", "val", "test")},
        "trained_inputs": trained_inputs(config, extent),
        "evaluated_inputs": evaluated_inputs(config, extent),
        "training_flops": training_flops(config, extent),
        "download_bytes": extent.download_bytes,
    }


def memory(config: RunConfig, here: Place, chosen: Execution) -> dict[str, int]:
    """Return the bytes of device memory by use. Activations are in closed form, halved if most of them are bf16."""
    kept = chosen.attention_path in KEEPING_MAPS
    found = counts(config, maps_kept=kept, checkpointing=chosen.checkpointing)
    activations = chosen.micro_batch_size * found.activation_bytes
    return {
        "weights": _FLOAT * found.parameters,
        "gradients": _FLOAT * found.parameters,
        "moments": optim.state_bytes(config) * found.parameters,
        "activations": activations // 2 if here.precision == "bf16" else activations,
    }


def is_tried(here: Place, wishes: Wishes) -> bool:
    """Return whether the micro-batch size was found by trials on the device."""
    return here.device.type == "cuda" and wishes.micro_batch_size is None


def disk(
    config: RunConfig, extent: Extent, steps: int | None, *, keep_every: int | None = None
) -> dict[str, int | None]:
    """Return the bytes on disk by use. `state` is removed at the end, and `cache` is 0 if the dataset is cached.

    `kept` is present with `--keep-every` only.
    """
    kept = {"kept": keeping.room(counts(config).parameters, epochs=config.epochs, every=keep_every)}
    parameters = counts(config).parameters
    each = config.channels * math.prod(axes_of(config.stored_side)) * number_bytes(config)
    total = 0 if extent.cached else None if extent.total is None else extent.total * each
    return {
        "cache": total,
        "weights": 2 * _FLOAT * parameters,
        "state": checkpoint.state_room(parameters, optim.state_bytes(config)),
        "log": None if steps is None else 2 * _LINE_OF_LOG * steps,
        **(kept if keep_every else {}),
    }


def number_bytes(config: RunConfig) -> int:
    """Return the bytes of one number in the cache: 1 for images, those of --stored-dtype for fields and signals."""
    return 1 if kind_of(config.dataset) == "image" else DTYPES[config.stored_dtype]


def needs(disk: Mapping[str, int | None], checkpoints: Path) -> list[tuple[Path, int, int]]:
    """Return (folder, bytes needed, bytes free) of each disk that is written to. Unknown sizes count as 0.

    Weights are written just before the state is removed, in the space of an unfinished state.
    """
    run = max(disk["weights"] or 0, disk["state"] or 0) + (disk["log"] or 0) + (disk.get("kept") or 0) + _MARGIN
    parts = [(home.root(), disk["cache"] or 0), (checkpoints, run)]
    return machine.disks(parts)
