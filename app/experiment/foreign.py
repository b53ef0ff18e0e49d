"""Weights that timm wrote: where `--init` finds them, and their tensors by the names of our ViT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ..config.run import RunConfig
from ..errors import InputError
from ..models import names, pretrained
from ..system import hub
from ..tables.models import TIMM

_HUB = "hf-hub:"  # as timm spells a repository
Value = TypeVar("Value")


def is_foreign(where: str) -> bool:
    """Return whether `--init` names published weights: `timm/NAME`, or a repository as `hf-hub:owner/name`."""
    return where.startswith((TIMM, _HUB))


def file_of(where: str) -> Path:
    """Return the file of published weights, downloaded to the Hub's cache unless it is there.

    Raises InputError for weights that do not exist, and HubUnavailable if the Hub cannot be reached.
    """
    if where.startswith(TIMM):
        from ..counts.builders import check_name

        check_name(name := where.removeprefix(TIMM))
        return pretrained.weights(name, "--init")
    repository, _, revision = where.removeprefix(_HUB).partition("@")
    if not hub.NAME.fullmatch(repository):
        raise InputError(
            f"--init {where} is not an address of the form hf-hub:owner/name or hf-hub:owner/name@revision. Give such "
            "an address"
        )
    return pretrained.of_repository(repository, revision or "main")


def translated(found: Mapping[str, Value], config: RunConfig) -> dict[str, Value]:
    """Return values by tensor with our names for those of timm's ViT. Other models have the same names there."""
    if config.family.name != "vit" or not names.are_of_timm(found):
        return dict(found)
    pooled = config.shape.pooling == "mean"
    return {names.from_timm(name, pooled=pooled): value for name, value in found.items()}
