"""Splitting powder patterns of `.pt` files into train and validation files, with the same share of each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ... import draws
from ...errors import InputError
from ...system import durable
from ...tables.synthetic import MANIFEST, SPLITS
from ..splits.holdout import held_out
from . import symmetry, tensors

_SPLIT = 0x5918  # the purpose of a key of draws, in addition to those of `draws`


def split(source: Path, out: Path, *, tag: str, val_fraction: float, seed: int) -> dict[str, int]:
    """Write `{tag}_Train.pt` and `{tag}_Validation.pt` of {'X', 'Y'}, and return their rows by path.

    The files that define the labels are copied too. Raises InputError for files without patterns, for rows of different
    lengths, and for a target that exists.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f"--val-fraction {val_fraction:g} is out of range. Use a number between 0 and 1")
    targets = [out / f"{tag}_{part}.pt" for part in SPLITS[:2]]
    for path in targets:
        if path.exists():
            raise InputError(f"{path} exists already. Give --out a new folder, or another --tag")
    beside = _beside(source, out)
    patterns, labels = gathered(source)
    chosen = held_out(labels, None, fraction=val_fraction, stream=draws.key(_SPLIT, seed))
    if not chosen.any() or chosen.all():
        raise InputError(
            f"{len(labels):,} patterns are too few to hold out a share of {val_fraction:g}. Use a larger share"
        )
    for path, held in beside.items():
        with durable.replacing(path, wanted=len(held)) as aside:
            aside.write_bytes(held)
    rows = {}
    for path, mask in zip(targets, (~chosen, chosen), strict=True):
        tensors.write(path, patterns[mask], labels[mask])
        rows[str(path)] = int(mask.sum())
    return rows


def _beside(source: Path, out: Path) -> dict[Path, bytes]:
    """Return the other files that readers use, by their path in `out`: the labels' mapping and the manifest.

    Raises InputError if a file with other contents exists there.
    """
    folder = source if source.is_dir() else source.parent
    there = [name for name in (*symmetry.MAPPINGS, MANIFEST) if (folder / name).is_file()]
    found = {out / name: (folder / name).read_bytes() for name in there}
    for path, held in found.items():
        if path.exists() and path.read_bytes() != held:
            raise InputError(f"{path} exists already with other contents. Give --out a new folder")
    return {path: held for path, held in found.items() if not path.exists()}


def gathered(source: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return all rows of a file, or of a folder's files sorted by name: float32 (N, L) and labels int64 (N,)."""
    files = tensors.pattern_files(source)
    if not files:
        raise InputError(f"{source} contains no .pt file. Name a file, or a folder that contains some")
    parts = [_usable(path) for path in files]
    for path, (patterns, _) in zip(files, parts, strict=True):
        if patterns.shape[1:] != parts[0][0].shape[1:]:
            lengths = f"{patterns.shape[1]:,} points, {files[0]} of {parts[0][0].shape[1]:,}"
            raise InputError(f"{path} has patterns of {lengths}. Split each length separately")
    return np.concatenate([patterns for patterns, _ in parts]), np.concatenate([labels for _, labels in parts])


def _usable(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a file's rows. Raise InputError for values that are not finite and for labels below 0."""
    patterns, labels = tensors.read(path)
    with np.errstate(over="ignore"):
        patterns = patterns.astype(np.float32, copy=False)
    if not np.isfinite(patterns).all() or labels.min() < 0:
        raise InputError(f"{path} has values that are not finite, or labels below 0. Fix or remove these rows")
    return patterns, labels
