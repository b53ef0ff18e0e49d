"""Small files of fields and of patterns, in the published formats."""

import numpy as np
import torch

ROWS, COLUMNS = 40, 12  # of a field; the published part begins at row 800


def fields(folder, *, simulations=10, frames=2, names=("rho",), rows=ROWS, columns=COLUMNS, seed=0):
    """`.npz` files of random fields, a few numbers higher where the target is, and their design file."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    lines = ["key, ptw_scale     , other"]
    for number in range(1, simulations + 1):
        key, target = f"nc231213_Sn_id{number:04d}", draw.uniform(0.25, 2)
        lines.append(f"{key}, {target!r}, {number}")
        for frame in range(frames):
            held = {name: (draw.random((rows, columns)) + target).astype(np.float32) for name in names}
            np.savez_compressed(folder / f"{key}_pvi_idx{112 + frame:05d}.npz", **held, sim_time=np.float64(22.2))
    (folder / "design.csv").write_text("\n".join(lines) + "\n")
    return folder


def patterns(path, count=60, *, length=64, classes=4, flat=False, background=1e-3, seed=0, labels=None):
    """A `.pt` file of patterns with one line per class, scaled to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes if labels is None else torch.as_tensor(labels)
    x = 0.1 * torch.rand(count, 1, length, generator=draw)
    x[torch.arange(count), 0, (5 + 7 * y) % length] = 1.0
    x -= x.amin(2, keepdim=True)
    x = x / x.amax(2, keepdim=True) + background
    torch.save({"X": x[:, 0] if flat else x, "Y": y}, path)
    return path
