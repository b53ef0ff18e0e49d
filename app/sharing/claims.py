"""The JSON files on the branch of an unfinished run: the lease (who trains the run, until when) and the manifest."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import msgspec

from ..artifacts.parts import Part
from ..errors import InputError
from ..system.durable import seal

FORMAT = 1
DAY = 86400.0  # seconds; no lease lasts longer after it was written, whatever its end
MOST_BYTES = 10**6  # of a lease or a manifest; ours have a few hundred

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]  # since 1970; the year 5138
Text = Annotated[str, msgspec.Meta(max_length=500)]


class Unreadable(ValueError):
    """A lease or a manifest is damaged or was written by another program. The message gives the reason."""


class Lease(Part, kw_only=True):
    """The lease of a run. An empty holder means that nobody has it."""

    holder: Text
    until: Seconds
    host: Text = ""  # the holder's machine, for a reader; leases of earlier versions lack it

    @property
    def machine(self) -> str:
        """The holder's machine, safe for a terminal; empty if the lease does not name it."""
        return re.sub(r"[^A-Za-z0-9._-]", "?", self.host)[:64]


NOBODY = Lease(holder="", until=0)


class File(Part, kw_only=True):
    """One file of a state."""

    size: Annotated[int, msgspec.Meta(ge=0)]  # bytes
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(Part, kw_only=True):
    """A state that is complete on the Hub: its commit contains all of its files."""

    format: int = FORMAT
    run_id: str
    step: Annotated[int, msgspec.Meta(ge=0)]
    files: dict[str, File]  # by name

    @property
    def bytes(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files.values())


def lease_of(text: str) -> Lease:
    """Return the lease in a file's text. Raise Unreadable for anything else."""
    try:
        return msgspec.json.decode(text, type=Lease)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise Unreadable(_reason(error)) from error


def manifest_of(text: str, *, run_id: str) -> Manifest:
    """Return the manifest of a run. Raise Unreadable for another run's, and for one that does not match its seal.

    Raises InputError for one of a later version, whose state must not be replaced by an earlier version's.
    """
    try:
        content: Any = json.loads(text)
        given = content.pop("seal")
        if given != seal(content):
            raise Unreadable("it does not match its checksum")
        if (written_as := content.get("format")) != FORMAT:
            raise InputError(
                f"the state of run {run_id} on the Hub has the format {written_as!r}, and this version reads "
                f"{FORMAT}. Update isoscale, or retrain with --fresh"
            )
        found = msgspec.convert(content, Manifest)
    except InputError:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise Unreadable(_reason(error)) from error
    if found.run_id != run_id:
        raise Unreadable(f"it belongs to run {found.run_id[:40]!r}")
    return found


def _reason(error: BaseException) -> str:
    """Return the reason why a file is unreadable, in one line and without quoting the file."""
    if isinstance(error, Unreadable | msgspec.ValidationError):
        return str(error)
    return "it is not the JSON that isoscale writes"


def written(part: Part, *, sealed: bool = False) -> str:
    """Return a lease or a manifest as the text of its file."""
    content = {name: msgspec.to_builtins(getattr(part, name)) for name in part.__struct_fields__}  # defaults too
    return json.dumps({**content, "seal": seal(content)}, indent=1) if sealed else json.dumps(content)
