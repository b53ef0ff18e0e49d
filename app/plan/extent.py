"""The facts about a run's data that are known before they are read: rows of the splits, bytes, classes, licence."""

from __future__ import annotations

from dataclasses import dataclass

from ..data import Ask, Understood


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Rows of the splits, None if only reading the data shows them.

    `total` is the number of rows that the cache will contain.
    """

    train: int | None
    val: int | None
    test: int | None
    total: int | None
    classes: int | None  # as the cache has them
    licence: str
    download_bytes: int | None  # still to download; None: unknown
    cached: bool
    carved_test: bool


def extent_of(found: Understood, ask: Ask) -> Extent:
    """Return the extent of a dataset that was resolved."""
    rows = found.rows
    download = ask.row.megabytes * 10**6 if ask.row and not ask.reading else 0 if ask.path else None
    return Extent(
        train=rows["train"], val=rows["val"], test=rows["test"], total=found.total,
        classes=found.class_count if found.cached else None, licence=found.licence,
        download_bytes=0 if found.cached else download, cached=found.cached, carved_test=found.carved_test,
    )  # fmt: skip
