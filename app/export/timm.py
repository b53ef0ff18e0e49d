"""Folders for timm: `timm.create_model("local-dir:FOLDER")`, or "hf-hub:owner/name" once they are on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..artifacts.preprocessing import INTERPOLATION
from ..artifacts.runs import Run
from ..errors import InputError, first_line
from ..models import names
from ..sharing import licence
from ..tables.shape import plane
from . import architectures, folder, model_card
from .architectures import Architecture
from .exported import Exported, Request
from .subject import subject


def timm(run: Run, request: Request, path: Path) -> Exported:
    """Write weights, config.json and a card to a folder, and compare the model that timm loads from it.

    Raises InputError for a model without a counterpart in timm, and Inexact if the loaded model has other outputs.
    """
    architecture = architectures.of_timm(run.config)
    made = subject(run, request)
    weights = getattr(run.files, request.which.file)
    folder.write(path, tensors_of(made.module.model, run), _config(run, architecture), weights)
    model_card.write(path, run, request)
    return folder.compared(made, request, _loaded(path))


def tensors_of(model: nn.Module, run: Run) -> dict[str, Tensor]:
    """Return the tensors of a run's model by timm's names. Only the names of our ViT differ."""
    if run.config.family.name != "vit":
        return dict(model.state_dict())
    pooled = run.config.shape.pooling == "mean"
    return {names.in_timm(name, pooled=pooled): tensor for name, tensor in folder.complete(model).items()}


def _config(run: Run, architecture: Architecture) -> dict[str, Any]:
    classes, data = run.record.data.class_names, run.record.data
    channels, sides = run.config.channels, plane(run.config.image)
    known = _known(architecture)
    pretrained = {
        "input_size": [channels, *sides], "num_classes": run.config.classes, "mean": data.mean or [0.0] * channels,
        "std": data.std or [1.0] * channels, "interpolation": INTERPOLATION, "crop_pct": 1.0, "crop_mode": "squash",
        "first_conv": architecture.first or known.get("first_conv"),
        "classifier": architecture.head or known.get("classifier"), "fixed_input_size": architecture.fixed,
        "license": licence.metadata(run)["license"],
    }  # fmt: skip
    return {
        "architecture": architecture.name, "num_classes": run.config.classes, "label_names": classes,
        "model_args": architecture.arguments, "pretrained_cfg": pretrained, **folder.about(run),
    }  # fmt: skip


def _known(architecture: Architecture) -> dict[str, Any]:
    """Return timm's settings of an architecture."""
    import timm

    found = timm.models.get_pretrained_cfg(architecture.name)
    return dict(found.to_dict()) if found else {}


def _loaded(path: Path) -> nn.Module:
    import timm

    try:
        with torch.random.fork_rng(devices=[]):  # the caller's draws stay
            model: nn.Module = timm.create_model(f"local-dir:{path}", pretrained=True)
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"timm cannot load this model ({first_line(error)}). Use --format onnx") from error
    return model.eval()
