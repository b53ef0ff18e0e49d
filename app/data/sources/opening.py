"""The version of a dataset that is used, and opening that version."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from ...errors import HubUnavailable, InputError, Unavailable
from ...system import hub
from ...tables.datasets import folder_hint
from ...tables.reading import FieldReading
from ..store import cache
from . import bundled, fields, files, folders, labels, library, signals
from .source import Ask, Source


def newest(ask: Ask, say: Callable[[str], None]) -> str:
    """Return the version to use: a folder's fingerprint, or the Hub's current commit.

    If the Hub does not answer, it is the newest version in the cache.
    """
    if ask.path:
        return ask.fingerprint or fingerprint(ask)
    if ask.reading:
        return _required(ask.fingerprint, ask)
    if not ask.hub:
        return bundled.VERSION
    try:
        return hub.dataset_sha(ask.hub, ask.revision)
    except HubUnavailable as error:
        cached = cache.find(ask, None)
        if cached is None:
            raise _not_cached(ask, error) from error
        say(f"{error}. The cached {ask.dataset} is used")
        return cached.manifest.version
    except InputError as error:
        raise InputError(f"{error}{folder_hint(ask.dataset)}") from error


def first(ask: Ask, version: str) -> Source:
    """Return the source of a dataset that is not in the cache.

    Raises InputError, and Unavailable if the Hub does not answer.
    """
    try:
        source = _opened(ask, version)
    except HubUnavailable as error:
        raise _not_cached(ask, error) from error
    if source.array:
        return source
    if ask.tested:
        source = _all_tested(source)
    return labels.audited(ask, source, f"{source.column} of {ask.path or ask.dataset}")


def _all_tested(source: Source) -> Source:
    """Return the source with only its test split, or with all its rows as test if it has no such split."""
    split, outline = "test" if "test" in source.rows else "train", source.outline
    return dataclasses.replace(
        source, rows={"test": source.rows[split]}, examples=lambda _: source.examples(split), without_test=None,
        outline=(lambda _: outline(split)) if outline else None,
    )  # fmt: skip


def at_version(ask: Ask, source: Source, version: str) -> Source:
    """Return the source under the name that a run with this version gave it.

    A run of layout revision 1 named a folder by all its files, read or not. Raises InputError unless the source is the
    one of that run.
    """
    if version == source.version:
        return source
    if _named_by_all(ask, version):
        return dataclasses.replace(source, version=version)
    raise InputError(
        f"{ask.path or ask.dataset} differs from the data that the run was made with. Restore the data, or train "
        "with --fresh"
    )


def _named_by_all(ask: Ask, version: str | None) -> bool:
    """Return whether a version is the hash over all files of a folder of images, as in layout revision 1."""
    return bool(ask.path and not ask.reading and ask.layout == 1 and files.of_all(ask.path) == version)


def fingerprint(ask: Ask) -> str:
    """Return 16 hex digits over the contents that are read of a local dataset."""
    assert ask.path
    if not ask.reading:
        return folders.fingerprint(ask)
    return (fields if isinstance(ask.reading, FieldReading) else signals).fingerprint(ask)


def at(ask: Ask, path: str, *, design: str | None = None, filelist: str | None = None) -> Ask:
    """Return the ask for the same local dataset in another folder. Raise InputError if its content differs."""
    if not ask.path:
        raise InputError(f"{ask.dataset} is not read from a folder. Omit --data {path}")
    there = dataclasses.replace(ask, path=path, design=design or ask.design, filelist=filelist or ask.filelist)
    if (found := fingerprint(there)) != ask.fingerprint and not _named_by_all(there, ask.fingerprint):
        raise InputError(
            f"{path} is not the data that the run was made with: its fingerprint is {found}, and the run's is "
            f"{ask.fingerprint}. Give the folder that {ask.dataset} was made from"
        )
    return there


def _required(version: str | None, ask: Ask) -> str:
    if version is None:
        raise InputError(f"{ask.dataset} is read from your own files, and no path is given. Give it with --data")
    return version


def _opened(ask: Ask, version: str) -> Source:
    if ask.reading and not ask.path:
        raise InputError(f"{ask.dataset} is not in the cache, and no path is given. Give its files with --data")
    if ask.reading:
        return fields.open_fields(ask) if isinstance(ask.reading, FieldReading) else signals.open_signals(ask)
    if ask.path:
        if not Path(ask.path).expanduser().is_dir():
            raise InputError(
                f"the folder {ask.path} of {ask.dataset} does not exist in {Path.cwd()}, and the data are not in the "
                "cache. Start the command in the directory that the run was started in, or use evaluate --data "
                "FOLDER"
            )
        return folders.open_folder(ask)
    if not ask.hub:
        return bundled.open_digits()
    return library.open_hub(ask, version)


def _not_cached(ask: Ask, error: HubUnavailable) -> Unavailable:
    return Unavailable(
        f"{error}, and {ask.dataset} is not in the cache at {ask.side} px. Connect once, or train on --dataset "
        f"digits or --dataset ./folder, which need no network{folder_hint(ask.dataset)}"
    )
