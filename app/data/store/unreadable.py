"""Images that cannot be read: found in one pass over all rows, then refused together, or skipped by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable
from ..sources.source import Ask, Example, Source
from .kept import Kept

_SHOWN = 10


def named(ask: Ask, split: str, number: int, example: Example, error: InputError) -> str:
    """Return how a message and a manifest name an unreadable image: its file or row, and the reason."""
    row = f"row {number} of {split}"
    file = example.file
    if ask.path:
        file = file.replace(f"{Path(ask.path).expanduser().resolve()}/", "")
    return f"{f'{printable(file)} ({row})' if file else row}: {error}"


def shown(names: Sequence[str]) -> str:
    """Return the first ten, and how many more there are."""
    more = f"; and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return "; ".join(map(printable, names[:_SHOWN])) + more


def settle(ask: Ask, source: Source, kept: Sequence[Kept]) -> list[str]:
    """Return the names of the images that are skipped.

    Raises InputError for unreadable images that a command did not ask to skip, and where a split or a class of one
    would vanish.
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
    """The split, or the class in it, of which no image can be read."""
    if part.unreadable and not part.labels:
        return f"the {part.split} split"
    there = set(part.labels)
    gone = [label for label in part.lost if label not in there]
    if not gone:
        return None
    name = source.class_names[gone[0]] if source.class_names else str(gone[0])
    return f"the class {printable(name)} of the {part.split} split"
