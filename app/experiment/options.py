"""The options of how a run is computed and stored, which do not belong to its ID."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..computing.execution import Wishes
from ..config.command import Command
from ..config.settings import Computing, Files, Keeping
from .pushing import Push

Judge = Callable[[Sequence[Mapping[str, Any]]], str | None]  # rows of full validation passes -> why the run is to stop


@dataclass(frozen=True, kw_only=True)
class Options(Keeping, Computing, Files):
    """How a run is computed and stored, and where its files are. None of these belongs to its ID."""

    command: str = ""  # as it was typed
    judge: Judge | None = None  # asked at each epoch's end but the last

    @classmethod
    def of(cls, command: Command, *, text: str = "", judge: Judge | None = None) -> Options:
        """Return the options of a `train` command."""
        given: dict[str, Any] = {}
        for group in (command.keeping, command.computing, command.files):
            given |= {field.name: getattr(group, field.name) for field in fields(group)}
        return cls(**given, command=text, judge=judge)

    @property
    def push(self) -> Push | None:
        """How the run is kept on the Hub, or None if it is not."""
        return Push(every=self.push_every, wait=self.if_held == "wait", lease=self.lease) if self.upload else None

    @property
    def wishes(self) -> Wishes:
        """The requested choices of how a run is computed."""
        return Wishes(**{field.name: getattr(self, field.name) for field in fields(Wishes)})
