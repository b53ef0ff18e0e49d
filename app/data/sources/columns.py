"""The image column and the label column of a dataset, as named or as the only candidates."""

from __future__ import annotations

from typing import Any

from ...errors import InputError
from ...tables.names import suggestion
from .source import Ask

_LABELS = ("label", "labels", "fine_label", "class", "target", "category", "cls")
_CLASSES = ("int", "uint", "bool", "string", "large_string", "float")  # types whose values can name classes, as 0.0


def choose(ask: Ask, features: Any, where: str) -> tuple[str, str]:
    """Return the names of the image and the label column. Raise InputError, with the columns that exist."""
    import datasets

    names = list(features)
    for given in (ask.image_column, ask.label_column, ask.group_column):
        if given and given not in names:
            raise InputError(f"{where} has no column {given!r}. {suggestion(given, names)}")
    images = [name for name in names if isinstance(features[name], datasets.Image)]
    images = images or [name for name in names if _holds_images(features[name])]
    labels = [name for name in names if isinstance(features[name], datasets.ClassLabel)]
    labels = labels or [name for name in names if name in _LABELS]
    image = ask.image_column or (images[0] if len(images) == 1 else None)
    label = ask.label_column or (labels[0] if len(labels) == 1 else None)
    if image and not label and "__key__" in names:  # the columns of a WebDataset
        held = ", ".join(name for name in names if not name.startswith("__"))
        raise InputError(
            f"the .tar files of {where} contain {held} and no label, which in a WebDataset is a file such as 000.cls "
            "next to 000.png. Unpack them and give the folder"
        )
    if not image or not label:
        missing = "image" if not image else "label"
        raise InputError(
            f"it is unclear which column of {where} is the {missing}. Name it with --{missing}-column. Valid values: "
            f"{', '.join(f'{name} ({_kind(features[name])})' for name in names)}"
        )
    if not _holds_images(features[image]):
        raise InputError(
            f"column {image} of {where} contains {_kind(features[image])}, not images. Name another with --image-column"
        )
    if not _holds_classes(features[label]):
        raise InputError(
            f"column {label} of {where} contains {_kind(features[label])}, not one class per row. Name another with "
            "--label-column"
        )
    return image, label


def _holds_images(feature: Any) -> bool:
    """Return whether a column contains images.

    They are images as `datasets` marks them, or as other writers of parquet store them: bytes, or bytes with a path.
    """
    import datasets

    if isinstance(feature, datasets.Value):
        return feature.dtype in ("binary", "large_binary")
    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and {*feature} == {"bytes", "path"})


def _holds_classes(feature: Any) -> bool:
    import datasets

    if isinstance(feature, datasets.Value):
        return feature.dtype.startswith(_CLASSES)
    return isinstance(feature, datasets.ClassLabel)


def _kind(feature: Any) -> str:
    """Return a column's type as a reader knows it."""
    import datasets

    if _holds_images(feature):
        return "image"
    return str(feature.dtype) if isinstance(feature, datasets.Value) else type(feature).__name__
