"""How a run is computed and kept, which is no part of its name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from ..computing.execution import Wishes
from .pushing import Push


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is computed and kept; nothing here is part of its name."""

    checkpoints: Path = Path("checkpoints")
    device: str = "auto"
    threads: int | None = None
    attention_path: str | None = None
    micro_batch_size: int | None = None
    compile: bool | None = None
    checkpointing: bool | None = None
    gradients: str | None = None
    state_every: float = 300.0  # seconds
    max_minutes: float | None = None
    push: Push | None = None
    fresh: bool = False
    data: str | None = None  # where a local dataset lies now, for an evaluation
    design: str | None = None  # the CSV of a local dataset's targets
    filelist: str | None = None  # the lists of its splits
    command: str = ""

    @property
    def wishes(self) -> Wishes:
        """What is asked for of how a run is computed."""
        return Wishes(**{field.name: getattr(self, field.name) for field in fields(Wishes)})
