"""The settings of how a run is computed, which do not belong to its ID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...tables.computing import GRADIENTS, PATHS
from ...tables.ranges import MOST, MOST_THREADS
from .declaring import setting

PANEL = "Computing (not part of the run ID)"


def _wish(help_: str, *, default: Any = None, **more: Any) -> Any:
    return setting(default, help=help_, panel=PANEL, decides=False, **{"differs": "harmless"} | more)


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How a run is computed. None leaves a choice to the program, which stores it with the run."""

    device: str = _wish(
        "Compute on cpu, cuda, cuda:1, mps, xpu, or auto, which is the first available.", default="auto"
    )
    threads: int | None = _wish(
        "Use this many CPU threads.", least=1, most=MOST_THREADS, shown="one per core, or 1 if a step has little work"
    )
    attention_path: str | None = _wish(
        "Select how attention is computed; all paths are exact.", choices=PATHS, shown="the fastest on this device"
    )
    micro_batch_size: int | None = _wish(
        "Split a batch into micro-batches of this many examples.", least=1, most=MOST, shown="the largest that fits"
    )
    verify: bool = _wish(
        "Compare every file of the cache with its checksum, even if it was compared since this machine was started.",
        default=False,
    )
    compile: bool | None = _wish("Compile the blocks of the model.", shown="on if the run is long enough to gain")
    checkpointing: bool | None = _wish(
        "Recompute activations in the backward pass to save memory.", shown="on only if fewer than 8 images fit"
    )
    deterministic: bool | None = _wish(
        "Repeat every bit on a CUDA device, with slower kernels. Without it, a run repeats draws and order, and losses "
        "within rounding. A CPU repeats every bit without it.",
        shown="off",
    )
    gradients: str | None = _wish(
        "Exchange gradients between ranks in fp32, or rounded to bf16 for half the traffic.",
        choices=GRADIENTS, shown="fp32", differs="confound",
    )  # fmt: skip
