"""Settings that have no effect on a dataset or a model are refused, as their declarations state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from ..errors import InputError
from ..tables.datasets import DATASETS, DatasetRow, dataset_row, is_local
from ..tables.families import FAMILIES, FamilyRow
from ..tables.models import ModelRow
from ..tables.reading import reading_of
from ..tables.shape import CELLS, normal
from .settings import Data, Files, Model, Recipe, Setting, declared, flag, options_of

_ASKED = options_of(Model, Data, Files, Recipe)


def kind_of(dataset: str) -> str:
    """Return the kind of a dataset's data by its row: image, field or signal."""
    row = DATASETS.get(dataset)
    return row.kind if row else "image"


def families_of(name: str) -> tuple[str, ...]:
    """Return the model families for which a setting has an effect; empty: for all."""
    if name in CELLS:
        return tuple(family.name for family in FAMILIES.values() if name in family.cells)
    return declared(_ASKED[name]).families if name in _ASKED else ()


def require_on_data(values: Mapping[str, Any], *, dataset: str, kind: str) -> None:
    """Raise InputError for a setting that is not at its default and has no effect on this kind of data."""
    for name, field in _ASKED.items():
        if field.default is not MISSING and values.get(name) not in (None, field.default):
            _require_kind(name, declared(field), dataset, kind)


def _require_asked(request: Mapping[str, Any], *, dataset: str, kind: str) -> None:
    """Raise InputError for a setting that a request has and that has no effect on this kind of data."""
    require_on_data(request, dataset=dataset, kind=kind)
    for name in request.keys() & _ASKED.keys():
        if _ASKED[name].default is MISSING:
            _require_kind(name, declared(_ASKED[name]), dataset, kind)


def _require_kind(name: str, its: Setting, dataset: str, kind: str) -> None:
    if kind not in its.kinds:
        only = " and ".join(f"{each}s" for each in its.kinds)
        raise InputError(
            f"{flag(name)} has no effect on the dataset {dataset}, which contains {kind}s; it is for {only}. "
            f"{its.otherwise}"
        )


def require_on_model(values: Mapping[str, Any], row: ModelRow, family: FamilyRow) -> None:
    """Raise InputError for a setting that is not at its default and has no effect on this model."""
    for name in CELLS:
        if name not in family.cells and values.get(name) is not None:
            own = ", ".join(map(flag, family.cells))
            raise InputError(f"{flag(name)} has no effect on {row.name}; its shape has {own or 'no options'}. Omit it")
    for name, field in _ASKED.items():
        its = declared(field)
        if its.families and family.name not in its.families and values.get(name, field.default) != field.default:
            only = " and ".join(f"{each}/NAME" if each == "timm" else each for each in its.families)
            raise InputError(f"{flag(name)} has no effect on {row.name}; it is for --model {only}. {its.otherwise}")


def require(request: Mapping[str, Any]) -> None:
    """Raise InputError for a setting that does nothing for the dataset, and for a name that stands for no path."""
    asked, row = request["dataset"], dataset_row(request["dataset"])
    if asked.startswith("local/"):
        raise InputError(f"{asked} names runs on a folder; to train on the folder give its path, such as ./folder")
    of_the_hub: tuple[str, ...] = ("dataset_config", "revision", "label_column", "image_column", "group_column")
    bundled = row is not None and not row.hub
    without_effect = of_the_hub if bundled else ("revision",) if is_local(asked) else ()
    without_effect += (*(("bit_depth",) if row else ()), *(("skip_unreadable",) if bundled else ()))  # 8 bits, arrays
    if given := [name for name in without_effect if request.get(name, False) is not False]:
        raise InputError(f"{flag(given[0])} has no effect on the dataset {asked}; leave it out")
    normal(request.get("image", 1))
    _require_asked(request, dataset=asked, kind=row.kind if row else "image")
    if row and row.kind != "image":
        _require_files(row, request)


def _require_files(row: DatasetRow, request: Mapping[str, Any]) -> None:
    """Raise InputError unless a request says where the files of fields or signals are."""
    if "data" not in request:
        raise InputError(f"{row.name} is read from files of your own; say where they are with --data")
    reading_of({**request, "dataset": row.name})
