"""The comparison of an exported file with the run's model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite

import torch
from torch import Tensor

from ..errors import Inexact
from .exported import Exported, Request
from .subject import BATCHES, Subject

MOST = 1e-4  # of the largest difference, relative to the largest output


def compared(made: Subject, request: Request, compute: Callable[[Tensor], Tensor]) -> Exported:
    """Return the report on a file whose outputs `compute` returns.

    Raises Inexact if they differ from the model's, or if the model's are not finite numbers.
    """
    with torch.no_grad():
        pairs = [(made.module(inputs), compute(inputs)) for inputs in map(made.inputs, BATCHES)]
    largest = max(float(wanted.abs().max()) for wanted, _ in pairs)
    if not isfinite(largest):
        raise Inexact(
            "the run's model computes outputs for random inputs that are not finite numbers, so that no export can be "
            "compared with it. Nothing was written. Export other weights of the run, or another run"
        )
    error = max(_difference(wanted, found) for wanted, found in pairs) / (largest or 1.0)
    require_equal(error, request.format)
    return Exported(
        format=request.format, error=error, inputs=list(made.shape), dtype=str(made.dtype).removeprefix("torch."),
        output=made.output, batches=list(BATCHES),
    )  # fmt: skip


def require_equal(error: float, name: str) -> None:
    """Raise Inexact unless the largest relative difference is at most 1e-4."""
    if not error <= MOST:  # NaN too
        raise Inexact(
            f"the exported {name} file computes other outputs than the run's model: the largest difference is "
            f"{error:.1e} of the largest output, and {MOST:.0e} is allowed. Nothing was written. Use another --format"
        )


def written(facts: Mapping[str, str]) -> str:
    """Return the facts as one JSON text."""
    return json.dumps(facts, indent=1)


def _difference(wanted: Tensor, found: Tensor) -> float:
    if wanted.shape != found.shape:
        return float("inf")
    return float((wanted - found).abs().max())
