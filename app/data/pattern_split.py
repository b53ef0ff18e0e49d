"""Train and validation files of powder patterns from one `.pt` file or a folder of them, each class in its share."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch

from app import draws, durable
from app.data.carve import held_out
from app.errors import InputError

_SPLIT = 0x5918  # what a key of draws is for, beside those of `draws`


def split(source: Path, out: Path, *, tag: str, val_fraction: float, seed: int) -> dict[str, int]:
    """Writes `{tag}_Train.pt` and `{tag}_Validation.pt` of {'X', 'Y'}; returns their rows by path.

    Raises InputError for files that hold something else, rows of different lengths, or a target that exists.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f"--val-fraction {val_fraction:g} must lie between 0 and 1")
    targets = [out / f"{tag}_{part}.pt" for part in ("Train", "Validation")]
    for path in targets:
        if path.exists():
            raise InputError(f"{path} is there already; give --out a new folder or another --tag")
    x, y = gathered(source)
    chosen = held_out(y.numpy(), None, fraction=val_fraction, stream=draws.key(_SPLIT, seed))
    if not chosen.any() or chosen.all():
        raise InputError(f"{len(y):,} patterns are too few to hold out a share of {val_fraction:g}; make it larger")
    rows = {}
    for path, mask in zip(targets, (~chosen, chosen), strict=True):
        kept = torch.from_numpy(np.flatnonzero(mask))
        wanted = x.element_size() * x[0].numel() * len(kept)
        with durable.replacing(path, wanted=wanted) as aside, aside.open("wb") as file:
            torch.save({"X": x[kept], "Y": y[kept]}, file)
        rows[str(path)] = len(kept)
    return rows


def gathered(source: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows of a file or of a folder's files in the order of their names: X (N, ...) and Y int64 (N,)."""
    files = sorted(source.glob("*.pt")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source} holds no .pt file; name a file, or a folder that has some")
    parts = [read(path) for path in files]
    for path, (x, _) in zip(files, parts, strict=True):
        if x.shape[1:] != parts[0][0].shape[1:]:
            shapes = f"{tuple(x.shape[1:])}, {files[0]} of {tuple(parts[0][0].shape[1:])}"
            raise InputError(f"{path} has patterns of {shapes}; split them apart")
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """X and Y of a file; raises InputError where it is none of {'X', 'Y'}; nothing that it holds is executed."""
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, AssertionError, pickle.UnpicklingError) as error:
        wanted = "{'X', 'Y'} as torch.save writes it"
        raise InputError(f"{path} cannot be read as tensors alone; it must hold {wanted}") from error
    x, y = (found.get(name) for name in "XY") if isinstance(found, dict) else (None, None)
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        raise InputError(f"{path} holds no tensors 'X' and 'Y'")
    if x.ndim not in (2, 3) or y.ndim != 1 or len(x) != len(y) or len(y) == 0 or y.is_floating_point():
        raise InputError(f"{path} has X of {tuple(x.shape)} and Y of {tuple(y.shape)} {y.dtype}; wanted are patterns "
                         "(N, L) or (N, 1, L) and as many whole numbers")  # fmt: skip
    if not x.is_floating_point() or not torch.isfinite(x).all() or y.min() < 0:
        raise InputError(f"{path} has values that are not finite, or labels below 0; mend or leave out these rows")
    return x.float(), y.long()
