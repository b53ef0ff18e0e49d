"""Train and validation files of powder patterns from one `.pt` file or a folder of them, each class in its share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from app import draws
from app.data import tensors
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
        tensors.write(path, x[kept], y[kept])
        rows[str(path)] = len(kept)
    return rows


def gathered(source: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows of a file or of a folder's files in the order of their names: X (N, ...) and Y int64 (N,)."""
    files = sorted(source.glob("*.pt")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source} holds no .pt file; name a file, or a folder that has some")
    parts = [tensors.read(path) for path in files]
    for path, (x, _) in zip(files, parts, strict=True):
        if x.shape[1:] != parts[0][0].shape[1:]:
            shapes = f"{tuple(x.shape[1:])}, {files[0]} of {tuple(parts[0][0].shape[1:])}"
            raise InputError(f"{path} has patterns of {shapes}; split them apart")
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
