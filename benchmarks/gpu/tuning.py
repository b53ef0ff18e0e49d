"""Block sizes of the fused kernels, timed one kernel at a time, and the table row that the fastest ones make.

The row goes into `TUNED` of app/models/attention/blocks.py. Outputs and gradients of every choice are compared with
those of the present row, and a choice that differs by more than rounding is omitted. The backward pass in one kernel is
timed too. A ratio below 1 speaks for a row in `ONE_PASS` there.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from app.models.attention import fused
from app.models.attention.blocks import ONE_PASS, TABLE, TUNED, Blocks, OnePass, known

from .findings import Findings, read
from .timing import figures, here, timed, tried

Row = tuple[Blocks, Blocks, Blocks]
KERNELS = ("forward", "keys", "queries")
_WIDTH, _HEADS, _TOKENS, _BATCH, _FEW = 64, 2, 785, 128, 16
_PROCESSES = 4
LEAST = 3.0  # seconds of a choice
_EPS, _ALIKE = 1e-5, 4e-2  # relative difference of two sums in bf16 whose order differs
# rows of queries, rows of keys, warps, stages: those that spill at most 112 bytes on sm_90, by Triton's report
CHOICES = {
    "forward": ((128, 64, 8, 2), (128, 64, 8, 3), (64, 64, 4, 2), (64, 64, 4, 3), (64, 32, 4, 3), (128, 32, 8, 4)),
    "keys": ((64, 64, 8, 2), (64, 64, 8, 3), (32, 128, 8, 2), (32, 128, 8, 3), (32, 64, 4, 3), (64, 128, 8, 2)),
    "queries": ((128, 64, 8, 2), (128, 64, 8, 3), (64, 64, 4, 2), (64, 64, 4, 3), (128, 32, 8, 2), (128, 32, 8, 3),
                (64, 64, 8, 2), (64, 32, 4, 3)),
}  # fmt: skip
ONE = "one pass"
ONE_CHOICES = tuple(
    Blocks(*one) for one in ((32, 64, 4, 2), (16, 64, 4, 2), (32, 128, 8, 2), (64, 128, 8, 2), (32, 32, 4, 2))
)


def measure(findings: Findings) -> None:
    """Compile every choice, or time each of them and note the row of the fastest ones after each kernel."""
    at = here(findings)
    key = (known(fused.architecture(at.device)), 2, _WIDTH)
    present = TUNED.get(key, TABLE[key[1:]])
    if findings.part == "tune-compile":
        tried(findings, "compiled", "blocks", lambda: compiled(present, at.device))
        return
    problem = Problem(at.device, _BATCH)
    expected = problem.results()
    for number, kernel in enumerate(KERNELS):
        for blocks, row in choices(present, number):

            def work(row: Row = row, kernel: str = kernel) -> dict[str, Any]:
                with fused_by(key, row):
                    worst = max(map(difference, problem.results(), expected))
                    run = problem.forward if kernel == "forward" else problem.backward
                    return {"ms": figures(timed(kernel, run, at, findings), scale=1000), "difference": worst}

            tried(findings, "blocks", f"{kernel} {tuple(blocks)}", work, least=LEAST)
        chosen = fastest(findings, kernel) or present[number]
        present = with_one(present, number, chosen)
        findings.note("tuned", kernel=kernel, blocks=list(chosen), row=spelled(key, present))
    for one in ONE_CHOICES:

        def in_one(one: Blocks = one) -> dict[str, Any]:
            with fused_by(key, present, one):
                worst = max(map(difference, problem.results(), expected))
                return {"ms": figures(timed(ONE, problem.backward, at, findings), scale=1000), "difference": worst}

        tried(findings, "blocks", f"{ONE} {tuple(one)}", in_one, least=LEAST)
    if times(findings, ONE) and times(findings, "queries"):
        ratio = min(times(findings, ONE).values()) / min(times(findings, "queries").values())
        findings.note("tuned", kernel=ONE, blocks=list(fastest(findings, ONE) or ()), ratio=ratio)


def count() -> int:
    """Return the number of choices that are timed: those of the table, the present one of each kernel, and one pass."""
    return sum(len(each) + 1 for each in CHOICES.values()) + len(ONE_CHOICES)


def choices(present: Row, number: int) -> list[tuple[Blocks, Row]]:
    """Return the choices for one kernel, the present one first, each with the complete row."""
    given = (Blocks(*choice) for choice in CHOICES[KERNELS[number]])
    return [(blocks, with_one(present, number, blocks)) for blocks in dict.fromkeys([present[number], *given])]


def compiled(present: Row, device: torch.device) -> dict[str, Any]:
    """Compile the kernels of every choice in several processes. Return how many failed, and the first reason."""
    rows = [row for number in range(len(KERNELS)) for _, row in choices(present, number)]
    ones: list[Blocks | None] = [None] * len(rows) + [*ONE_CHOICES]
    rows += [present] * len(ONE_CHOICES)
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        failures = [why for why in pool.map(_failure, rows, ones, [device] * len(rows)) if why]
    return {"choices": len(rows), "failed": len(failures), "first_failure": failures[0] if failures else ""}


def _failure(row: Row, one: Blocks | None, device: torch.device) -> str:
    """Return why a row of block sizes cannot be used, or an empty text. Few images give the same programs as many."""
    try:
        with fused_by((known(fused.architecture(device)), 2, _WIDTH), row, one):
            Problem(device, _FEW).results()
    except Exception as error:  # a compiler can fail with anything  # noqa: BLE001
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return ""


def with_one(row: Row, number: int, blocks: Blocks) -> Row:
    """Return a row with other blocks for one kernel."""
    first, second, third = (blocks if place == number else one for place, one in enumerate(row))
    return first, second, third


def times(findings: Findings, kernel: str) -> dict[str, float]:
    """Return the median milliseconds of a kernel's choices whose results differ by rounding only."""
    rows = [one for one in read(findings.path) if one["kind"] == "blocks" and one["case"].startswith(f"{kernel} ")]
    return {one["case"]: one["ms"]["median"] for one in rows if one["difference"] <= _ALIKE}


def fastest(findings: Findings, kernel: str) -> Blocks | None:
    """Return the choice of the least time, or None."""
    found = times(findings, kernel)
    if not found:
        return None
    numbers = min(found, key=found.__getitem__).partition("(")[2].rstrip(")").split(", ")
    return Blocks(*map(int, numbers))


class Problem:
    """Fixed inputs of the study's shape: forward and backward pass, each alone."""

    def __init__(self, device: torch.device, batch: int) -> None:
        draw = torch.Generator(device).manual_seed(0)
        shape = (batch, _TOKENS, 6 * _HEADS * _WIDTH)
        self.qkv = torch.randn(shape, device=device, generator=draw).bfloat16().requires_grad_()
        self.weight = torch.tensor(0.4, device=device, requires_grad=True)
        self.upstream = torch.randn(batch, _HEADS, _TOKENS, 2 * _WIDTH, device=device, generator=draw).bfloat16()
        self.kept = self.output()

    def output(self) -> Tensor:
        return fused.normalised_difference(self.qkv, self.weight, heads=_HEADS, eps=_EPS)

    def forward(self) -> None:
        with torch.no_grad():
            self.output()

    def backward(self) -> tuple[Tensor, ...]:
        return torch.autograd.grad(self.kept, (self.qkv, self.weight), self.upstream, retain_graph=True)

    def results(self) -> tuple[Tensor, ...]:
        """Return the output and both gradients."""
        return (self.output().detach(), *self.backward())


@contextmanager
def fused_by(key: tuple[int, int, int], row: Row, one: Blocks | None = None) -> Iterator[None]:
    """Use a row of block sizes within the context, and the backward pass in one kernel if its blocks are given."""
    always = {} if one is None else {key: OnePass(one, resident=1, ratio=0.0)}
    with patch.dict(TUNED, {key: row}), patch.dict(ONE_PASS, always, clear=True):
        yield


def difference(found: Tensor, expected: Tensor) -> float:
    """Return the greatest difference, relative to the greatest number."""
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max())


def spelled(key: tuple[int, int, int], row: Row) -> str:
    """Return a row as a line of `TUNED`."""
    return f"{key}: ({', '.join(f'Blocks{tuple(one)}' for one in row)}),"
