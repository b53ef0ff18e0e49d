"""The device's time in a step by kernel and by kind of work. The complete table is next to the results file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from app.bench import meter

from .findings import Findings

_STEPS, _SHOWN, _KEPT = 3, 30, 15
KINDS = {  # the first kind with a word that is in a kernel's name
    "attention": ("flash", "fmha", "sdpa", "cudnn_generated", "forward_kernel", "keys_kernel", "queries_kernel",
                  "prepare_kernel", "attention", "softmax"),
    "matrix products": ("nvjet", "gemm", "cutlass", "xmma", "splitk", "aten::mm", "aten::addmm", "aten::bmm"),
    "convolution": ("conv", "wgrad", "dgrad", "nchw", "nhwc"),
    "optimiser": ("adam", "multi_tensor"),
    "copies": ("memcpy", "memset", "copy"),
    "compiled: reductions": ("triton_red", "triton_per"),
    "compiled: pointwise": ("triton_poi",),
    "norms": ("layer_norm", "layernorm", "rms"),
    "other elementwise": ("elementwise", "vectorized", "reduce", "aten::"),
}  # fmt: skip


def kind_of(kernel: str) -> str:
    """Return the kind of work that a kernel's name tells."""
    name = kernel.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")


def profiled(work: Callable[[], Any], title: str, ms: float, findings: Findings) -> None:
    """Note the milliseconds of a step by kind and its longest kernels, and append the table to the profile's file."""
    device = torch.device(findings.device)
    cuda = device.type == "cuda"
    work()
    meter.synchronise(device)
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as recorded:
        for _ in range(_STEPS):
            work()
        meter.synchronise(device)
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in recorded.key_averages():
        if not cuda or event.device_type == torch.autograd.DeviceType.CUDA:
            times[event.key] += (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1e3 / _STEPS
            calls[event.key] += event.count // _STEPS
    kinds: Counter[str] = Counter()
    for name, value in times.items():
        kinds[kind_of(name)] += value
    busy = sum(times.values())
    top = [[name[:110], round(value, 4), calls[name]] for name, value in times.most_common(_KEPT)]
    findings.note("profile", case=title, ms=ms, busy_ms=busy, kinds_ms=dict(kinds.most_common()), top=top)
    lines = [f"== {title}: {ms:.2f} ms per step, kernels {busy:.2f} ms"]
    lines += [f"  {value:9.3f} ms  {kind}" for kind, value in kinds.most_common()]
    lines += [f"    {value:9.3f} ms {calls[name]:5d} x {name[:150]}" for name, value in times.most_common(_SHOWN)]
    with findings.path.with_suffix(".profile.txt").open("a") as file:
        file.write("\n".join(lines) + "\n\n")
