"""Folders for transformers: `AutoModelForImageClassification.from_pretrained(FOLDER)`, without remote code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..artifacts.runs import Run
from ..errors import InputError
from ..models import names
from ..system import packages
from . import architectures, folder, model_card
from .exported import Exported, Request
from .subject import subject

_BILINEAR = 2  # Pillow's number


def transformers(run: Run, request: Request, path: Path) -> Exported:
    """Write weights, both configurations and a card to a folder, and compare the model that transformers loads from it.

    Raises InputError for a model without a counterpart in transformers, or if transformers is not installed, and
    Inexact if the loaded model has other outputs.
    """
    fields = architectures.of_transformers(run.config)
    if not packages.is_installed("transformers"):
        raise InputError(
            "--format transformers compares its folder with the model that transformers loads, and transformers is not "
            "installed. Install it with `pip install transformers`"
        )
    made = subject(run, request)
    tensors = names.in_transformers(folder.complete(made.module.model))
    folder.write(path, tensors, fields | _classes(run) | folder.about(run), getattr(run.files, request.which.file))
    folder.write_json(path / "preprocessor_config.json", _preprocessor(run))
    model_card.write(path, run, request)
    return folder.compared(made, request, _loaded(path))


def _classes(run: Run) -> dict[str, Any]:
    """Return the class names by number and the numbers by name, as transformers writes them."""
    known = run.record.data.class_names
    labels = {
        "id2label": {str(number): name for number, name in enumerate(known)},
        "label2id": {name: number for number, name in enumerate(known)},
    }
    return labels | ({} if run.config.task == "classification" else {"problem_type": "regression"})


def _preprocessor(run: Run) -> dict[str, Any]:
    """Return the fields of transformers' `ViTImageProcessor` that squash and normalise an image as the run did."""
    data, (_, height, width) = run.record.data, run.config.input_shape
    return {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": height, "width": width},
        "resample": _BILINEAR, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": data.mean, "image_std": data.std,
        **({"do_convert_rgb": True} if run.config.channels == 3 else {}),
    }  # fmt: skip


def _loaded(path: Path) -> nn.Module:
    from transformers import AutoModelForImageClassification

    with torch.random.fork_rng(devices=[]), _without_bar():  # the caller's draws stay
        model = AutoModelForImageClassification.from_pretrained(path, local_files_only=True)
    return _Logits(model).eval()


@contextmanager
def _without_bar() -> Iterator[None]:
    """Hide the progress bar of transformers, which it also prints to files."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


class _Logits(nn.Module):
    """A model of transformers that returns its logits only."""

    def __init__(self, model: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.model(inputs).logits
        return found
