"""Trackers: the clients that show a run's curves elsewhere. None of their packages is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import tensorboard, trackio, wandb
from .client import About, Client


class _Kind(NamedTuple):
    destination: Callable[[About], str]
    connect: Callable[[About, int], Client]
    is_gone: Callable[[About], bool]


_KINDS = {
    "trackio": _Kind(trackio.destination, trackio.Trackio, lambda _: False),
    "wandb": _Kind(wandb.destination, wandb.Wandb, lambda _: False),
    "tensorboard": _Kind(tensorboard.destination, tensorboard.TensorBoard, tensorboard.is_gone),
}


def destination(name: str, about: About) -> str:
    """Return where a tracker sends the curves by its own variables, without secrets."""
    return _KINDS[name].destination(about)


def is_gone(name: str, about: About) -> bool:
    """Return whether what was written for a tracker on this machine was deleted."""
    return _KINDS[name].is_gone(about)


def connect(name: str, about: About, mark: int) -> Client:
    """Return a client of a tracker that has the run's steps up to `mark`, as far as this machine knows.

    Raises whatever the tracker's package raises.
    """
    return _KINDS[name].connect(about, mark)


__all__ = ["About", "Client", "connect", "destination", "is_gone"]
