"""The choices of how a run is computed: those made, which the record keeps, and those that a command asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Execution:
    """The choices that are written into the record before step 0 and reused when the run resumes."""

    attention_path: str
    micro_batch_size: int
    threads: int
    compile: str = "off"
    checkpointing: bool = False
    gradients: str = "fp32"  # as they travel between ranks
    deterministic: bool = False  # whether a CUDA device repeats every bit
    paths_skipped: Mapping[str, str] = field(default_factory=dict)  # attention path -> why it fails on the device

    def __str__(self) -> str:
        more = ", compiled" if self.compile == "blocks" else ", CUDA graphs" if self.compile == "graphs" else ""
        more += ", activation checkpointing" if self.checkpointing else ""
        more += ", deterministic" if self.deterministic else ""
        return f"attention path {self.attention_path}, micro-batch {self.micro_batch_size}{more}"

    @property
    def of_the_model(self) -> dict[str, Any]:
        """The arguments with which the model is built."""
        return {"attention_path": self.attention_path, "checkpointing": self.checkpointing}

    def halved(self) -> Execution:
        """Return the same execution with half the micro-batch.

        CUDA graphs, which compute full batches, become blocks.
        """
        compile_ = "blocks" if self.compile == "graphs" else self.compile
        return replace(self, micro_batch_size=-(-self.micro_batch_size // 2), compile=compile_)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, without `deterministic` if it is off and `paths_skipped` if none failed."""
        rare = ("deterministic", "paths_skipped")
        return {name: value for name, value in asdict(self).items() if value or name not in rare}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The choices in a command. None leaves a choice to measurement."""

    attention_path: str | None = None
    micro_batch_size: int | None = None
    compile: bool | None = None
    checkpointing: bool | None = None
    gradients: str | None = None
    deterministic: bool | None = None
    threads: int | None = None
