"""Repositories of the Hub that `datasets` would read wrongly.

It knows fewer words for splits, and uses the last folder as the class.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ...errors import InputError
from ...system.printable import printable
from . import words
from .walk import ENDINGS

_INSTEAD = "Download it with `hf download {} --repo-type dataset --local-dir FOLDER` and give ./FOLDER"


def require_clear(files: Mapping[str, Sequence[str]], where: str, *, images: bool) -> None:
    """Raise InputError if files of another split would be trained on, or if class folders have subfolders.

    `files` are the paths or addresses of each split's files. `images` is true if classes are derived from folders.
    """
    every = [path for paths in files.values() for path in paths]
    if not every:
        return
    shared = os.path.commonpath(every) if len(every) > 1 else os.path.dirname(every[0])  # noqa: PTH120
    parts = {path: os.path.relpath(path, shared).split("/") for path in every}
    instead = _INSTEAD.format(where.removeprefix("the Hub's "))
    by_words = words.of_files(parts.values())
    other = {every[at]: split for split in ("val", "test") for at in by_words.get(split, ())}
    if "train" in by_words and (found := [path for path in files.get("train", ()) if path in other]):
        raise InputError(
            f"{where} has {len(found):,} files of another split that would be read as train, such as "
            f"{printable('/'.join(parts[found[0]]))}. {instead}"
        )
    pictures = [path for path in every if os.path.splitext(path)[1].lower() in ENDINGS]  # noqa: PTH122
    deep = [path for path in pictures if _folders(parts[path]) > 1]
    if images and deep:
        raise InputError(
            f"{where} has folders below its class folders, such as {printable('/'.join(parts[deep[0]]))}: the class "
            f"may be the first or the last. {instead}, with --class-level 1 or last"
        )


def _folders(parts: Sequence[str]) -> int:
    """Return the number of folders between a split and a file."""
    split = next((at for at, name in enumerate(parts[:-1]) if words.split_of(name)), -1)
    return len(parts) - 1 - (split + 1)
