"""Every setting of a run, declared once: options, checks, run IDs, JSON and docs/options.md are derived from it."""

from __future__ import annotations

from . import computing, data, keeping, model, noise, recipe
from .computing import Computing
from .data import Data, Files
from .declaring import Setting, checked, declared, flag, options_of, parsed
from .keeping import Keeping
from .model import Matching, Model, Revisions
from .noise import Noise
from .recipe import Recipe

REQUESTED = (Model, Matching, Files, Data, Noise, Recipe)  # what decides the result, and where it is read
GROUPS = (*REQUESTED, Computing, Keeping)
PANELS = (  # of --help, in their order
    *model.PANELS, *data.PANELS, noise.PANEL, recipe.PANEL, computing.PANEL, keeping.PANEL, keeping.HUB,
)  # fmt: skip

__all__ = [
    "GROUPS", "PANELS", "REQUESTED", "Computing", "Data", "Files", "Keeping", "Matching", "Model", "Noise",
    "Recipe", "Revisions", "Setting", "checked", "declared", "flag", "options_of", "parsed",
]  # fmt: skip
