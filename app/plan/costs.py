"""What a run takes: steps, floating-point operations, memory and disk."""

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
    """What a model has and takes: FLOPs of one image's forward pass, bytes that one image keeps in float32."""

    parameters: int
    non_embedding: int
    tokens: int
    flops: int
    activation_bytes: int


def counts(config: RunConfig, *, maps_kept: bool = False, checkpointing: bool = False) -> Counts:
    """The counts of a config's model by its family."""
    family, shape = config.family, config.shape
    return Counts(
        parameters=config.parameters,
        non_embedding=config.parameters - family.embedding_parameters(shape),
        tokens=config.tokens,
        flops=family.flops(shape),
        activation_bytes=family.activation_bytes(shape, maps_kept=maps_kept, checkpointing=checkpointing),
    )


def steps_of(config: RunConfig, extent: Extent) -> int | None:
    """Optimiser steps of the whole run; None where the rows are not known."""
    known = extent.train is not None or config.train_batches
    return length.steps(config, extent.train or 0) if known else None


def trained_inputs(config: RunConfig, extent: Extent) -> int | None:
    """Inputs that are learned from: so many random batches an epoch, or every training row once."""
    known = extent.train is not None or config.train_batches
    return config.epochs * length.shown(config, extent.train or 0) if known else None


def evaluated_inputs(config: RunConfig, extent: Extent) -> int | None:
    """Inputs that are evaluated without gradients; None where the rows are not known."""
    if steps_of(config, extent) is None or extent.val is None or extent.test is None:
        return None
    return length.evaluated(config, train=extent.train or 0, val=extent.val, test=extent.test)


def training_flops(config: RunConfig, extent: Extent) -> int | None:
    """FLOPs of the whole run; None where the rows are not known."""
    if steps_of(config, extent) is None or extent.val is None or extent.test is None:
        return None
    return length.flops(config, train=extent.train or 0, val=extent.val, test=extent.test)


def of_run(config: RunConfig, extent: Extent) -> dict[str, Any]:
    """What does not depend on the machine."""
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
    """Bytes of the device by what holds them; activations in closed form, halved in bf16 where most are of it."""
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
    """Whether the images at a time are what was found to fit by trying."""
    return here.device.type == "cuda" and wishes.micro_batch_size is None


def disk(
    config: RunConfig, extent: Extent, steps: int | None, *, keep_every: int | None = None
) -> dict[str, int | None]:
    """Bytes by what is written; `state` is gone at the end, `cache` is 0 where the dataset is there.

    `kept` is there with `--keep-every` only.
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
    """Bytes of one number in the cache: one of images, and those of --stored-dtype of fields and signals."""
    return 1 if kind_of(config.dataset) == "image" else DTYPES[config.stored_dtype]


def needs(disk: Mapping[str, int | None], checkpoints: Path) -> list[tuple[Path, int, int]]:
    """(folder, bytes needed, bytes free) of each disk that is written to; what is not known is not in it.

    Weights are written when the state is about to go, in the room of one that was under way.
    """
    run = max(disk["weights"] or 0, disk["state"] or 0) + (disk["log"] or 0) + (disk.get("kept") or 0) + _MARGIN
    parts = [(home.root(), disk["cache"] or 0), (checkpoints, run)]
    return machine.disks(parts)
