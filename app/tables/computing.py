"""How a run may be computed where that changes no result: the names of it."""

from __future__ import annotations

PATHS = ("plain", "sdpa", "tiled", "stored", "fused")
KEEPING_MAPS = ("plain", "stored")
COMPILING = ("off", "blocks", "graphs")
GRADIENTS = ("fp32", "bf16")  # as they travel between ranks


def meant(device: str) -> str:
    """Return the device to use for a name of another tool, such as `0` or `gpu`; for any other name, all devices."""
    numbers = device.split(",")
    if all(number.isdecimal() for number in numbers):
        if len(numbers) > 1:
            return f"`torchrun --nproc-per-node {len(numbers)}` in front of the command for {len(numbers)} GPUs"
        return f"cuda:{int(device)}"
    return "cuda" if device.lower() in ("gpu", "gpus", "nvidia") else "auto, cpu, cuda, cuda:N or mps"
