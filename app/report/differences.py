"""The settings in which runs of one figure differ, for the choice of runs and for the labels of their curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run
from ..config.facts import DatasetFacts
from ..config.run import RunConfig, resolve
from ..counts.vit import head_width
from ..errors import InputError
from ..sharing.card import cells_of
from ..tables.protocols import PROTOCOLS, UNKNOWN
from ..tables.shape import CELLS
from .overview import cell

# may differ within a set: the shape, if it follows from size and model, what the dataset decides, and the seed
_FREE = {"model", "model_sha256", "size", "seed", *CELLS, "classes", "channels", "native"}
_SHAPE = tuple(name for name in CELLS if name not in ("patch", "attention"))
_LONGEST = 24  # letters of a value in a label; a digest is cut
_WORDS = {"split_fingerprint": "split", "version": "data version"}


def settings_of(run: Run) -> dict[str, Any]:
    """Return the settings that must be equal among runs that are drawn together by default."""
    config = run.config
    held = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}
    held |= {"stored_side": config.stored_side, "shape": _shape(config), "patch": _patch(config)}
    data = {"split_fingerprint": run.record.data.split_fingerprint, "version": run.record.data.version}
    precisions = sorted({place.precision for place in run.record.places})
    return held | data | {"precision": config.precision, "computed_in": ", ".join(precisions)}


def distinctions(runs: Iterable[Run], *, free: Collection[str] = ()) -> dict[RunFiles, str]:
    """Return what a label states of each run besides model, size and seed: the settings in which the runs differ.

    It is empty if all runs agree. Settings in `free` are ignored. A revision counts only among runs of one model.
    """
    settings = {run.files: settings_of(run) for run in runs}
    if not settings:
        return {}
    first = next(iter(settings.values()))
    names = [name for name in first if name not in (*free, "model_revision")]
    differing = [name for name in names if any(held[name] != first[name] for held in settings.values())]
    revisions: dict[str, set[int]] = {}
    for run in runs:
        revisions.setdefault(run.config.model, set()).add(run.config.model_revision)
    if any(len(found) > 1 for found in revisions.values()):
        differing.append("model_revision")
    return {
        files: ", ".join(f"{in_words(name)} {shown(held[name])}" for name in differing)
        for files, held in settings.items()
    }


def in_words(name: str) -> str:
    """Return a setting's name as labels and messages show it."""
    return _WORDS.get(name, name.replace("_", " "))


def shown(value: Any) -> str:
    """Return a setting's value as labels and messages show it. A long one is cut."""
    text = cell(value)
    return text if len(text) <= _LONGEST or " " in text else f"{text[:8]}..."


def _patch(config: RunConfig) -> int:
    """Return the patch, or the protocol's patch if none was chosen, so that such models can be compared.

    That applies to a model without patches, and to one without attention whose patch is that of its row, where the
    patch is part of the model.
    """
    own = config.attention is None and config.patch == config.row.cells.get("patch")
    return PROTOCOLS.get(config.dataset, UNKNOWN).patch if own else config.patch


def _shape(config: RunConfig) -> str:
    """Return `of the size table` if model, size and attention decide the shape, else the settings chosen besides them.

    A depth that is the nearest to the budget follows from it, whatever the width.
    """
    cells = {name: getattr(config, name) for name in _SHAPE}
    if _resolved_shape(config, ()) == cells:
        return "of the size table"
    if not config.row.sized:
        return cells_of(cells, config.family)
    depth = "" if _resolved_shape(config, ("d_model", "heads", "mlp_ratio")) == cells else f" depth {config.depth}"
    width = head_width(config.shape)
    return f"d_model {config.d_model} head width {width} mlp_ratio {config.mlp_ratio:g}{depth}"


def _resolved_shape(config: RunConfig, kept: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the shape that a command would get with only the `kept` cells given, or None if it would be refused."""
    names = ("model", "size", "attention", "image", "patch", *kept)
    asked = {name: value for name in names if (value := getattr(config, name)) is not None}
    if config.sized.whole:
        del asked["size"]
    facts = {name: getattr(config, name) for name in ("classes", "channels", "native")}
    try:
        found = resolve(asked, DatasetFacts(name=config.dataset, **facts))
    except InputError:
        return None
    return {name: getattr(found, name) for name in _SHAPE}
