"""The revisions of the rules that decide which rows a run has and what they contain. A change of meaning raises one."""

from __future__ import annotations

from ..errors import UnknownRevision
from .datasets import DATASETS

# How files become stored arrays: colour, transparency, resizing, value range. Revision 2 changed nothing that occurs in
# the datasets with a row, so that their caches and run IDs stay.
DECODING = 1  # of a dataset with a row
DECODING_OF_OTHERS = 2  # transparent pixels are composed onto white, 16-bit images keep the range that they use
LAYOUT = 1  # how folders, files and columns become splits, classes and rows
REVISED_LAYOUT = 2  # of a dataset that revision 1 of the layout read otherwise, or would have; all others keep 1
KNOWN = {"decoding_revision": (1, 2), "layout_revision": (LAYOUT, REVISED_LAYOUT)}


def present(dataset: str) -> dict[str, int]:
    """Return the revision of each rule for a new run on a dataset, if nothing else is known of the dataset."""
    return {
        "decoding_revision": DECODING if dataset in DATASETS else DECODING_OF_OTHERS,
        "layout_revision": LAYOUT,
    }


def require_known(name: str, revision: int) -> None:
    """Raise UnknownRevision for a revision of a rule that this version does not know."""
    if revision not in KNOWN[name]:
        known = ", ".join(map(str, KNOWN[name]))
        raise UnknownRevision(f"{name}={revision} is unknown. This version knows {known}. Update isoscale")
