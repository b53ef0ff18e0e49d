"""The parts of the sheet in the order of their importance: what each measures, its time box, its command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import epochs, machine
from .child import MODULES
from .findings import Finding
from .running import Part, Room

ABOUT = {  # part -> what it measures
    "doctor": "`run.py doctor`",
    "tests": "`pytest -m gpu`",
    "accuracy": "the fused kernels' output and gradients against their definition in float64, on the device",
    "dataset": "a dataset of CIFAR-100's shape, made for the parts that train; no time is measured",
    "selftest": "`run.py selftest --kill 1 --deterministic`: a killed run resumes, and ends with the same bits",
    "warm": "the programs of timm's compiled model, so that `peers-256` loads them; no time is measured",
    "tune-compile": "the programs of the block sizes that `tune` times; no time is measured",
    "rates": "a large matrix product, a copy, and the products of a block",
    "steps-256": "a step at d_model 256 and 785 tokens, by every path, eager and compiled; compiling, kernels, waiting",
    "peers-256": "a step of isoscale, timm eager, timm compiled and HF Trainer in turns, as `bench step` takes them",
    "epoch": "an epoch of CIFAR-100's shape at 224 px, and 50 of them by extrapolation",
    "loop": "a plain loop with PIL images, torchvision's transforms and written-out attention",
    "compile-warm": "the first compiled step of `steps-256` in a new process, with the programs that it left",
    "steps-384": "a step at d_model 384 and 1,025 tokens, by every path, eager and compiled",
    "peers-384": "the same as `peers-256` at d_model 384",
    "epoch-differential": "25 steps of the differential model as the program chooses to compute them",
    "compile-deep": "the first compiled step at 50M, 63 layers, with an empty cache of programs",
    "tune": "block sizes of the fused kernels, and the table row of the fastest ones",
    "side-by-side": "images per second of 1, 2, 4 and 8 runs at once, as `study --jobs-per-device` starts them",
    "residual": "a step at d_model 256 with a float32 and with a bf16 residual stream, compiled and eager",
    "micro-batch": "the search for the micro-batch at 50M against the largest size that a step then fits with",
    "checkpointing": "a step with and without recomputed activations: time and memory",
    "graphs": "a 1M model with batch 64 eager, compiled, and in CUDA graphs",
}
_BOXES = {  # seconds
    "doctor": 40, "tests": 105, "accuracy": 60, "dataset": 60, "selftest": 105, "warm": 105, "tune-compile": 100,
    "rates": 25, "steps-256": 110, "peers-256": 120, "epoch": 60, "loop": 35, "compile-warm": 30, "steps-384": 90,
    "peers-384": 100, "epoch-differential": 60, "compile-deep": 100, "tune": 100, "side-by-side": 140, "residual": 60,
    "micro-batch": 40, "checkpointing": 60, "graphs": 60,
}  # fmt: skip
TOGETHER = {"doctor", "tests", "accuracy", "dataset", "selftest", "warm", "tune-compile"}
ON_A_CPU = 6.0  # times the box
_NEEDS_CUDA = {
    "tests": "the tests marked gpu need a CUDA device", "micro-batch": "the search by trials needs a CUDA device",
    "warm": "peers are compiled on a CUDA device only",
    "tune": "block sizes need a CUDA device", "tune-compile": "block sizes need a CUDA device",
}  # fmt: skip
_FOLDERS = {"compile-deep": "deep"}  # of compiled programs, where it is not the common one


def parts(room: Room) -> list[Part]:
    """Return every part, in its order, with the command for this room."""
    exact = [] if room.tiny else ["--deterministic"]  # a CPU repeats every bit without it
    makers = {
        "doctor": lambda: (program("doctor", "--json", "--checkpoints", str(room.work / "runs")), printed("doctor")),
        "selftest": lambda: (program("selftest", "--kill", "1", *exact, "--json"), printed("selftest")),
        "epoch": lambda: trained(room, "epoch", "vit_classic", "--compile"),
        "epoch-differential": lambda: trained(room, "epoch-differential", "vit_differential"),
    }
    found = []
    for name in ABOUT:
        command, reads = makers[name]() if name in makers else (child(name, room), lambda _: ())
        part = Part(
            name=name, box=_BOXES[name] * (ON_A_CPU if room.tiny else 1), command=command, reads=reads,
            lacks=_NEEDS_CUDA.get(name, "") if room.tiny else "", resumes=name not in makers,
            environment=environment(room, name),
        )  # fmt: skip
        found.append(replace(part, together=name in TOGETHER and not room.tiny and machine.is_large()))
    return found


def child(name: str, room: Room) -> list[str]:
    """Return the command of a part that is measured by this package."""
    assert name in MODULES, "it has a module"
    tiny = ["--tiny"] if room.tiny else []
    return [sys.executable, "-m", "benchmarks.gpu.child", name, "--results", str(room.results), *tiny]


def program(*arguments: str) -> list[str]:
    """Return a command of the program."""
    return [sys.executable, str(root() / "run.py"), *arguments]


def trained(room: Room, name: str, model: str, *more: str) -> tuple[list[str], Any]:
    """Return the command that trains on the dataset of CIFAR-100's shape, and what reads its log."""
    folder = room.work / "runs" / name
    size = "--size 10M --device cuda --state-every 1h"
    if room.tiny:
        size = "--size 1M --image 32 --patch 8 --batch-size 64 --val-batch-size 16 --device cpu --threads 1"
        more = ("--limit-train", "256", "--limit-val", "32", "--limit-test", "32")
    elif name != "epoch":
        more = ("--limit-train", "12800", "--limit-val", "1280", "--limit-test", "1280", *more)
    command = program("train", "--dataset", "CIFAR-100", "--model", model, "--epochs", "1", *size.split(), *more)
    return [*command, "--checkpoints", str(folder)], lambda _: epochs.found(folder)


def printed(kind: str) -> Any:
    """Return what reads the JSON object that a command of the program prints."""
    return partial(_printed, kind)


def _printed(kind: str, out: str) -> Iterator[Finding]:
    if out.strip():
        yield {"kind": kind, "found": json.loads(out)}


def environment(room: Room, name: str) -> dict[str, str]:
    """Return the variables of a part: no network, and caches in the temporary folder."""
    programs = room.work / _FOLDERS.get(name, "programs")
    given = {
        "PYTHONPATH": str(room.root), "ISOSCALE_CACHE": str(room.work / "cache"), "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false",
        "TORCHINDUCTOR_CACHE_DIR": str(programs), "TRITON_CACHE_DIR": str(programs / "triton"),
    }  # fmt: skip
    small = {"OMP_NUM_THREADS": "1"} if room.tiny else {}
    given |= {} if room.tiny else machine.one_gpu()
    return given | small | ({"TRITON_INTERPRET": "1"} if room.tiny and name == "accuracy" else {})


def root() -> Path:
    """Return the checkout."""
    return Path(__file__).resolve().parents[2]
