"""What is known of a run's data before they are read: the rows of its splits, bytes, classes, licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..config.run import RunConfig
from ..data.sources import opening
from ..data.sources.source import Ask
from ..data.splits import holdout
from ..data.store.cache import Cached, find


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
    train, val, test = holdout.counted(
        config, rows["train"], rows.get("test"), own_test="test" in rows, val_rows=rows.get("val"),
        own_val="val" in rows,
    )  # fmt: skip
    total = None if None in rows.values() else sum(count or 0 for count in rows.values())
    return Extent(
        train=train, val=val, test=test, total=total, classes=None, licence=licence, download_bytes=download,
        cached=False, carved_test="test" not in rows,
    )  # fmt: skip


def _of_cache(config: RunConfig, ask: Ask, cached: Cached) -> Extent:
    """The very rows of the run."""
    manifest, counts = cached.manifest, [len(part) for part in holdout.members_of(config, cached)[:3]]
    rows = manifest["rows"]
    return Extent(
        train=counts[0], val=counts[1], test=counts[2], total=sum(rows.values()),
        classes=len(manifest["class_names"]), licence=ask.row.licence if ask.row else manifest["licence"],
        download_bytes=0, cached=True, carved_test="test" not in rows,
    )  # fmt: skip
