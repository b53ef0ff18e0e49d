"""Checks of a `bench` command that need no torch: datasets, sizes, shapes and token counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.facts import dataset_facts
from ..config.run import RunConfig, resolve
from ..errors import InputError
from ..tables.datasets import DATASETS, DEFAULT_DATASET
from ..tables.families import FAMILIES
from ..tables.models import model_row
from ..tables.names import look_up

MODELS = ("vit_classic", "vit_differential")  # which `bench step` always measures
_MOST_TOKENS = 2**20


def resolved(request: Mapping[str, Any]) -> RunConfig:
    """Return the config of a request on a dataset of the table, without dropout. Raises InputError."""
    row = look_up("dataset", request.get("dataset", DEFAULT_DATASET), DATASETS)
    return resolve({**request, "dataset": row.name, "dropout": 0.0}, dataset_facts(row))


def requests(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the requests of `bench step`: of each of `MODELS`, and of the request's model if that is another one.

    A model without a row of sizes has its default size. Raises InputError for an unknown model.
    """
    if "model" not in request:
        return [{**request, "model": model} for model in MODELS]
    row = model_row(request["model"])
    shared = {name: value for name, value in request.items() if name != "model_args"}
    left_out = set() if row.sized else {"size"}
    left_out |= set() if "patch" in FAMILIES[row.family].cells else {"patch"}
    added = {name: value for name, value in request.items() if name not in left_out} | {"model": row.name}
    return [*({**shared, "model": model} for model in MODELS), *([added] if row.name not in MODELS else [])]


def token_counts(text: str) -> list[int]:
    """Return `64,256` as numbers. Raises InputError unless the text is a list of counts above 0."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < count <= _MOST_TOKENS for count in found):
        raise InputError(f"tokens={text} is not a list of counts from 1 to {_MOST_TOKENS:,}. Use --tokens 64,256,1024")
    return found
