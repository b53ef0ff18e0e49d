"""The training steps that the sheet measures: model, shape, attention path, and way to compute, a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CLASSIC, DIFFERENTIAL = "vit_classic", "vit_differential"
TINY: dict[str, Any] = {"size": "1M", "dataset": "digits", "batch_size": 2}
# d_model 256 and 785 tokens at batch 512; d_model 384 and 1,025 tokens at batch 64
SHAPES: dict[str, dict[str, Any]] = {"d256": {"size": "10M"}, "d384": {"size": "10M", "dataset": "bach"}}
_FEW = 64  # images at a time where N x N maps are kept: a batch of 512 would keep 30 GB of them per copy


_EAGER, _LOADED, _COMPILED = 5.0, 8.0, 20.0  # seconds of a case: eager, with programs in the cache, and without


@dataclass(frozen=True, kw_only=True)
class Case:
    """One step: `how` is off (eager), blocks or graphs. `micro` limits the images that are computed at a time."""

    label: str  # of its shape
    model: str
    path: str
    how: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    micro: int | None = None
    checkpointing: bool = False
    profiled: bool = False
    bf16_residual: bool = False
    validates: bool = False  # its first validation batch is timed too, for the programs that it compiles
    in_cache: bool = False  # an earlier part has left its programs

    @property
    def name(self) -> str:
        way = {"off": "eager", "blocks": "compiled", "graphs": "CUDA graphs"}[self.how]
        more = (", checkpointing" if self.checkpointing else "") + (", bf16 residual" if self.bf16_residual else "")
        return f"{self.label} {self.model.removeprefix('vit_')} {self.path} {way}{more}"

    @property
    def least(self) -> float:
        """The seconds that it needs, as planned: with them left, it begins. The first case of a part always does."""
        maps = 2 * _EAGER if self.path == "plain" else _EAGER
        return maps if self.how == "off" else _LOADED if self.in_cache else _COMPILED

    def request(self, *, tiny: bool) -> dict[str, Any]:
        """Return the request of its config. In miniature, every shape is that of digits."""
        stream = {"residual_precision": "bf16"} if self.bf16_residual else {}
        return {**(TINY if tiny else self.cells), **stream, "model": self.model}


def of(part: str) -> list[Case]:
    """Return the cases of a part, in the order of their importance."""
    if part in ("steps-256", "steps-384"):
        return _steps(f"d{part.removeprefix('steps-')}")
    return _OTHERS[part]


def _steps(label: str) -> list[Case]:
    """Return both models by every path that a GPU has, compiled and eager."""
    cells = SHAPES[label]
    rows = [
        Case(label=label, model=CLASSIC, path="sdpa", how="blocks", cells=cells, profiled=True, validates=True),
        Case(label=label, model=DIFFERENTIAL, path="fused", how="blocks", cells=cells, profiled=True),
        Case(label=label, model=DIFFERENTIAL, path="sdpa", how="blocks", cells=cells),
        Case(label=label, model=CLASSIC, path="sdpa", how="off", cells=cells),
        Case(label=label, model=DIFFERENTIAL, path="fused", how="off", cells=cells),
        Case(label=label, model=DIFFERENTIAL, path="sdpa", how="off", cells=cells),
    ]
    maps = [(model, how) for how in ("off", "blocks") for model in (CLASSIC, DIFFERENTIAL)]
    return rows + [
        Case(label=label, model=model, path="plain", how=how, cells=cells, micro=_FEW) for model, how in maps
    ]


_SMALL = {"size": "1M", "dataset": "cifar10", "batch_size": 64}
_OTHERS = {
    "graphs": [
        Case(label="1M batch 64", model=CLASSIC, path="sdpa", how=how, cells=_SMALL)
        for how in ("off", "blocks", "graphs")
    ],
    "compile-warm": [
        Case(label="d256", model=CLASSIC, path="sdpa", how="blocks", cells=SHAPES["d256"], validates=True,
             in_cache=True)
    ],
    "compile-deep": [
        Case(label="50M", model=CLASSIC, path="sdpa", how="blocks", cells={"size": "50M"}, micro=256, validates=True)
    ],
    "residual": [
        Case(label="d256", model=CLASSIC, path="sdpa", how=how, cells=SHAPES["d256"], bf16_residual=narrow,
             in_cache=not narrow)
        for how in ("blocks", "off")
        for narrow in (False, True)
    ],
    "checkpointing": [
        Case(label="d256", model=CLASSIC, path="sdpa", how=how, cells=SHAPES["d256"], checkpointing=again,
             in_cache=not again)
        for how in ("off", "blocks")
        for again in (False, True)
    ],
}  # fmt: skip
