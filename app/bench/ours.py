"""Our side of a comparison: configs of equal shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..computing import execution
from ..config.run import RunConfig
from ..place import Place
from . import meter
from .request import resolved

_SMALL = 4  # images of a step on a CPU, where no --batch-size is given


def config_at(request: Mapping[str, Any], here: Place) -> RunConfig:
    """The config of a request without dropout; on a CPU of a small batch, unless the request says its size."""
    small = {"batch_size": _SMALL} if here.device.type == "cpu" else {}
    return resolved({**small, **request})


def choose(config: RunConfig, here: Place, wishes: execution.Wishes, say: Callable[[str], None]) -> execution.Execution:
    """How a run of that config would be computed, its threads included; those of this process stay as they are."""
    with meter.threads(None):
        return execution.choose(config, here, wishes, steps=1, say=say)
