"""Cases of a part: each is begun, measured and noted at once, and one that fails costs no other."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from app import place
from app.bench import meter
from app.bench.rounds import Contender, Pace, Samples, measure, spread
from app.models import internals
from app.place import Place
from app.system import devices

from .findings import Findings, read, without_folders
from .running import AGAIN

_ROUNDS, _SECONDS = 5, 12.0  # samples of a case, and the seconds after which no further one begins
_BROKEN = ("CUDA error", "illegal memory access", "cudaError", "device-side assert", "unspecified launch failure")


def here(findings: Findings, precision: str = "bf16") -> Place:
    """Return the place that is measured, in the precision of the study on a GPU."""
    return place.choose(device=findings.device, precision=precision)


def timed(name: str, work: Callable[[], Any], at: Place, findings: Findings) -> Samples:
    """Return samples of a unit of work in seconds, as `bench` takes them. Raises OutOfMemory, and the work's errors."""
    pace = Pace(rounds=1 if findings.tiny else _ROUNDS, seconds=min(_SECONDS, findings.left() / 2), say=_silent)
    contender = Contender(name=name, prepare=lambda: meter.stopwatch(work, at.device), required=True)
    (samples,), _ = measure([contender], pace, meter.Memory(at.device))
    return samples


def figures(samples: Samples, *, scale: float = 1.0) -> dict[str, Any]:
    """Return the samples, their median and their quartiles, times `scale`."""
    values = [scale * value for value in samples.values]
    middle = spread(values)
    return {"median": middle.median, "quartiles": [middle.low, middle.high], "samples": values}


def tried(findings: Findings, kind: str, case: str, work: Callable[[], dict[str, Any]], *, least: float = 0.0) -> None:
    """Note what a case found, or why it failed. A case that began in an earlier process of the part is skipped.

    So is one that has less than `least` seconds. An error that leaves the device unusable for this process ends it, and
    the next process goes on with the other cases.
    """
    if any(one["kind"] == "begun" and one["part"] == findings.part and one["case"] == case
           for one in read(findings.path)):  # fmt: skip
        return
    if findings.left() < least:
        findings.note("skipped", case=case, why="no time was left")
        return
    findings.note("begun", case=case)
    try:
        with attempted(findings, case):
            findings.note(kind, case=case, **work())
    finally:
        forget(findings)


@contextmanager
def attempted(findings: Findings, case: str) -> Iterator[None]:
    """Note why the work within the context failed. An error that leaves the device unusable ends the process."""
    try:
        yield
    except Exception as error:  # whatever it fails with is the finding  # noqa: BLE001
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        findings.note("failure", case=case, error=without_folders(text))
        if any(sign in text for sign in _BROKEN):
            sys.stdout.flush()
            sys.exit(AGAIN)


def as_compiled_runs() -> None:
    """Set what `app.models.compiling` sets and what is in the key of a compiled program, so that others find it."""
    import_module("torch._functorch.config")  # torch imports it with its compiler only
    internals.keep_programs_of_functions()


def forget(findings: Findings) -> None:
    """Free a case's memory and programs, so that the next one begins as in a new process."""
    torch._dynamo.reset()
    gc.collect()
    devices.empty_cache(torch.device(findings.device))
    devices.forget_peak(torch.device(findings.device))


def _silent(_: str) -> None: ...
