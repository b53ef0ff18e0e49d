"""The fused kernels against their definition in float64, on the device. On a CPU Triton's interpreter runs them."""

from __future__ import annotations

import itertools
from importlib import import_module
from typing import Any

import torch

from .findings import Findings
from .timing import tried

LIMITS = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}  # of the greatest relative error
_PARTS = ("out", "d_q", "d_k", "d_v", "d_weight")


def measure(findings: Findings) -> None:
    """Measure the errors of the output and of all gradients at the study's shapes, and whether the bits repeat."""
    cases = import_module("tests.models.fused_cases")
    shapes = itertools.product((torch.bfloat16, torch.float16, torch.float32), ((785, 2), (1025, 3)))
    if findings.tiny:
        cases.widen_bf16_in_the_interpreter()
        shapes = itertools.product((torch.float32,), ((17, 1),))
    for dtype, (tokens, heads) in shapes:
        name = f"{str(dtype).removeprefix('torch.')}, {tokens} tokens, {heads} heads"

        def work(dtype: torch.dtype = dtype, tokens: int = tokens, heads: int = heads) -> dict[str, Any]:
            width = 16 if findings.tiny else 64
            given = {"tokens": tokens, "heads": heads, "width": width, "dtype": dtype, "device": findings.device}
            found = cases.findings(**given, batch=1 if findings.tiny else 2)
            errors = {part: found[part] for part in _PARTS}
            worst = {"worst": max(errors.values()), "limit": LIMITS[dtype], "repeats": found["repeats"]}
            return {"errors": errors, **worst}

        tried(findings, "accuracy", name, work)
