"""Files of patterns as others exchange them, {'X', 'Y'} by `torch.save`: the only place that reads and writes `.pt`."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch

from app import durable
from app.errors import InputError


def write(path: Path, x: torch.Tensor, y: torch.Tensor) -> None:
    """Writes patterns X (N, ...) and labels Y (N,), whole or not at all; the same tensors make the same bytes."""
    wanted = x.element_size() * x.numel() + y.element_size() * y.numel()
    with durable.replacing(path, wanted=wanted) as aside, aside.open("wb") as file:
        torch.save({"X": x, "Y": y}, file)  # into an open file: given a path, its name would stand in the bytes


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """X float32 (N, L) or (N, 1, L) and Y int64 (N,) of a file, of which nothing is executed.

    Raises InputError where it holds something else, or values that are not finite.
    """
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, AssertionError, UnpicklingError) as error:
        wanted = "{'X', 'Y'} as torch.save writes it"
        raise InputError(f"{path} cannot be read as tensors alone; it must hold {wanted}") from error
    x, y = (found.get(name) for name in "XY") if isinstance(found, dict) else (None, None)
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        raise InputError(f"{path} holds no tensors 'X' and 'Y'")
    if x.ndim not in (2, 3) or y.ndim != 1 or len(x) != len(y) or len(y) == 0 or y.is_floating_point():
        shapes = f"X of {tuple(x.shape)} and Y of {tuple(y.shape)} {y.dtype}"
        raise InputError(f"{path} has {shapes}; wanted are patterns (N, L) or (N, 1, L) and as many whole numbers")
    if not x.is_floating_point() or not torch.isfinite(x).all() or y.min() < 0:
        raise InputError(f"{path} has values that are not finite, or labels below 0; mend or leave out these rows")
    return x.float(), y.long()
