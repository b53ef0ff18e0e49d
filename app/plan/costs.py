"""The steps and floating-point operations of a run. Neither needs torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..config.run import RunConfig
from ..experiment import length
from .extent import Extent


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A model's counts, such as FLOPs of one image's forward pass and bytes that one image keeps in float32."""

    parameters: int
    non_embedding: int
    tokens: int
    flops: int
    activation_bytes: int


def counts(config: RunConfig) -> Counts:
    """Return the counts of a config's model by its family."""
    family, shape = config.family, config.shape
    return Counts(
        parameters=config.parameters,
        non_embedding=config.parameters - family.embedding_parameters(shape),
        tokens=config.tokens,
        flops=family.flops(shape),
        activation_bytes=family.activation_bytes(shape, maps_kept=False),
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
