"""The exact ways to compute attention, and which is the fastest on a CPU.

`plain` keeps the N x N maps. `sdpa` calls torch's kernels, twice for a pair of maps. `tiled` and `fused` keep no N x N
matrix and compute a pair's shared products once, with torch's matrix products and as a Triton kernel for CUDA. `stored`
is `tiled` with its maps kept.
"""

from __future__ import annotations

import torch

from ...counts.vit import ATTENTIONS
from ..compiling import missing
from ..internals import has_amx
from . import fused


def unfit(path: str, *, attention: str, head_width: int, device: str) -> str:
    """Return why a path is unavailable, as a sentence, or an empty text if it is available.

    `head_width` is that of a query.
    """
    if path not in (paths := ATTENTIONS[attention].paths):
        return f"{attention} attention has no path {path}. Valid values: {', '.join(paths)}"
    if path in ("tiled", "stored") and torch.device(device).type != "cpu":  # many small calls, each waiting for lambda
        return f"the {path} path is for CPUs. On a {device} device, use another --attention-path, or omit it"
    if path == "sdpa" and torch.device(device).type == "cuda" and torch.are_deterministic_algorithms_enabled():
        return "torch's kernels for the sdpa path may add in any order. With --deterministic, use plain or fused"
    if path == "fused" and (not fused.available(device) or missing("cuda")):
        needs = "a CUDA device, Triton and a C compiler on PATH"
        return f"the fused path needs {needs}. Use another --attention-path, or omit it"
    if path == "fused" and not fused.fits(head_width):
        return f"the fused path supports head widths {fused.WIDTHS}, not {head_width}. Use another --attention-path"
    return ""


def candidates(*, attention: str, head_width: int, device: str) -> list[str]:
    """Return the paths to be timed on a device, those that are available there."""
    return [
        p
        for p in ATTENTIONS[attention].paths
        if not unfit(p, attention=attention, head_width=head_width, device=device)
    ]


def pick_on_cpu(*, attention: str, tokens: int, precision: str) -> str:
    """Return the fastest path on a CPU, from measurements (docs/performance.md), or `plain` if a kind has none."""
    measured = _ON_CPU.get((attention, precision == "bf16" and not has_amx()), ((_ANY, "plain"),))
    return next(path for most_tokens, path in measured if tokens <= most_tokens)


_ANY = 1 << 62
_ON_CPU = {
    # attention, bf16 on a CPU without its matrix units -> (tokens up to, path)
    ("classic", False): ((_ANY, "sdpa"),),
    ("classic", True): ((500, "plain"), (1100, "stored"), (_ANY, "tiled")),
    ("differential", False): ((300, "plain"), (_ANY, "tiled")),
    ("differential", True): ((500, "plain"), (1100, "stored"), (_ANY, "tiled")),
    ("differential_v2", False): ((128, "plain"), (_ANY, "sdpa")),
    ("differential_v2", True): ((_ANY, "plain"),),
    ("lsa", False): ((_ANY, "sdpa"),),
    ("lsa", True): ((_ANY, "plain"),),
}
