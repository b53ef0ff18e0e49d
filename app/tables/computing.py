"""The names of the ways to compute a run that do not change its result."""

from __future__ import annotations

PATHS = ("plain", "sdpa", "tiled", "stored", "fused")
KEEPING_MAPS = ("plain", "stored")
COMPILING = ("off", "blocks", "graphs")
GRADIENTS = ("fp32", "bf16")  # as they travel between ranks


def meant(device: str) -> str:
    """Return the device to use for another tool's name, such as `0` or `gpu`, or all devices for any other name."""
    numbers = device.split(",")
    if all(number.isdecimal() for number in numbers):
        if len(numbers) > 1:
            return f"`torchrun --nproc-per-node {len(numbers)}` in front of the command for {len(numbers)} GPUs"
        return f"cuda:{int(device)}"
    return "cuda" if device.lower() in ("gpu", "gpus", "nvidia") else "auto, cpu, cuda, cuda:N, mps or xpu"
