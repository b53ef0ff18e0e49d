"""The revisions of the rules that decide which rows a run has and what they contain; a change of meaning raises one."""

from __future__ import annotations

from ..errors import UnknownRevision

DECODING = 1  # how files become stored arrays: colour, transparency, resizing, value range
LAYOUT = 2  # how folders, files and columns become splits, classes and rows; 1 where both read a dataset alike
KNOWN = {"decoding_revision": (DECODING,), "layout_revision": (1, LAYOUT)}


def require_known(name: str, revision: int) -> None:
    """Raise UnknownRevision for a revision of a rule that this version does not know."""
    if revision not in KNOWN[name]:
        known = ", ".join(map(str, KNOWN[name]))
        raise UnknownRevision(f"{name}={revision} is unknown; known: {known}. Update isoscale")
