"""What one call of an attention layer asks of a machine, in closed form, so that too much is refused before it runs."""

from __future__ import annotations

import torch

from ..config.run import RunConfig
from ..counts.vit import ATTENTIONS
from ..place import Place
from ..system import memory
from ..tables.computing import KEEPING_MAPS

_MOST_SECONDS = 60.0  # of a call
_RATES = {"cuda": 1e13, "mps": 1e12, "cpu": 1e10}  # operations per second that a device reaches, a CPU's per thread
_COPIES = 4  # of the maps at the peak of a backward pass: scores, maps and the gradients of both
_WIDTHS = 16  # numbers per token and width at that peak: the input, qkv, the heads' outputs, and gradients


def too_much(kind: str, path: str, config: RunConfig, here: Place, *, tokens: int) -> str:
    """Why a layer's call is refused, in a sentence without its subject; empty where it is not."""
    taken, room = peak_bytes(kind, path, config, tokens=tokens, device=here.device.type), _room(here.device)
    if taken > room:
        return f"a call takes about {taken / 1e9:,.1f} GB, and {room / 1e9:,.1f} GB are allowed here"
    seconds = flops(kind, config, tokens=tokens) / _rate(here.device.type)
    if seconds > _MOST_SECONDS:
        return f"a call takes about {seconds / 60:,.0f} minutes here"
    return ""


def flops(kind: str, config: RunConfig, *, tokens: int) -> float:
    """Floating-point operations of a batch's forward and backward pass, 2 per multiply-add."""
    attention = ATTENTIONS[kind]
    linear = (attention.linear + 1) * config.d_model  # per token and width
    return 3.0 * 2 * config.batch_size * tokens * config.d_model * (linear + attention.products * tokens)


def peak_bytes(kind: str, path: str, config: RunConfig, *, tokens: int, device: str) -> int:
    """Bytes in float32 that a batch's forward and backward pass holds at once; N x N maps where the path makes them."""
    maps = _COPIES * _maps(kind, path, config, device=device) * tokens**2
    return 4 * (config.batch_size * (maps + _WIDTHS * tokens * config.d_model))


def _maps(kind: str, path: str, config: RunConfig, *, device: str) -> int:
    """N x N maps of an image that a path makes.

    Torch's kernels for a CPU take values as wide as queries only, and make the maps of a differential pair.
    """
    attention = ATTENTIONS[kind]
    wide_values = path == "sdpa" and attention.parts > 1 and device != "cuda"
    if path in KEEPING_MAPS or wide_values:
        return attention.of_classic(config.heads) * attention.parts * attention.products // 2
    return int(attention.masked)  # its mask


def _rate(device: str) -> float:
    """Floating-point operations per second, of all threads together; too few rather than too many."""
    return _RATES[device] * (torch.get_num_threads() if device == "cpu" else 1)


def _room(device: torch.device) -> float:
    """Half of the bytes that are free, or of the host's memory where its system does not say."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory.free() or memory.total()
    return free / 2
