"""Small datasets of fixed bytes, for run IDs hold a fingerprint of a local dataset's files.

Nothing here depends on a library's version: numbers come from SHAKE-256, images are BMP, and the two formats whose
writers note their version (`.parquet`, `.pt`) are files under `data/`, written once by `write_fixed`.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np

FIXED = Path(__file__).parent / "data"
SIDE = 32  # pixels


def noise(seed: str, *shape: int) -> np.ndarray:
    """uint8 noise of a shape."""
    return np.frombuffer(hashlib.shake_256(seed.encode()).digest(int(np.prod(shape))), np.uint8).reshape(shape)


def bmp(seed: str, side: int = SIDE) -> bytes:
    """A square image of noise, 24 bits a pixel; the side is a multiple of 4."""
    pixels = noise(seed, side, side, 3).tobytes()
    head = b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels


def images(folder: Path, splits: dict[str, int], classes: tuple[str, ...] = ("cat", "dog", "owl")) -> None:
    """An image folder: split/class/00.bmp and so on, so many of each class."""
    for split, each in splits.items():
        for name in classes:
            (folder / split / name).mkdir(parents=True)
            for i in range(each):
                (folder / split / name / f"{i:02}.bmp").write_bytes(bmp(f"{folder.name} {split} {name} {i}"))


def fields(folder: Path, *, simulations: int = 12, frames: int = 2, rows: int = 40, columns: int = 12) -> None:
    """Files of two fields at two times of each simulation, their design file, and lists of them in `lists`."""
    folder.mkdir()
    design, lists = ["key, ptw_scale, other"], {"train": [], "val": [], "test": []}
    for number in range(1, simulations + 1):
        key, target = f"nc231213_Sn_id{number:04d}", 0.25 + 1.75 * int(noise(f"target {number}", 1)[0]) / 255
        design.append(f"{key}, {target!r}, {number}")
        for frame in range(frames):
            name = f"{key}_pvi_idx{112 + frame:05d}.npz"
            held = {
                field: (noise(f"{field} {number} {frame}", rows, columns) / 255 + target).astype(np.float32)
                for field in ("rho", "pressure")
            }
            np.savez(folder / name, **held)
            lists["train" if number <= 8 else "val" if number <= 10 else "test"].append(name)
    (folder / "design.csv").write_text("\n".join(design) + "\n")
    beside = folder.with_name(f"{folder.name}-lists")
    beside.mkdir()
    for split, names in lists.items():
        (beside / f"datalist_{split}_samples.txt").write_text("\n".join(names) + "\n")


def build(root: Path) -> Path:
    """Every dataset of the goldens, below a new folder."""
    root.mkdir(parents=True, exist_ok=True)
    images(root / "pets", {"train": 16, "test": 6})
    images(root / "plain", {"train": 20})
    fields(root / "fields")
    shutil.copytree(FIXED, root, dirs_exist_ok=True)
    return root


def write_fixed() -> None:
    """Writes the files under `data/` anew: other bytes, so other run IDs."""
    import pyarrow as pa
    import torch
    from pyarrow import parquet

    (FIXED / "table").mkdir(parents=True, exist_ok=True)
    rows = range(48)
    columns = {
        "image": [{"bytes": bmp(f"table {row}", 16), "path": None} for row in rows],
        "label": [("cat", "dog", "owl")[row % 3] for row in rows],
        "mood": [("calm", "wild")[row // 2 % 2] for row in rows],
        "patient": [f"p{row // 3}" for row in rows],
        "scan": [{"bytes": bmp(f"scan {row}", 8), "path": None} for row in rows],
    }
    parquet.write_table(pa.table(columns), FIXED / "table" / "train-0.parquet", compression="zstd")
    for folder, names in {"signals": {"all": 60}, "splits": {"Train": 48, "Validation": 20, "Test": 20}}.items():
        (FIXED / folder).mkdir(exist_ok=True)
        for name, count in names.items():
            x = torch.from_numpy((noise(f"{folder} {name}", count, 1, 64) / 2550).astype(np.float32))
            y = torch.arange(count) % 14
            x[torch.arange(count), 0, 5 + 4 * y] = 1.0
            low, high = x.amin(2, keepdim=True), x.amax(2, keepdim=True)
            torch.save({"X": (x - low) / (high - low), "Y": y}, FIXED / folder / f"patterns_{name}.pt")
