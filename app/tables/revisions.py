"""The revisions of the rules that decide which rows a run has and what they contain; a change of meaning raises one."""

from __future__ import annotations

from ..errors import UnknownRevision

DECODING = 1  # how files become stored arrays: colour, transparency, resizing, value range
LAYOUT = 1  # how folders, files and columns become splits, classes and rows
REVISED_LAYOUT = 2  # of a dataset that revision 1 of the layout read otherwise, or would have; all others keep 1
KNOWN = {"decoding_revision": (DECODING,), "layout_revision": (LAYOUT, REVISED_LAYOUT)}


def require_known(name: str, revision: int) -> None:
    """Raise UnknownRevision for a revision of a rule that this version does not know."""
    if revision not in KNOWN[name]:
        known = ", ".join(map(str, KNOWN[name]))
        raise UnknownRevision(f"{name}={revision} is unknown; known: {known}. Update isoscale")
