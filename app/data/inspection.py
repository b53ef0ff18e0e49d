"""The summary of a dataset, from its cache or, before reading, from the parts of its source that cost little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..config.settings import Data
from ..errors import InputError
from ..system.printable import printable
from ..tables.reading import FieldReading
from ..tables.revisions import LAYOUT
from ..tables.shape import Extent, with_unit
from .sources import folders
from .sources.layout import Layout, LeftOut
from .sources.source import Ask, Source
from .splits import folding, holdout
from .splits.holdout import Members
from .store.cache import Cached
from .store.kept import CARVE, group_number
from .understood import Part, Target, Understood

_PUBLISHED = "the source's split"


def is_current(ask: Ask, cached: Cached) -> bool:
    """Return whether a cache has the classes that this version reads.

    Earlier versions read an empty label as a class.
    """
    return ask.layout > LAYOUT or all(map(str.strip, cached.manifest.class_names))


def of_cached(
    settings: Data, ask: Ask, cached: Cached, members: Members, *, image: Extent | None = None,
    statistics: Mapping[str, Any] | None = None,
) -> Understood:  # fmt: skip
    """Return the summary of a dataset in the cache whose splits have these members.

    `statistics` are mean and std of the training rows' channels, if they are known.
    """
    manifest = cached.manifest
    layout = _with_files_of_now(ask, Layout.from_json(manifest.layout))
    left = [*layout.left_out, *_unlabelled(cached, layout)]
    if manifest.left_out:
        left.append(LeftOut.of("files" if manifest.array else "images", "unreadable", manifest.left_out))
    labels = {split: cached.array(split, "labels") for split in manifest.rows}
    notes = [*layout.notes, *(manifest.notes or ()), *folding.notes(
        settings, manifest.class_names, holdout.strata(settings, labels["train"]),
        cached.array("train", "groups") if ask.grouped else None,
    )]  # fmt: skip
    return Understood(
        **_common(settings, ask, image, statistics), version=manifest.version, total=sum(manifest.rows.values()),
        **_divided(settings, layout, labels, members, manifest.class_names), left_out=tuple(left),
        readings=layout.readings, notes=tuple(dict.fromkeys(notes)), cached=True,
        licence=ask.row.licence if ask.row else manifest.licence,
    )  # fmt: skip


def of_source(settings: Data, ask: Ask, source: Source, *, image: Extent | None = None) -> Understood:
    """Return the summary of a source that is not read yet. Labels are counted if that costs little."""
    found: dict[str, Any]
    notes = folding.notes(settings)
    if source.outline:
        labels, groups, names = _labels(ask, source)
        rows = {split: len(each) for split, each in labels.items()}
        strata = holdout.strata(settings, labels["train"])
        members = holdout.members(
            settings, labels=strata, groups=groups, test_rows=rows.get("test"), val_rows=rows.get("val")
        )
        notes = folding.notes(settings, names, strata, groups)
        found = _divided(settings, source.layout(), labels, members, names) | {"total": sum(rows.values())}
    else:
        found = _counted(settings, source.layout(), source.rows, source.class_names, ask)
    layout = source.layout()
    return Understood(
        **_common(settings, ask, image, None), **found, version=source.version, left_out=layout.left_out,
        readings=layout.readings, notes=tuple(dict.fromkeys((*layout.notes, *source.notes, *notes))), cached=False,
        licence=ask.row.licence if ask.row else source.licence,
    )  # fmt: skip


def of_row(settings: Data, ask: Ask, *, image: Extent | None = None) -> Understood:
    """Return the summary of a dataset of the Hub that is not in the cache, from its row in the table."""
    row = ask.row
    assert row
    rows: dict[str, int | None] = {"train": row.train_rows}
    rows |= {"test": row.test_rows} if row.test_rows and not (settings.test_fraction or settings.folds) else {}
    layout = Layout(places={"train": "train"} | ({"test": "test"} if "test" in rows else {}))
    found = _counted(settings, layout, rows, None, ask) | {"classes": row.classes}
    return Understood(
        **_common(settings, ask, image, None), **found, version=None, left_out=(), readings={}, licence=row.licence,
        notes=(*((row.warning,) if row.warning else ()), *folding.notes(settings)), cached=False,
    )  # fmt: skip


def _common(settings: Data, ask: Ask, image: Extent | None, statistics: Mapping[str, Any] | None) -> dict[str, Any]:
    where = ask.path or (f"the Hub's {ask.hub}" if ask.hub else "scikit-learn")
    return {
        "dataset": settings.dataset, "where": where, "class_level": ask.class_level,
        "inputs": _inputs(ask, image, statistics or {}),
    }  # fmt: skip


def _inputs(ask: Ask, image: Extent | None, statistics: Mapping[str, Any]) -> str:
    """Return how inputs are resized and normalised."""
    if ask.reading:
        kind = "fields" if isinstance(ask.reading, FieldReading) else "signals"
        what = f"{kind} of {ask.channels} channel{'s' if ask.channels > 1 else ''}, {with_unit(ask.side)}"
        return f"{what}, stored as {ask.reading.stored_dtype} and given to the model as they are"
    colour = "RGB" if ask.channels == 3 else "one grey channel" if ask.channels == 1 else f"{ask.channels} channels"
    size = f"squashed to {with_unit(ask.side)} (bilinear, antialiased)"
    shown = "" if image is None or image == ask.side else f" and resized to {with_unit(image)} for the model"
    normalised = "normalised by the mean and standard deviation of the training rows"
    if mean := statistics.get("mean"):
        numbers = [", ".join(f"{value:.4f}" for value in values) for values in (mean, statistics["std"])]
        normalised += f" (mean {numbers[0]}; deviation {numbers[1]})"
    return f"{colour}, {size}{shown}, {normalised}"


def _with_files_of_now(ask: Ask, layout: Layout) -> Layout:
    """Return the layout of a cache with the files that its folder leaves out now.

    Files that are not read do not change the fingerprint.
    """
    if not ask.path or ask.reading or not Path(ask.path).expanduser().is_dir():
        return layout
    try:
        there = folders.content(ask)
    except InputError:  # the folder has changed, and the cache is used as it is
        return layout
    if not (made := there.tree or there.listing):
        return layout
    rows = [each for each in layout.left_out if each.what.startswith("rows of ")]
    return replace(layout, left_out=(*made.layout.left_out, *rows))


def _unlabelled(cached: Cached, layout: Layout) -> list[LeftOut]:
    """Return the rows without a label in a cache of an earlier version, which does not record why."""
    found = []
    for split, count in cached.manifest.unlabelled.items():
        if count and not any(each.what == f"rows of {split}" for each in layout.left_out):
            rows = cached.array(split, "rows")
            missing = np.setdiff1d(np.arange(len(rows) + count), rows)
            names = [f"row {row}" for row in missing[:10]]
            found.append(LeftOut(what=f"rows of {split}", why="no label", count=count, names=tuple(names)))
    return found


def _labels(ask: Ask, source: Source) -> tuple[dict[str, np.ndarray], np.ndarray | None, list[str]]:
    """Return each split's labels as class indices, train's groups, and the class names, as a cache will have them.

    Raise InputError for labels that are doubtful, and for a class that train lacks.
    """
    assert source.outline
    if source.regression:
        return _values(source)
    labels: dict[str, list[Any]] = {}
    groups: list[int] = []
    for split in sorted(source.rows):
        labels[split] = []
        for example in source.outline(split):
            if not is_label(example.label, source, ask):
                continue
            labels[split].append(example.label)
            if split == "train" and ask.group_column:
                groups.append(group_number(example.group))
    names: dict[Any, str] = {label: str(label) for label in sorted(set(labels["train"]))}
    if source.class_names is not None:
        names = {label: source.class_names[label] for label in source.class_indices(ask.unlabelled)}
    at = {label: number for number, label in enumerate(names)}
    present = set(labels["train"])
    for split, each in labels.items():
        if strange := sorted(str(names.get(label, label)) for label in set(each) - present):
            shown = ", ".join(map(printable, strange[:3]))
            raise InputError(f"the {split} split of {ask.dataset} has classes that train lacks: {shown}. {CARVE}")
    arrays = {split: np.array([at[label] for label in each], np.int64) for split, each in labels.items()}
    return arrays, np.array(groups, np.int64) if ask.group_column else None, list(names.values())


def _values(source: Source) -> tuple[dict[str, np.ndarray], np.ndarray, list[str]]:
    """Return each split's values, train's groups and the names of a regression, whose groups are the simulations."""
    assert source.outline
    rows = {split: list(source.outline(split)) for split in sorted(source.rows)}
    values = {split: np.array([row.label for row in each], np.float32) for split, each in rows.items()}
    groups = np.array([group_number(row.group) for row in rows["train"]], np.int64)
    return values, groups, list(source.class_names or ())


def is_label(label: Any, source: Source, ask: Ask) -> bool:
    """Return whether a label, as the source means it, belongs to a class."""
    if label is None or label == -1:
        return False
    names = source.class_names
    return names is None or names[label] not in ask.unlabelled


def _divided(
    settings: Data, layout: Layout, labels: Mapping[str, np.ndarray], members: Members, names: list[str]
) -> dict[str, Any]:
    """Return the summary of the splits and the classes if every label is known."""
    sources = {"train": "train", "val": members.val_from, "test": members.test_from}
    of = {"train": members.train, "val": members.val, "test": members.test}
    regression = settings.task != "classification"
    parts = []
    for name, source in sources.items():
        chosen = labels[source][of[name]]
        counts = None if regression else [int(count) for count in np.bincount(chosen, minlength=len(names))]
        parts.append(Part(name=name, place=_place(settings, layout, name, source), rows=len(chosen),
                          rows_per_class=counts, held_out=name != source))  # fmt: skip
    target = None
    if regression:
        values = labels["train"][members.train].astype(np.float64)
        target = Target(name=names[0], least=float(values.min()), mean=float(values.mean()), most=float(values.max()))
    return {
        "parts": tuple(parts), "classes": None if regression else len(names), "target": target,
        "class_names": None if regression else tuple(names),
    }  # fmt: skip


def _counted(
    settings: Data, layout: Layout, rows: Mapping[str, int | None], names: tuple[str, ...] | None, ask: Ask
) -> dict[str, Any]:
    """Return the summary of the splits and the classes if only the numbers of rows are known."""
    counts = holdout.counted(
        settings, rows["train"], rows.get("test"), own_test="test" in rows, val_rows=rows.get("val"),
        own_val="val" in rows,
    )  # fmt: skip
    parts = tuple(
        Part(name=name, place=_place(settings, layout, name, name if name in rows else "train"), rows=count,
             held_out=name not in rows)
        for name, count in zip(("train", "val", "test"), counts, strict=True)
    )  # fmt: skip
    known = None if names is None else tuple(name for name in names if name not in ask.unlabelled)
    if isinstance(ask.reading, FieldReading):
        known = None
    total = None if None in rows.values() else sum(count or 0 for count in rows.values())
    classes = None if known is None else len(known)
    return {"parts": parts, "classes": classes, "class_names": known, "target": None, "total": total}


def _place(settings: Data, layout: Layout, name: str, source: str) -> str:
    """Return a description of the place that a split's rows come from."""
    if name == "test" and settings.folds:
        return f"fold {settings.fold} of the {settings.folds} folds of train, repeat {settings.repeat}"
    if source == "train" and name != "train":
        share = settings.val_fraction if name == "val" else settings.test_fraction or holdout.UNKNOWN_TEST_FRACTION
        return f"held out from train ({100 * share:g} %)"
    place = layout.places.get(source)
    return f"split {source}" if place in (None, source) else f"{place}"
