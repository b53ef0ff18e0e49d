"""Models that timm builds (app/counts/builders.py has how): with published weights, and tried on an input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..counts import builders
from ..errors import InputError
from ..tables.models import TIMM, ModelRow
from .pretrained import weights


def constructor(row: ModelRow) -> Callable[..., nn.Module]:
    """Return what builds the row's model from plain values; timm/NAME may begin at its published weights."""
    if row.family == "timm":
        return partial(named, name=row.name.removeprefix(TIMM))
    return builders.CONSTRUCTORS[row.family]


def named(*, name: str, pretrained: bool = False, **cells: Any) -> nn.Module:
    """timm's model of a name, as `builders.named`; with `pretrained` its weights come from the Hub.

    A head of other classes, or a first convolution of other channels, is fitted as timm does. Raises InputError for
    what `builders.named` refuses, and for weights that timm does not have or that are unavailable.
    """
    if not pretrained:
        return builders.named(name=name, **cells)
    with torch.device("meta"):  # what cannot be built is refused before anything is fetched
        builders.named(name=name, **cells)
    file = {"file": str(weights(name))}
    return builders.named(name=name, **cells, pretrained=True, pretrained_cfg_overlay=file)


def check_takes(model: str, build: Callable[[], nn.Module], *, image: int, channels: int, classes: int) -> None:
    """Raises InputError unless a model takes such images and gives so many logits; nothing is computed (meta device).

    For timm/NAME, whose limits no table knows; InputError of the constructor passes through.
    """
    with torch.device("meta"):
        built = build()
        try:
            found = built(torch.empty(2, channels, image, image)).shape
        except (AttributeError, AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"{model} does not support image={image} with {channels} channels ({builders.first_line(error)}). Use "
                "another --image or --model"
            ) from error
    if found != (2, classes):
        raise InputError(
            f"{model} returns {tuple(found[1:])} for an image, but {classes} logits are needed. Use another model"
        )
