"""What is known of a run's data before they are read: the rows of its splits, bytes, classes, licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..config.run import RunConfig
from ..data.sources import opening
from ..data.sources.source import Ask
from ..data.splits import holdout as carve
from ..data.store.cache import Cached, find
from ..tables.datasets import UNKNOWN_TEST_FRACTION


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Rows of the splits, None where only reading tells; `total` is the rows that the cache has to hold."""

    train: int | None
    val: int | None
    test: int | None
    total: int | None
    classes: int | None  # as the cache has them
    licence: str
    download_bytes: int | None  # still to come; None: unknown
    cached: bool
    carved_test: bool


def extent_of(config: RunConfig, ask: Ask, say: Callable[[str], None]) -> Extent:
    """From the cache, else the dataset's row, else from the source's metadata; raises InputError as `train` does."""
    if cached := find(ask, None):
        return _of_cache(config, ask, cached)
    rows: Mapping[str, int | None]
    if ask.row and not ask.reading:
        rows = {"train": ask.row.train_rows}
        if ask.row.test_rows and not config.test_fraction:
            rows = {"train": ask.row.train_rows, "test": ask.row.test_rows}
        licence = ask.row.licence
        download: int | None = ask.row.megabytes * 10**6
    else:
        source = opening.first(ask, opening.newest(ask, say))
        rows, licence = source.rows, source.licence
        download = 0 if ask.path else None
    train, val, test = divided(config, rows["train"], rows.get("test"), own_test="test" in rows)
    if "val" in rows:  # files for each split: nothing is carved for validation
        train = None if train is None or val is None else _limited(train + val, config.limit_train)
        val = _limited(rows["val"], config.limit_val)
    total = None if None in rows.values() else sum(count or 0 for count in rows.values())
    return Extent(
        train=train, val=val, test=test, total=total, classes=None, licence=licence, download_bytes=download,
        cached=False, carved_test="test" not in rows,
    )  # fmt: skip


def _of_cache(config: RunConfig, ask: Ask, cached: Cached) -> Extent:
    """The very rows of the run."""
    manifest = cached.manifest
    rows = manifest["rows"]
    groups = cached.array("train", "groups") if ask.grouped else None
    labels = cached.array("train", "labels")
    own = {"test_rows": rows.get("test"), "val_rows": rows.get("val")}
    counts = [len(part) for part in carve.members(config, labels=labels, groups=groups, **own)]
    return Extent(
        train=counts[0], val=counts[1], test=counts[2], total=sum(rows.values()),
        classes=len(manifest["class_names"]), licence=ask.row.licence if ask.row else manifest["licence"],
        download_bytes=0, cached=True, carved_test="test" not in rows,
    )  # fmt: skip


def divided(
    config: RunConfig, rows: int | None, test_rows: int | None, *, own_test: bool
) -> tuple[int | None, int | None, int | None]:
    """Train, validation and test of a source's rows, as they are carved by class; groups may move them by a few."""
    if rows is None:
        return None, None, _limited(test_rows, config.limit_test)
    test = test_rows if own_test else round(rows * (config.test_fraction or UNKNOWN_TEST_FRACTION))
    left = rows if own_test else rows - (test or 0)
    val = round(left * config.val_fraction)
    limits = (config.limit_train, config.limit_val, config.limit_test)
    parts = [_limited(count, limit) for count, limit in zip((left - val, val, test), limits, strict=True)]
    return parts[0], parts[1], parts[2]


def _limited(rows: int | None, limit: int | None) -> int | None:
    return rows if limit is None or rows is None else min(rows, limit)
