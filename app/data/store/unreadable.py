"""Images that cannot be read. They are found in one pass over all rows, then refused together or skipped by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable
from ..sources.source import Ask, Example, Source
from .kept import Kept

_SHOWN = 10


def named(ask: Ask, split: str, number: int, example: Example, error: InputError) -> str:
    """Return the text for an unreadable image in messages and manifests: its file or row, and the reason."""
    row = f"row {number} of {split}"
    file = example.file
    if ask.path:
        file = file.replace(f"{Path(ask.path).expanduser().resolve()}/", "")
    return f"{f'{printable(file)} ({row})' if file else row}: {error}"


def shown(names: Sequence[str]) -> str:
    """Return the first ten names, and the number of the others."""
    more = f"; and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return "; ".join(map(printable, names[:_SHOWN])) + more


def settle(ask: Ask, source: Source, kept: Sequence[Kept]) -> list[str]:
    """Return the names of the images that are skipped.

    Raises InputError for unreadable images that the command does not allow to skip, and if a split, or a class of one,
    would be empty.
    """
    names = [name for part in kept for name in part.unreadable]
    if not names:
        return []
    total = sum(len(part.labels) for part in kept) + len(names)
    what = f"{len(names):,} of {total:,} images of {ask.dataset} cannot be read"
    vanished = next((gone for part in kept if (gone := _vanished(source, part))), None)
    if vanished:
        raise InputError(f"{what}, and {vanished} would be empty without them: {shown(names)}. Fix these images")
    if not ask.decoding.skip_unreadable:
        raise InputError(f"{what}: {shown(names)}. Fix them, or train without them with --skip-unreadable")
    return names


def _vanished(source: Source, part: Kept) -> str | None:
    """Return the name of the split, or of the class in it, that has no readable image."""
    if part.unreadable and not part.labels:
        return f"the {part.split} split"
    there = set(part.labels)
    gone = [label for label in part.lost if label not in there]
    if not gone:
        return None
    name = source.class_names[gone[0]] if source.class_names else str(gone[0])
    return f"the class {printable(name)} of the {part.split} split"
