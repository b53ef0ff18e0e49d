"""Datasets in the cache, which are either found there and verified, or read once from their source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .sources import opening
from .sources.source import Ask, Hidden, Source
from .store import cache, unreadable
from .store.cache import Cached
from .store.writer import Progress


def prepare(
    ask: Ask,
    say: Callable[[str], None],
    progress: Progress,
    *,
    version: str | None = None,
    digest: str | None = None,
    source: Source | None = None,
    verify: bool = False,
) -> Cached:
    """Return the dataset in the cache, verified. It is read from its source if it is not there.

    `version` and `digest` are those of a run that is resumed or evaluated. `verify` hashes files again. Raises Damaged
    for a damaged cache and for different arrays, DiskFull if the disk has no room for it, InputError for rows that
    cannot be used, and Unavailable if the Hub does not answer and nothing is cached.
    """
    version = version or (source.version if source else opening.newest(ask, say))
    if found := cache.find(ask, version):
        return _told(found.verified(again=verify).require_digest(digest), say)
    source = source or opening.first(ask, version)
    source = with_test(opening.at_version(ask, source, version))
    for note in source.notes:
        say(note)
    _report_streams(ask, say)
    return _told(_built(ask, source, say, progress).require_digest(digest), say)


def _report_streams(ask: Ask, say: Callable[[str], None]) -> None:
    """Report the folders that an earlier version left and that nothing reads."""
    for folder in cache.of_streams(ask):
        say(
            f"{folder} contains no training rows, because an earlier version streamed them. Free its space with `rm "
            f"-r '{folder}'`"
        )


def with_test(source: Source) -> Source:
    """Return the source, with another split as its test set if its test labels are missing and cheap to check."""
    if not (source.without_test and source.outline):
        return source
    try:
        for _ in source.outline("test"):
            pass
    except Hidden as hidden:
        return replace(source.without_test(hidden.rows), version=source.version)
    return source


def _built(ask: Ask, source: Source, say: Callable[[str], None], progress: Progress) -> Cached:
    """Return the cache of a source, with another split as its test set if its test split has no labels."""
    try:
        return cache.build(ask, source, progress, say)
    except Hidden as hidden:
        if hidden.split != "test" or not source.without_test:
            raise
        count = hidden.rows
    source = replace(source.without_test(count), version=source.version)
    for note in source.notes:
        say(note)
    return cache.build(ask, source, progress, say)


def _told(cached: Cached, say: Callable[[str], None]) -> Cached:
    """Return the cache after reporting skipped images or files, and converted transparent and 16-bit images."""
    manifest, dataset = cached.manifest, cached.ask.dataset
    if left_out := manifest.left_out:
        what = "images" if manifest.array is None else "files"
        say(f"{len(left_out):,} {what} of {dataset} cannot be read and are skipped: {unreadable.shown(left_out)}")
    for sentence in manifest.pixels.sentences(dataset) if manifest.pixels else ():
        say(sentence)
    return cached
