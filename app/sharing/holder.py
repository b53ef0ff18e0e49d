"""Who this machine is in a lease: a name that a killed command finds again, and the machine's for a reader."""

from __future__ import annotations

import hashlib
import platform
import uuid
from contextlib import suppress
from pathlib import Path

from ..system import machine
from ..system.durable import text, write_text


def here() -> str:
    """Return this machine's name without its domain."""
    return platform.node().partition(".")[0][:64]


def read_holder(path: Path) -> str:
    """This folder's name in a lease, kept beside the run so that a killed command finds its own claim again.

    A copy of the folder, on this machine or another, has a name of its own.
    """
    here = _whereabouts(path.parent)
    with suppress(OSError, ValueError):
        if (kept := text(path).strip()).endswith(here):
            return kept
    write_text(path, f"{uuid.uuid4().hex}-{here}")
    return path.read_text(encoding="utf-8").strip()


def _whereabouts(folder: Path) -> str:
    """16 hex digits for this machine since it was started, and the folder."""
    started, place = machine.boot_id() or str(uuid.getnode()), folder.stat()
    return hashlib.sha256(f"{started} {place.st_dev} {place.st_ino}".encode()).hexdigest()[:16]
