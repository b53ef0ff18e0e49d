"""The micro-batch that the program's search chooses against the largest one that a step then fits with."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import torch

from app.bench import ours
from app.computing import execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.config.run import RunConfig
from app.errors import is_out_of_memory
from app.place import Place
from app.system import devices

from .cases import CLASSIC, DIFFERENTIAL
from .findings import Findings
from .timing import forget, here, tried

_STEPS = (1.0, 1.125, 1.25, 1.5, 1.75, 2.0)  # times the chosen micro-batch


def measure(findings: Findings) -> None:
    """Try the search of the largest model of the study, by both attentions."""
    for model in (CLASSIC, DIFFERENTIAL):
        tried(findings, "fits", f"{model} 50M", lambda: searched(model, findings), least=10.0)  # noqa: B023


def searched(model: str, findings: Findings) -> dict[str, Any]:
    """Return the choice with its seconds, and the sizes at which a complete step with validation then fits."""
    at = here(findings)
    config = ours.config_at({"model": model, "size": "50M"}, at)
    began = time.perf_counter()
    chosen = ours.choose(config, at, execution.Wishes(compile=False), say=print)
    seconds = time.perf_counter() - began
    total = at.room()[1]
    fitted: dict[int, float] = {}
    for factor in _STEPS:
        size = min(config.batch_size, int(factor * chosen.micro_batch_size))
        if size in fitted or findings.left() < 5:
            continue
        if not (peak := _peak(config, at, chosen, size)):
            break
        fitted[size] = peak / total
        forget(findings)
    largest = max(fitted, default=0)
    return {
        "chosen": chosen.to_json(), "search_seconds": seconds, "batch": config.batch_size, "largest": largest,
        "share_of_largest": chosen.micro_batch_size / largest if largest else None, "share_of_memory": fitted,
    }  # fmt: skip


def _peak(config: RunConfig, at: Place, chosen: execution.Execution, size: int) -> int:
    """Return the peak bytes of two steps and a validation batch, or 0 if they do not fit."""
    try:
        batch = HeldBatch.of(config, at.device)
        how = dataclasses.replace(chosen, micro_batch_size=size)
        rehearsal = Rehearsal(config, at, batch, how)
        for _ in range(2):
            rehearsal.step()
        rehearsal.validate(batch.order(0)[: config.val_batch_size])
        at.wait()
        return max(1, torch.cuda.max_memory_reserved(at.device))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        devices.empty_cache(at.device)
        return 0
