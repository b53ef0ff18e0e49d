"""A training step on the device: its time, its memory, its first call, whether it waits, and its kernels by kind."""

from __future__ import annotations

import time
from typing import Any

import torch

from app.bench import ours
from app.computing import choosing
from app.computing.execution import Execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.config.run import RunConfig
from app.errors import OutOfMemory, is_out_of_memory
from app.models.compiling import missing
from app.place import Place

from . import cases, profiling
from .cases import Case
from .findings import Findings
from .timing import figures, forget, here, timed, tried

_COMPILED = ("steps-256", "compile-warm", "compile-deep")  # in miniature, since a CPU compiles for a minute
_ONCE = f"in miniature, only {', '.join(_COMPILED)} compile"


def measure(findings: Findings) -> None:
    """Measure the cases of the part, one after another."""
    for number, case in enumerate(cases.of(findings.part)):
        at = here(findings)
        config = ours.config_at(case.request(tiny=findings.tiny), at)
        why = _ONCE if findings.tiny and case.how == "blocks" and findings.part not in _COMPILED else ""
        if why := why or unavailable(case, config, at):
            findings.note("skipped", case=case.name, why=why)
            continue
        least = 0.0 if findings.tiny or number == 0 else case.least
        tried(findings, "ended", case.name, lambda: step(case, config, at, findings), least=least)  # noqa: B023


def unavailable(case: Case, config: RunConfig, at: Place) -> str:
    """Return why a case cannot be measured at a place, or an empty text."""
    if why := choosing.unfit_path(config, at, case.path):
        return why
    if case.how == "graphs" and at.device.type != "cuda":
        return "CUDA graphs need a CUDA device"
    return missing(at.device.type) if case.how != "off" else ""


def step(case: Case, config: RunConfig, at: Place, findings: Findings) -> dict[str, Any]:
    """Note what a case's step takes, with half as many images at a time as long as they do not fit."""
    size = min(case.micro or config.batch_size, config.batch_size)
    while True:
        try:
            return step_of(case, config, at, findings, size)
        except (RuntimeError, MemoryError, OutOfMemory) as error:
            if size == 1 or not (isinstance(error, OutOfMemory) or is_out_of_memory(error)):
                raise
        size = -(-size // 2)
        forget(findings)


def step_of(case: Case, config: RunConfig, at: Place, findings: Findings, size: int) -> dict[str, Any]:
    """Note the first call of a step that computes `size` images at a time, then its samples, then its kernels."""
    chosen = Execution(
        attention_path=case.path, micro_batch_size=size, threads=torch.get_num_threads(), compile=case.how,
        checkpointing=case.checkpointing,
    )  # fmt: skip
    batch = HeldBatch.of(config, at.device)
    rehearsal = Rehearsal(config, at, batch, chosen)
    first = {"first_step_seconds": _seconds(rehearsal.step, at)}
    if case.validates:
        examples = batch.order(0)[: config.val_batch_size]
        first["first_validation_seconds"] = _seconds(lambda: rehearsal.validate(examples), at)
    findings.note("first", case=case.name, compile=case.how, micro_batch=size, programs=_programs(), **first)
    at.forget_peak()
    samples = timed(case.name, rehearsal.step, at, findings)
    peak, found = at.peak_bytes(), figures(samples, scale=1000)
    findings.note(
        "step", case=case.name, ms=found, peak_bytes=peak, batch=config.batch_size, micro_batch=size, path=case.path,
        compile=case.how, checkpointing=case.checkpointing, tokens=config.tokens, d_model=config.d_model,
        depth=config.depth, images_per_second=1000 * config.batch_size / found["median"],
        flops_per_image=3 * config.flops, waits=waits(rehearsal.step, at),
    )  # fmt: skip
    if case.profiled:
        profiling.profiled(rehearsal.step, f"{case.name}, batch {config.batch_size}", found["median"], findings)
    return {"micro_batch": size}


def waits(work: Any, at: Place) -> str | None:
    """Return where the host would wait for the device within two calls, by torch's mode that raises there.

    It is an empty text if the host never waits, and None on a device without that mode.
    """
    if at.device.type != "cuda":
        return None
    torch.cuda.set_sync_debug_mode("error")
    try:
        work()
        work()
        return ""
    except RuntimeError as error:
        return str(error).splitlines()[0][:300]
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _seconds(work: Any, at: Place) -> float:
    at.wait()
    began = time.perf_counter()
    work()
    at.wait()
    return time.perf_counter() - began


def _programs() -> int:
    """Return the number of programs that torch.compile has made in this process."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])
