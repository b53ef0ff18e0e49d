"""Checks that refuse settings without effect on a dataset or a model, as their declarations state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..tables.datasets import DATASETS, DatasetRow, dataset_row, is_local
from ..tables.families import FAMILIES, FamilyRow
from ..tables.models import ModelRow, examples_of
from ..tables.reading import reading_of
from ..tables.shape import CELLS, normal
from .settings import Data, Files, Model, Noise, Recipe, Setting, declared, flag, options_of
from .settings.declaring import KINDS

_ASKED = options_of(Model, Data, Files, Noise, Recipe)
_OF_SOME_DATA = {name: field for name, field in _ASKED.items() if set(declared(field).kinds) != set(KINDS)}
_OF_SOME_MODELS = {name: field for name, field in _ASKED.items() if declared(field).families}


def kind_of(dataset: str) -> str:
    """Return the kind of a dataset's data by its row: image, field or signal."""
    row = DATASETS.get(dataset)
    return row.kind if row else "image"


def families_of(name: str) -> tuple[str, ...]:
    """Return the model families for which a setting has an effect. Empty means all."""
    if name in CELLS:
        return tuple(family.name for family in FAMILIES.values() if name in family.cells)
    return declared(_ASKED[name]).families if name in _ASKED else ()


def require_on_data(values: Mapping[str, Any], *, dataset: str, kind: str) -> None:
    """Raise InputError for a setting that is not at its default and has no effect on this kind of data."""
    for name, field in _OF_SOME_DATA.items():
        if field.default is not MISSING and values.get(name) not in (None, field.default):
            _require_kind(name, declared(field), dataset, kind)


def _require_asked(request: Mapping[str, Any], *, dataset: str, kind: str) -> None:
    """Raise InputError for a requested setting that has no effect on this kind of data."""
    require_on_data(request, dataset=dataset, kind=kind)
    for name in request.keys() & _OF_SOME_DATA.keys():
        if _ASKED[name].default is MISSING:
            _require_kind(name, declared(_ASKED[name]), dataset, kind)


def _require_kind(name: str, its: Setting, dataset: str, kind: str) -> None:
    if kind not in its.kinds:
        only = " and ".join(f"{each}s" for each in its.kinds)
        raise InputError(
            f"{flag(name)} has no effect on the dataset {dataset}, which contains {kind}s. It is for {only}. "
            f"{its.otherwise}"
        )


def require_on_model(values: Mapping[str, Any], row: ModelRow, family: FamilyRow) -> None:
    """Raise InputError for a setting that is not at its default and has no effect on this model."""
    for name in CELLS:
        if name not in family.cells and values.get(name) is not None:
            own = ", ".join(flag(each) for each in family.cells if each in _ASKED)
            raise InputError(
                f"{flag(name)} has no effect on {row.name}. The options of its shape are: {own or 'none'}. Omit it"
            )
    for name, field in _OF_SOME_MODELS.items():
        its = declared(field)
        if family.name not in its.families and values.get(name, field.default) != field.default:
            raise InputError(
                f"{flag(name)} has no effect on {row.name}. It is for models such as {examples_of(its.families)}. "
                f"{its.otherwise}"
            )


def require(request: Mapping[str, Any]) -> None:
    """Raise InputError for a setting without effect on the dataset, and for a path that does not exist."""
    asked, row = request["dataset"], dataset_row(request["dataset"])
    if asked.startswith("local/"):
        raise InputError(
            f"the dataset {asked} is the name that runs have for a folder. To train on the folder, give its path, "
            "such as ./folder"
        )
    of_the_hub: tuple[str, ...] = ("dataset_config", "revision", "label_column", "image_column", "group_column")
    folders, splits = ("class_level", "split_folders"), ("val_split", "test_split")
    bundled = row is not None and not row.hub
    without_effect: tuple[str, ...] = ("revision",) if is_local(asked) else folders
    if bundled:
        without_effect = (*of_the_hub, *folders, *splits)
    without_effect += (*(("bit_depth",) if row else ()), *(("skip_unreadable",) if bundled else ()))  # 8 bits, arrays
    if given := [name for name in without_effect if request.get(name, False) is not False]:
        raise InputError(f"{flag(given[0])} has no effect on the dataset {asked}. Omit it")
    _require_one_rule(request)
    if row is None and not is_local(asked) and Path(asked).is_dir():
        raise InputError(
            f"--dataset {asked} can be a dataset on the Hub or the folder {asked} here. Write ./{asked} for the "
            f"folder, or https://huggingface.co/datasets/{asked} for the Hub"
        )
    normal(request.get("image", 1))
    _require_asked(request, dataset=asked, kind=row.kind if row else "image")
    if row and row.kind != "image":
        _require_files(row, request)


def _require_one_rule(request: Mapping[str, Any]) -> None:
    """Raise InputError for two settings that both define the source of validation or test rows."""
    for split in ("val", "test"):
        if f"{split}_split" in request and f"{split}_fraction" in request:
            raise InputError(f"--{split}-split and --{split}-fraction both choose the {split} rows. Omit one of them")
    for name in ("test_fraction", "test_split"):
        if request.get("folds") and request.get(name):
            raise InputError(f"--folds and {flag(name)} both choose the test rows. Omit one of them")
    if request.get("val_split") and request.get("val_split") == request.get("test_split"):
        raise InputError(f"--val-split and --test-split are both {request['val_split']}. Name two different splits")
    if "init" in request and request.get("pretrained"):
        raise InputError("--init and --pretrained both choose the weights that training starts from. Omit one of them")


def _require_files(row: DatasetRow, request: Mapping[str, Any]) -> None:
    """Raise InputError unless a request states where the files of fields or signals are."""
    if "data" not in request:
        raise InputError(f"{row.name} is read from your own files, and no path is given. Give it with --data")
    reading_of({**request, "dataset": row.name})
