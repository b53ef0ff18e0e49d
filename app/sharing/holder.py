"""This machine's name in a lease, which a killed command finds again, and the machine's name for a reader."""

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
    """Return this folder's name in a lease. It is stored next to the run, so that a killed command finds its claim.

    A copy of the folder, on this machine or another, has another name.
    """
    here = _whereabouts(path.parent)
    with suppress(OSError, ValueError):
        if (kept := text(path).strip()).endswith(here):
            return kept
    write_text(path, f"{uuid.uuid4().hex}-{here}")
    return path.read_text(encoding="utf-8").strip()


def _whereabouts(folder: Path) -> str:
    """Return 16 hex digits for this start of this machine, and the folder."""
    started, place = machine.boot_id() or str(uuid.getnode()), folder.stat()
    return hashlib.sha256(f"{started} {place.st_dev} {place.st_ino}".encode()).hexdigest()[:16]
