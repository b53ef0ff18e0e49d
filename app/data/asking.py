"""The ask for a dataset: its name, the place where it is stored, and the options that name its cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..config.settings import Data, options_of
from ..errors import InputError
from ..tables import revisions
from ..tables.datasets import dataset_row, is_local
from ..tables.decoding import decoding_of
from ..tables.protocols import UNKNOWN
from ..tables.reading import FieldReading, reading_of
from ..tables.revisions import LAYOUT
from ..tables.shape import normal, smaller
from .sources import fields, folders, signals
from .sources.opening import fingerprint
from .sources.source import Ask
from .splits import holdout

_LATER = (  # settings of the data that act on what was read
    "augment", "split_seed", "repeat", "val_fraction", "limit_train", "limit_val", "limit_test",
)  # fmt: skip
_OTHERS = (
    "image",
    "patch",
    "data",
    "design",
    "filelist",
)  # that decide how a dataset is read; `patch` divides the side


def require_of_reading(settings: Mapping[str, Any]) -> None:
    """Raise InputError for a setting of `train` that does not decide how a dataset is read. None is no setting."""
    deciding = [*(name for name in options_of(Data) if name not in _LATER), *_OTHERS]
    if others := [name for name, value in settings.items() if value is not None and name not in deciding]:
        raise InputError(
            f"{others[0]} has no effect on how a dataset is read. Omit it. Settings with an effect: "
            f"{', '.join(deciding[1:])}"
        )


def where(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of a request's local dataset as arguments of `ask_of`.

    The path is None for the Hub and for bundled datasets.
    """
    row = dataset_row(request["dataset"])
    if row and row.kind != "image":
        return {"path": request["data"], "design": request.get("design"), "filelist": request.get("filelist")}
    return {"path": request["dataset"] if is_local(request["dataset"]) else None}


def ask_of(
    fields: Mapping[str, Any],
    *,
    path: str | None,
    design: str | None = None,
    filelist: str | None = None,
) -> Ask:
    """Return the ask of a request or of a config's fields. Defaults come from the dataset's row.

    A request uses the newest revisions. A config names its revisions, or has the first ones.
    """
    row, reading = dataset_row(fields["dataset"]), reading_of(fields)
    if "classes" not in fields:  # only a config has this field
        fields = {**revisions.present(row.name if row else fields["dataset"]), **fields}
    image = fields.get("image") or UNKNOWN.image
    return Ask(
        dataset=fields["dataset"],
        row=row,
        path=path,
        fingerprint=fields.get("fingerprint"),
        config=fields.get("dataset_config") or (row.config if row else None),
        revision=fields.get("revision") or "main",
        image_column=fields.get("image_column") or (row.image_column if row else None),
        label_column=fields.get("label_column") or (row.label_column if row else None),
        group_column=fields.get("group_column"),
        side=normal(image) if reading else smaller(image, row.native if row else None),
        channels=len(reading.fields) if isinstance(reading, FieldReading) else row.channels if row else 3,
        carve_test=holdout.takes_test_from_train(fields, row),
        class_level=fields.get("class_level") or "1",
        split_folders=fields.get("split_folders"),
        val_split=fields.get("val_split"),
        test_split=fields.get("test_split"),
        layout=fields.get("layout_revision") or 1,
        reading=reading,
        decoding=decoding_of(fields),
        design=design,
        filelist=filelist,
    )


def located(ask: Ask) -> Ask:
    """Return the ask with its fingerprint and the revision of its layout, if the dataset is on this machine."""
    if not ask.path:
        return ask
    if ask.reading:
        shape = shape_of(ask)
        return replace(
            ask, fingerprint=fingerprint(ask), layout=revision_of_files(ask), side=normal(shape[1:]), channels=shape[0]
        )
    there = folders.content(ask)
    return replace(ask, fingerprint=folders.fingerprint(ask, there), layout=there.revision)


def shape_of(ask: Ask) -> tuple[int, ...]:
    """Return the shape of one input of fields or signals, read from the first of the files."""
    return (fields if isinstance(ask.reading, FieldReading) else signals).shape(ask)


def revision_of_files(ask: Ask) -> int:
    """Return the revision of the layout that splits files of fields or signals."""
    return LAYOUT if isinstance(ask.reading, FieldReading) else signals.revision(ask)
