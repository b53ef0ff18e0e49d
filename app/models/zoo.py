"""Models that timm builds (see app/counts/builders.py), with published weights, and checked on an input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..counts import builders, meta
from ..errors import InputError
from ..tables.models import TIMM, ModelRow
from .pretrained import weights


def constructor(row: ModelRow) -> Callable[..., nn.Module]:
    """Return the function that builds the row's model from plain values. timm/NAME may start from published weights."""
    if row.family == "timm":
        return partial(named, name=row.name.removeprefix(TIMM))
    return builders.CONSTRUCTORS[row.family]


def named(*, name: str, pretrained: bool = False, **cells: Any) -> nn.Module:
    """Return timm's model of a name, as `builders.named`. With `pretrained` its weights come from the Hub.

    A head for other classes, or a first convolution for other channels, is adapted as timm does. Raises InputError for
    what `builders.named` refuses, and for weights that timm does not have or that are unavailable.
    """
    if not pretrained:
        return builders.named(name=name, **cells)
    with torch.device("meta"):  # a model that cannot be built is refused before a download
        builders.named(name=name, **cells)
    file = {"file": str(weights(name))}
    return builders.named(name=name, **cells, pretrained=True, pretrained_cfg_overlay=file)


def check_takes(model: str, build: Callable[[], nn.Module], *, image: int, channels: int, classes: int) -> None:
    """Raise InputError unless a model accepts such images and returns `classes` logits, tested on the meta device.

    It is for timm/NAME, whose limits no table contains. An InputError of the constructor is passed on.
    """
    with torch.device("meta"), meta.quiet():
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
