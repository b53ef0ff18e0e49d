"""The versions that a study is computed with: those of its first run, or its results would not be like for like."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from .. import __version__
from ..errors import InputError
from .progress import Progress


def require_same(found: Iterable[Progress], *, mixed: bool) -> None:
    """Raise InputError if the study's first run was begun with another version of the program, or minor one of torch.

    The runs of the study say which version that is. With `mixed` any version is allowed.
    """
    begun = [each.run.entry for each in found if each.run]
    if mixed or not begun:
        return
    first = min(begun, key=lambda entry: (entry.started, entry.run_id))
    here = {"isoscale": __version__, "torch": version("torch")}
    for name, own in here.items():
        there = first.versions.get(name, "")
        if there and _compared(name, there) != _compared(name, own):
            raise InputError(
                f"the study was begun with {name} {there} (run {first.run_id}), and this is {name} {own}. "
                f"Its runs are compared, so all need the same version. Install {there}, or add --mixed-versions"
            )


def _compared(name: str, full: str) -> str:
    """Return the part of a version that must be equal: of torch the first two numbers."""
    return ".".join(full.partition("+")[0].split(".")[:2]) if name == "torch" else full
