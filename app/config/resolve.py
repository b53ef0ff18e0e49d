"""The values of a config: the request first, then the dataset's protocol and row, then the size table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..tables import own, revisions
from ..tables.datasets import DATASETS, DatasetRow
from ..tables.models import ModelRow
from ..tables.optimizers import EPS, OPTIMIZERS
from ..tables.protocols import OF_FAMILY, PROTOCOLS, UNKNOWN, Protocol
from ..tables.reading import BACKGROUND
from . import sizing
from .facts import DatasetFacts

_OF_PROTOCOL = (
    "image", "batch_size", "val_batch_size", "epochs", "train_batches", "val_batches", "optimizer", "eps", "schedule",
    "lr", "warmup_steps", "weight_decay", "dropout", "augment",
)  # fmt: skip


def protocol_of(dataset: str, row: ModelRow) -> Protocol:
    """Return the protocol of a dataset by name for a model. A line for the model's family takes precedence."""
    own = OF_FAMILY.get((dataset, row.family))
    return own.protocol if own and row.revision >= own.since else PROTOCOLS.get(dataset, UNKNOWN)


def values(request: Mapping[str, Any], facts: DatasetFacts, row: ModelRow) -> dict[str, Any]:
    """Return the fields of the config for a request, under their names.

    `request` contains only the given options, in their declared types. `row` is the model's.
    """
    protocol, known = protocol_of(facts.name, row), DATASETS.get(facts.name)
    found = {name: getattr(protocol, name) for name in _OF_PROTOCOL}
    found["clamp_warmup"] = "warmup_steps" not in request
    if known:
        found |= {"split_seed": known.split_seed, "val_fraction": known.val_fraction}
        found |= {"test_fraction": known.test_fraction or None}
    if "test_split" in request or request.get("folds"):
        found["test_fraction"] = None
    found |= request
    found |= _of_optimizer(found, request)
    found |= {"model": row.name, "dataset": facts.name, "native": facts.native, "fingerprint": facts.fingerprint}
    found |= {"task": facts.task, "classes": facts.classes, "channels": facts.channels}
    found |= {"model_revision": row.revision, "model_sha256": row.sha256} | _without_dropout(row, request)
    present = revisions.present(facts.name)
    found |= present | {"layout_revision": max(present["layout_revision"], facts.layout_revision)}
    if facts.image is not None:
        found["image"] = facts.image
    elif facts.kind == "signal" and isinstance(found["image"], int):
        found["image"] = (found["image"],)
    if known:
        found |= {name: None for name, value in _named_by(known).items() if found.get(name) == value}
    return found | sizing.sized(row, request, protocol, dataset=facts.name, image=found["image"],
                                classes=facts.classes, channels=facts.channels)  # fmt: skip


def _without_dropout(row: ModelRow, request: Mapping[str, Any]) -> dict[str, float]:
    """Return the dropout of a user's own model whose constructor takes none. Raises InputError if it is requested."""
    if row.family != own.FAMILY:
        return {}
    model = own.require(row.name, row.sha256)
    if own.DROPOUT in model.keywords:
        return {}
    if request.get("dropout"):
        raise InputError(f"--dropout has no effect on {model}: its constructor has no keyword dropout. Omit it")
    return {"dropout": 0.0}


def _of_optimizer(found: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optimiser's numbers that are resolved: one that is its default names the run that has none.

    The protocol's epsilon is for optimisers that take one.
    """
    row = OPTIMIZERS.get(found["optimizer"])
    if row is None:  # which the configuration refuses
        return {}
    names = ("betas", "momentum", "nesterov")
    own: dict[str, Any] = {name: None for name in names if request.get(name) == getattr(row, name) is not None}
    return own if row.eps or "eps" in request else own | {"eps": EPS}


def _named_by(row: DatasetRow) -> dict[str, Any]:
    """Return the names that a dataset's row already has. Giving them explicitly does not change the run."""
    return {
        "image_column": row.image_column,
        "label_column": row.label_column,
        "dataset_config": row.config,
        "field": row.image_column,
        "target": row.label_column,
        "mirror": True,
        "background": BACKGROUND,
    }
