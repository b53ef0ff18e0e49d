"""The answer of `isoscale.compare`: a comparison, or a family of them, that prints as the command does."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from ..results.comparison import Comparison
from ..results.family import Family
from . import families


@dataclass(frozen=True)
class Answer:
    """Which architecture is better, by how much, and whether the difference is real."""

    found: Comparison | Family

    def to_json(self) -> dict[str, Any]:
        """Return the object that `compare --json` prints."""
        return self.found.to_json()

    def to_text(self, form: str = "text") -> str:
        """Return the text that `compare --format FORM` prints: text, md, latex or csv."""
        return families.shown(self.found, form)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return f"<pre>{html.escape(self.to_text())}</pre>"
