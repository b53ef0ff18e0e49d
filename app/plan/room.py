"""What a run occupies: memory of its device, and disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ..artifacts import checkpoint
from ..computing.execution import Execution, Wishes
from ..computing.memory import average_bytes, state_bytes
from ..config.effects import kind_of
from ..config.run import RunConfig
from ..experiment import keeping
from ..place import Place
from ..system import devices, home, machine
from ..tables.computing import KEEPING_MAPS
from ..tables.reading import DTYPES
from ..tables.shape import extent as axes_of
from .costs import counts
from .extent import Extent

_FLOAT = 4  # bytes
_LINE_OF_LOG = 200  # bytes, about; two lines a step
_MARGIN = 1 << 24  # bytes of small files


def memory(config: RunConfig, here: Place, chosen: Execution) -> dict[str, int]:
    """Return the bytes of device memory by use. Activations are in closed form."""
    kept = chosen.attention_path in KEEPING_MAPS
    found = counts(config)
    each = config.kept_bytes(here.precision, maps_kept=kept, checkpointing=chosen.checkpointing)
    return {
        "weights": _FLOAT * found.parameters,
        "gradients": _FLOAT * found.parameters,
        "moments": state_bytes(config),
        **({"average": 2 * average} if (average := average_bytes(config)) else {}),  # and the weights, while it is used
        "activations": chosen.micro_batch_size * each,
    }


def is_tried(here: Place, wishes: Wishes) -> bool:
    """Return whether the micro-batch size was found by trials on the device."""
    return devices.limits(here.device).fits_by_trial and wishes.micro_batch_size is None


def disk(
    config: RunConfig, extent: Extent, steps: int | None, *, keep_every: int | None = None
) -> dict[str, int | None]:
    """Return the bytes on disk by use. `state` is removed at the end, and `cache` is 0 if the dataset is cached.

    `kept` is present with `--keep-every` only.
    """
    kept = {"kept": keeping.room(counts(config).parameters, epochs=config.epochs, every=keep_every)}
    parameters = counts(config).parameters
    total = 0 if extent.cached else None if extent.total is None else extent.total * _input_bytes(config)
    return {
        "cache": total,
        "weights": 2 * _FLOAT * parameters + average_bytes(config),
        "state": checkpoint.state_room(parameters, state_bytes(config) + average_bytes(config)),
        "log": None if steps is None else 2 * _LINE_OF_LOG * steps,
        **(kept if keep_every else {}),
    }


def resident(config: RunConfig, here: Place, extent: Extent) -> int:
    """Return the bytes of the dataset that a run stores in the device's memory, or 0 if it stays in host memory.

    The rule is applied to all splits at once, and a run applies it to each of them.
    """
    total = (extent.total or 0) * _input_bytes(config)
    return total if here.has_room(total) else 0


def _input_bytes(config: RunConfig) -> int:
    """Return the bytes of one example in the cache."""
    return config.channels * math.prod(axes_of(config.stored_side)) * number_bytes(config)


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
