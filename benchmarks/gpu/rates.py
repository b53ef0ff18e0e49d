"""The limits of the device: the rate of a large matrix product, of a copy, and of the products of a block."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from app.bench import meter
from app.bench.rounds import spread

from .findings import Findings
from .timing import figures, here, timed, tried

_TOKENS = 512 * 785  # of a batch at d_model 256


def measure(findings: Findings) -> None:
    """Measure the three rates."""
    tried(findings, "rate", "matrix product", lambda: product(findings))
    tried(findings, "rate", "copy", lambda: copy(findings))
    for width in (256,) if findings.tiny else (256, 384):
        for name, (inner, outer) in blocks(width).items():
            case = f"d{width} {name}"
            tried(findings, "linear", case, lambda: linear(inner, outer, case, findings))  # noqa: B023


def product(findings: Findings) -> dict[str, Any]:
    """Return the rate of a square bf16 product. A step's utilisation is a share of it."""
    at, side = here(findings), 256 if findings.tiny else 8192
    found: dict[str, Any] = {"flops_per_second": meter.matmul_rate(at.device, side=side), "side": side}
    if at.device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(at.device)
        found |= {"capability": f"{major}.{minor}", "memory_bytes": at.room()[1]}
    return found | at.describe()


def copy(findings: Findings) -> dict[str, Any]:
    """Return the bytes per second of a copy on the device, read and written ones together."""
    at = here(findings)
    source = torch.zeros((1 << 20) if findings.tiny else (1 << 32), dtype=torch.uint8, device=at.device)
    target = torch.empty_like(source)
    samples = timed("copy", lambda: target.copy_(source), at, findings)
    return {"bytes_per_second": 2 * source.nbytes / spread(samples.values).median, "seconds": figures(samples)}


def blocks(width: int) -> dict[str, tuple[int, int]]:
    """Return the inner and outer width of a block's four linear maps."""
    return {
        "qkv": (width, 3 * width), "projection": (width, width), "expand": (width, 4 * width),
        "contract": (4 * width, width),
    }  # fmt: skip


def linear(inner: int, outer: int, case: str, findings: Findings) -> dict[str, Any]:
    """Return the rate of a linear map over the tokens of a batch, forward, in operations and in bytes."""
    at, rows = here(findings), 64 if findings.tiny else _TOKENS
    shapes = ((rows, inner), (outer, inner), (outer,))
    x, weight, bias = (torch.randn(shape, device=at.device, dtype=torch.bfloat16) for shape in shapes)
    samples = timed(case, lambda: F.linear(x, weight, bias), at, findings)
    seconds = spread(samples.values).median
    return {
        "flops_per_second": 2 * rows * inner * outer / seconds,
        "bytes_per_second": 2 * rows * (inner + outer) / seconds, "seconds": figures(samples),
    }  # fmt: skip
