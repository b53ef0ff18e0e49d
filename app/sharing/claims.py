"""What the branch of an unfinished run says in JSON: the lease (who trains the run, until when) and the manifest."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..artifacts.parts import Number, Part
from ..system.durable import seal

FORMAT = 1


class Lease(Part, kw_only=True):
    """Who holds a run. Without a holder, nobody does."""

    holder: str = ""
    until: Number = 0  # seconds since 1970


class File(Part, kw_only=True):
    """One file of a state."""

    size: int  # bytes
    sha256: str


class Manifest(Part, kw_only=True):
    """A state that is complete on the Hub: its commit contains all of its files."""

    format: int = FORMAT
    run_id: str
    step: int
    files: dict[str, File]  # by name

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())


def lease_of(text: str) -> Lease:
    """Return the lease; of anything else, one that nobody holds."""
    try:
        return msgspec.json.decode(text, type=Lease)
    except ValueError:  # msgspec's errors are ValueErrors
        return Lease()


def manifest_of(text: str, *, run_id: str) -> Manifest | None:
    """Return the manifest of a run; None where it is another's, of another format, or not as it was written."""
    try:
        content: Any = json.loads(text)
        given = content.pop("seal")
        found = msgspec.convert(content, Manifest)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return found if (given, found.run_id, found.format) == (seal(content), run_id, FORMAT) else None


def written(part: Part, *, sealed: bool = False) -> str:
    """Return a lease or a manifest as its file has it."""
    content = {name: msgspec.to_builtins(getattr(part, name)) for name in part.__struct_fields__}  # defaults too
    return json.dumps({**content, "seal": seal(content)}, indent=1) if sealed else json.dumps(content)
