"""Our contenders of a comparison: configs of equal shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..computing import execution
from ..config.run import RunConfig
from ..models import require
from ..place import Place
from . import meter
from .request import requests, resolved

_SMALL = 4  # images of a step on a CPU, where no --batch-size is given


def config_at(request: Mapping[str, Any], here: Place) -> RunConfig:
    """Return the config of a request without dropout.

    On a CPU its batch is small, unless the request states the size.
    """
    small = {"batch_size": _SMALL} if here.device.type == "cpu" else {}
    return resolved({**small, **request})


def configs(request: Mapping[str, Any], here: Place) -> list[RunConfig]:
    """Return the configs of ours at the request's shape, and then that of its model. Raises InputError."""
    found = [config_at(each, here) for each in requests(request)]
    for config in found:
        require(config)
    return found


def choose(config: RunConfig, here: Place, wishes: execution.Wishes, say: Callable[[str], None]) -> execution.Execution:
    """Return how a run of that config would be computed, threads included.

    This process's number of threads is unchanged.
    """
    with meter.threads(None):
        return execution.choose(config, here, wishes, steps=1, say=say)
