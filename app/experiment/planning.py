"""The config of a `train` command before it begins, and runs that are nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import data, models
from ..artifacts.runs import kin_of
from ..config import effects
from ..config.run import RunConfig, resolve
from ..data.labels import filed
from ..tables.models import DEFAULT_MODEL, model_row
from . import initial
from .observers import Screen

_SHOWN = 3  # runs that a note names


def plan(
    request: Mapping[str, Any], screen: Screen, config: RunConfig | None = None, *,
    checkpoints: Path = Path("checkpoints"),
) -> RunConfig:  # fmt: skip
    """Return the config of a request. Only a dataset's cache and published weights are written.

    `config` is the request's, if it was resolved before. `checkpoints` contains the runs whose weights `init` may name.
    Raises InputError.
    """
    weights = None
    if config is None:
        row = model_row(request.get("model", DEFAULT_MODEL))
        models.require_known(row)
        effects.require(request)
        request, weights = initial.asked(filed.asked(request), checkpoints, screen.say)
        config = resolve(request, data.facts(request, screen.say, screen.reading), row)
    else:
        models.require_known(config.row)
    models.require(config)
    if weights:
        initial.require_fit(weights, config)
    return config


def tell_kin(config: RunConfig, checkpoints: Path, say: Callable[[str], None]) -> None:
    """Report finished runs that differ from a new run only in their epochs, since they may be what the user wants."""
    if kin := kin_of(config, checkpoints):
        named = ", ".join(f"run {entry.run_id} ({_epochs(entry.epochs)})" for entry in kin[:_SHOWN])
        same = "is finished and differs" if len(kin) == 1 else "are finished and differ"
        say(
            f"note: {named} {same} only in --epochs. This run trains its {_epochs(config.epochs)} from the start. "
            f"With --init {kin[-1].run_id} it starts from the weights of that run"
        )


def _epochs(count: int) -> str:
    return f"{count:,} epoch{'' if count == 1 else 's'}"
