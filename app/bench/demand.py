"""Time and memory of one call of an attention layer in closed form, to refuse a call that is too large."""

from __future__ import annotations

import torch

from ..config.run import RunConfig
from ..counts.vit import ATTENTIONS
from ..place import Place
from ..system import devices
from ..tables.computing import KEEPING_MAPS

_MOST_SECONDS = 60.0  # allowed for a call
_RATES = {
    "cuda": 1e13,
    "mps": 1e12,
    "xpu": 1e12,
    "cpu": 1e10,
}  # operations per second that a device reaches, a CPU's per thread
_COPIES = 4  # copies of the maps at the peak of a backward pass: scores, maps and the gradients of both
_WIDTHS = 16  # numbers per token and width at that peak: the input, qkv, the heads' outputs, and gradients


def too_much(kind: str, path: str, config: RunConfig, here: Place, *, tokens: int) -> str:
    """Return why a layer's call is refused, as a sentence without its subject, or an empty text if it is allowed."""
    taken, room = peak_bytes(kind, path, config, tokens=tokens, device=here.device.type), _room(here.device)
    if taken > room:
        return f"a call takes about {taken / 1e9:,.1f} GB, and {room / 1e9:,.1f} GB are allowed here"
    seconds = flops(kind, config, tokens=tokens) / _rate(here.device.type)
    if seconds > _MOST_SECONDS:
        return f"a call takes about {seconds / 60:,.0f} minutes here"
    return ""


def flops(kind: str, config: RunConfig, *, tokens: int) -> float:
    """Return the floating-point operations of a batch's forward and backward pass, 2 per multiply-add."""
    attention = ATTENTIONS[kind]
    linear = (attention.linear + attention.outputs) * config.d_model  # per token and width
    return 3.0 * 2 * config.batch_size * tokens * config.d_model * (linear + attention.products * tokens)


def peak_bytes(kind: str, path: str, config: RunConfig, *, tokens: int, device: str) -> int:
    """Return the peak bytes of a batch's forward and backward pass in float32.

    N x N maps are included if the path makes them.
    """
    maps = _COPIES * _maps(kind, path, config, device=device) * tokens**2
    return 4 * (config.batch_size * (maps + _WIDTHS * tokens * config.d_model))


def _maps(kind: str, path: str, config: RunConfig, *, device: str) -> int:
    """Return the number of N x N maps that a path makes of an image.

    Torch's kernels for a CPU need values as wide as queries, and make the maps of a differential pair.
    """
    attention = ATTENTIONS[kind]
    wide_values = path == "sdpa" and attention.parts > 1 and device != "cuda"
    maps = attention.of_classic(config.heads) * attention.parts
    if path in KEEPING_MAPS:
        return int(maps * attention.products / 2)
    if wide_values:
        return maps
    return int(attention.masked)  # its mask


def _rate(device: str) -> float:
    """Return a low estimate of the floating-point operations per second of all threads together."""
    return _RATES[device] * (torch.get_num_threads() if device == "cpu" else 1)


def _room(device: torch.device) -> float:
    """Return half of the free bytes, or half of the host's memory if its system does not report how much is free."""
    free, total = devices.limits(device).room(device)
    return (free or total) / 2
