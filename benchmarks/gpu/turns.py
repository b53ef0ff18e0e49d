"""Steps of isoscale, timm and HF Trainer in turns, as `bench step` takes them. Each sample is noted as it is taken.

Nothing is searched: our attention paths and micro-batches are those of `steps-256` and `steps-384`. Each contender is
sampled once when it is prepared (round 0), so that a part that is cut off has a sample of those before.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch

from app.bench import meter, ours, peers
from app.bench.meter import Prepared
from app.bench.rounds import turn
from app.computing.choices import Execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.config.run import RunConfig
from app.errors import is_out_of_memory
from app.place import Place
from app.system import devices

from .cases import CLASSIC, DIFFERENTIAL, SHAPES, TINY
from .findings import Finding, Findings, read
from .timing import as_compiled_runs, attempted, here

LEAST = (0.0, 6.0, 12.0, 12.0, 10.0)  # seconds of each contender, in their order: its programs are in the cache
_ROUNDS, _SAMPLE = 5, 0.2  # samples of a contender, and the seconds of one where a step is shorter


class Lane(NamedTuple):
    """A contender that is prepared, with the steps of a sample."""

    name: str
    run: Prepared
    units: int

    def sample(self, findings: Findings, number: int) -> None:
        """Note the milliseconds of a step in a round."""
        findings.note("turn", case=self.name, round=number, ms=1000 * self.run(self.units), units=self.units)


def measure(findings: Findings) -> None:
    """Prepare the contenders, those of the bars first, and measure them in turns."""
    as_compiled_runs()  # as in `warm`
    at, lanes = here(findings), list[Lane]()
    for (name, make), least in zip(contenders(findings, at), LEAST, strict=True):
        if why := absent(name, findings, least):
            findings.note("skipped", case=name, why=why)
            continue
        findings.note("begun", case=name)
        with attempted(findings, name):
            lanes.append(prepared(name, make(), findings))
    for number in range(1, 2 if findings.tiny else _ROUNDS + 1):
        for lane in turn(lanes, number):
            with attempted(findings, lane.name):
                lane.sample(findings, number)


def absent(name: str, findings: Findings, least: float) -> str:
    """Return why a contender cannot be measured, or an empty text. One that ended an earlier process is not tried."""
    if name == "timm compiled" and findings.tiny:
        return "in miniature, no peer is compiled"
    if not findings.tiny and findings.left() < least:
        return "no time was left"
    noted = [one["kind"] for one in read(findings.path) if one["part"] == findings.part and one.get("case") == name]
    if "begun" in noted and "prepared" not in noted:
        return "it failed in an earlier process of the part"
    peer = {"timm eager": "timm", "timm compiled": "timm", "HF Trainer": "HF Trainer"}.get(name)
    return peers.missing(peer) if peer else ""


def prepared(name: str, run: Prepared, findings: Findings) -> Lane:
    """Return a contender's lane after two calls, of which the first one compiles, and the sample of round 0."""
    first, once = run(1), run(1)
    lane = Lane(name, run, 1 if findings.tiny else max(1, math.ceil(_SAMPLE / max(once, 1e-9))))
    lane.sample(findings, 0)
    findings.note("prepared", case=name, first_step_seconds=first, second_step_seconds=once)
    return lane


def contenders(findings: Findings, at: Place) -> Iterator[tuple[str, Callable[[], Prepared]]]:
    """Yield the name of each contender, and what prepares its steps."""
    label = f"d{findings.part.removeprefix('peers-')}"
    request = TINY if findings.tiny else SHAPES[label]
    classic, differential = (ours.config_at({**request, "model": model}, at) for model in (CLASSIC, DIFFERENTIAL))
    yield CLASSIC, partial(halving, classic, known(findings, label, CLASSIC), at, findings)
    yield "timm eager", partial(peers.timm_step, classic, at, compiled=False)
    yield "timm compiled", partial(peers.timm_step, classic, at, compiled=True)
    yield "HF Trainer", partial(peers.hf_steps, classic, at)
    yield DIFFERENTIAL, partial(halving, differential, known(findings, label, DIFFERENTIAL), at, findings)


def known(findings: Findings, label: str, model: str) -> Finding:
    """Return the fastest compiled step of a model that the sheet has measured, or the path that is likely fastest."""
    rows = [one for one in read(findings.path) if one["kind"] == "step" and one["part"].startswith("steps-")]
    stem = f"{label} {model.removeprefix('vit_')} "
    rows = [one for one in rows if one["case"].startswith(stem) and one["compile"] == "blocks"]
    likely = {"path": "fused" if model == DIFFERENTIAL and not findings.tiny else "sdpa"}
    return min(rows, key=lambda one: one["ms"]["median"], default=likely)


def halving(config: RunConfig, found: Finding, at: Place, findings: Findings) -> Prepared:
    """Return our steps after the first one, with half as many images at a time as long as they do not fit."""
    size = found.get("micro_batch", config.batch_size)
    while True:
        chosen = Execution(
            attention_path=found["path"], micro_batch_size=size, threads=torch.get_num_threads(),
            compile="off" if findings.tiny else "blocks", checkpointing=False,
        )  # fmt: skip
        try:
            run = meter.stopwatch(Rehearsal(config, at, HeldBatch.of(config, at.device), chosen).step, at.device)
            run(1)
            return run
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
        size = -(-size // 2)
        gc.collect()
        devices.empty_cache(at.device)  # programs of other contenders stay
