"""The address of the project, as the installed package states it."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import metadata as packaged

_PACKAGE = "isoscale"
_LABELS = ("repository", "source", "homepage")  # of an address that the package states


def address() -> str:
    """Return the address of the project, or an empty text if the package is not installed or states none."""
    with suppress(PackageNotFoundError):
        for line in packaged(_PACKAGE).get_all("Project-URL") or ():
            label, _, url = line.partition(", ")
            if label.lower() in _LABELS and url.startswith("https://"):
                return url
    return ""


def tracker() -> str:
    """Return where to report a bug, as the end of a sentence."""
    return f"the issue tracker of the project: {address() or 'the repository that isoscale was installed from'}"
