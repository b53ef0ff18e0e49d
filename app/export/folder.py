"""The files that folders for timm and transformers share, and the comparison of the model that is loaded from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import __version__
from ..artifacts import checkpoint
from ..artifacts.preprocessing import preprocessing
from ..artifacts.runs import Run
from ..errors import Inexact
from ..system.durable import write_text
from . import comparing
from .exported import Exported, Request
from .subject import BATCHES, Subject

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"
MOST = 1e-6  # of the largest difference in float64, relative to the largest output


def complete(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of our ViT by our names, with fixed positions, and with zeros for biases that it lacks.

    Both libraries store positions, and their output projections have biases.
    """
    found = dict(model.state_dict())
    found["positions"] = model.positions  # a parameter or a buffer
    for name, tensor in model.state_dict().items():
        if name.endswith("attention.projection.weight"):
            found.setdefault(name.replace(".weight", ".bias"), torch.zeros(len(tensor)))
    return found


def write(path: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any], weights: Path) -> None:
    """Write the weights, as safetensors only, and config.json. The header has the metadata of the run's weights."""
    header = {"format": "pt", **checkpoint.header(checkpoint.metadata(weights))}
    checkpoint.save_tensors(path / WEIGHTS, dict(sorted(tensors.items())), header)
    write_json(path / CONFIG, config)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an indented JSON file."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def about(run: Run) -> dict[str, Any]:
    """Return what config.json states about the run, under a key that neither library reads."""
    record = run.record
    return {
        "isoscale": {
            "version": __version__, "run_id": record.run_id, "model": record.model, "size": record.size,
            "dataset": record.dataset, "preprocessing": preprocessing(run.config, record.data),
        }
    }  # fmt: skip


def compared(made: Subject, request: Request, loaded: nn.Module) -> Exported:
    """Return the report on a loaded model, with the largest difference in float32.

    Raises Inexact if the models differ by more than 1e-6 of the largest output in float64, where rounding is far below
    that, or by more than `comparing.MOST` in float32.
    """
    found = comparing.compared(made, request, loaded)
    error = _exact_difference(made, loaded.double())
    if not error <= MOST:  # NaN too
        raise Inexact(
            f"the model that {request.format} loads computes other outputs than the run's model: the largest "
            f"difference is {error:.1e} of the largest output in float64, and {MOST:.0e} is allowed. Nothing was "
            "written. Use --format onnx"
        )
    return found


def _exact_difference(made: Subject, loaded: nn.Module) -> float:
    module = made.module.double()
    with torch.no_grad():
        pairs = [(module(inputs), loaded(inputs)) for inputs in (made.inputs(size).double() for size in BATCHES)]
    if any(wanted.shape != given.shape for wanted, given in pairs):
        return float("inf")
    largest = max(float(wanted.abs().max()) for wanted, _ in pairs)
    return max(float((wanted - given).abs().max()) for wanted, given in pairs) / (largest or 1.0)
