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
from .findings import Finding, without_folders
from .running import Part, Room

ABOUT = {  # part -> what it measures
    "doctor": "`run.py doctor`",
    "tests": "`pytest -m gpu`",
    "accuracy": "the fused kernels' output and gradients against their definition in float64, on the device",
    "dataset": "a dataset of CIFAR-100's shape, made for the parts that train; no time is measured",
    "selftest": "`run.py selftest --kill 1 --deterministic`: a killed run resumes, and ends with the same bits",
    "warm": "the programs of timm's compiled model, so that `bench step` loads them; no time is measured",
    "tune-compile": "the programs of the block sizes that `tune` times; no time is measured",
    "rates": "a large matrix product, a copy, and the products of a block",
    "steps-256": "a step at d_model 256 and 785 tokens, by every path, eager and compiled; compiling, kernels, waiting",
    "peers-256": "`run.py bench step`: isoscale, timm eager, timm compiled and HF Trainer in turns",
    "epoch": "an epoch of CIFAR-100's shape at 224 px, and 50 of them by extrapolation",
    "steps-384": "a step at d_model 384 and 1,025 tokens, by every path, eager and compiled",
    "loop": "a plain loop with PIL images, torchvision's transforms and written-out attention",
    "compile-warm": "the first compiled step of `steps-256` in a new process, with the programs that it left",
    "epoch-differential": "25 steps of the differential model as the program chooses to compute them",
    "side-by-side": "images per second of 1, 2, 4 and 8 runs at once, as `study --jobs-per-device` starts them",
    "residual": "a step at d_model 256 with a float32 and with a bf16 residual stream, compiled and eager",
    "micro-batch": "the search for the micro-batch at 50M against the largest size that a step then fits with",
    "checkpointing": "a step with and without recomputed activations: time and memory",
    "tune": "block sizes of the fused kernels, and the table row of the fastest ones",
    "graphs": "a 1M model eager, compiled, and in CUDA graphs",
    "compile-deep": "the first compiled step at 50M, 63 layers, with an empty cache of programs",
    "peers-384": "`run.py bench step` at d_model 384",
}
_BOXES = {
    "doctor": 40, "tests": 110, "accuracy": 60, "dataset": 60, "selftest": 110, "warm": 110, "tune-compile": 100,
    "rates": 30, "steps-256": 100, "peers-256": 70, "epoch": 60, "steps-384": 70, "loop": 35, "compile-warm": 25,
    "epoch-differential": 40, "side-by-side": 80, "residual": 60, "micro-batch": 40, "checkpointing": 40, "tune": 40,
    "graphs": 40, "compile-deep": 60, "peers-384": 60,
}  # fmt: skip
_TOGETHER = {"doctor", "tests", "accuracy", "dataset", "selftest", "warm", "tune-compile"}
_ON_A_CPU = 6.0  # times the box
_NEEDS_CUDA = {
    "tests": "the tests marked gpu need a CUDA device", "micro-batch": "the search by trials needs a CUDA device",
    "warm": "`bench step` compiles its peers on a CUDA device only",
    "tune": "block sizes need a CUDA device", "tune-compile": "block sizes need a CUDA device",
}  # fmt: skip
_FOLDERS = {"compile-deep": "deep"}  # of compiled programs, where it is not the common one


def parts(room: Room) -> list[Part]:
    """Return every part, in its order, with the command for this room."""
    exact = [] if room.tiny else ["--deterministic"]  # a CPU repeats every bit without it
    makers = {
        "doctor": lambda: (program("doctor", "--json", "--checkpoints", str(room.work / "runs")), printed("doctor")),
        "tests": lambda: (tests(), _outcomes),
        "selftest": lambda: (program("selftest", "--kill", "1", *exact, "--json"), printed("selftest")),
        "peers-256": lambda: (bench(room.tiny, "cifar100"), printed("bench")),
        "peers-384": lambda: (bench(room.tiny, "bach"), printed("bench")),
        "epoch": lambda: trained(room, "epoch", "vit_classic", "--compile"),
        "epoch-differential": lambda: trained(room, "epoch-differential", "vit_differential"),
    }
    found = []
    for name in ABOUT:
        command, reads = makers[name]() if name in makers else (child(name, room), lambda _: ())
        part = Part(
            name=name, box=_BOXES[name] * (_ON_A_CPU if room.tiny else 1), command=command, reads=reads,
            lacks=_NEEDS_CUDA.get(name, "") if room.tiny else "", resumes=name not in makers,
            environment=environment(room, name),
        )  # fmt: skip
        found.append(replace(part, together=name in _TOGETHER and not room.tiny and machine.is_large()))
    return found


def child(name: str, room: Room) -> list[str]:
    """Return the command of a part that is measured by this package."""
    assert name in MODULES, "it has a module"
    tiny = ["--tiny"] if room.tiny else []
    return [sys.executable, "-m", "benchmarks.gpu.child", name, "--results", str(room.results), *tiny]


def program(*arguments: str) -> list[str]:
    """Return a command of the program."""
    return [sys.executable, str(root() / "run.py"), *arguments]


def tests() -> list[str]:
    """Return the command that runs the tests marked `gpu`, without collecting files that have none."""
    count = str(machine.workers())
    files = [path for path in sorted((root() / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
    more = ["-n", count, "--maxprocesses", count, "-p", "no:cacheprovider", "-rfE", "--tb=short"]
    return [sys.executable, "-m", "pytest", "-m", "gpu", *more, *(str(path.relative_to(root())) for path in files)]


def bench(tiny: bool, dataset: str) -> list[str]:
    """Return the command that measures the peers' steps in turns with ours."""
    small = "--size 1M --dataset digits --batch-size 2 --rounds 1 --seconds 0 --device cpu --threads 1 --no-compile"
    full = f"--size 10M --dataset {dataset} --rounds 5 --seconds 30 --device cuda --precision bf16"
    return program("bench", "step", *(small if tiny else full).split(), "--json")


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


def _outcomes(out: str) -> Iterator[Finding]:
    """Yield the counts of tests, and those that failed."""
    lines = out.strip().splitlines()
    yield {
        "kind": "tests", "counts": next((line for line in reversed(lines) if " in " in line), ""),
        "failed": [without_folders(line) for line in lines if line.startswith(("FAILED", "ERROR"))],
    }  # fmt: skip


def environment(room: Room, name: str) -> dict[str, str]:
    """Return the variables of a part: no network, and caches in the temporary folder."""
    programs = room.work / _FOLDERS.get(name, "programs")
    given = {
        "PYTHONPATH": str(room.root), "ISOSCALE_CACHE": str(room.work / "cache"), "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false",
        "TORCHINDUCTOR_CACHE_DIR": str(programs), "TRITON_CACHE_DIR": str(programs / "triton"),
    }  # fmt: skip
    small = {"OMP_NUM_THREADS": "1"} if room.tiny else {}
    return given | small | ({"TRITON_INTERPRET": "1"} if room.tiny and name == "accuracy" else {})


def root() -> Path:
    """Return the checkout."""
    return Path(__file__).resolve().parents[2]
