"""Text for LaTeX, whose special characters are shown and never obeyed."""

from __future__ import annotations

import re

from ...system.printable import printable

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def escaped(text: object) -> str:
    """Return a text as LaTeX shows it, in one line."""
    return _PATTERN.sub(lambda found: _SPECIAL[found[0]], printable(text))


def number(text: str) -> str:
    """Return a shown number for a table's cell, with a minus sign in place of a hyphen."""
    return _MINUS.sub("$-$", escaped(text))


def bold(text: str) -> str:
    """Return LaTeX in bold."""
    return rf"\textbf{{{text}}}"
