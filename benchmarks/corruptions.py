"""Statistics and times of the corruptions: the change of grey levels against the published code, and ms per image.

The published statistics are those of github.com/hendrycks/robustness, commit 8190fe3, on the first 100 rows of the test
file of CIFAR-100. Its motion blur and snow need ImageMagick and were not measured. Those of spatter are of 10 draws
with OpenCV, and with scipy's Gaussian in place of scikit-image's.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pyarrow import parquet
from torch import Tensor
from torch.nn import functional as F

from app.data.transforms.corruptions.applied import corrupted
from app.tables.corruptions import CORRUPTIONS

SHOWN = (1, 3, 5)  # severities
# Mean |change| in grey levels, and the mean over images of the ratio of standard deviations, at these severities
PUBLISHED = {
    "gaussian_noise": ((7.99, 1.020), (15.72, 1.072), (19.47, 1.106)),
    "shot_noise": ((5.82, 1.013), (12.83, 1.057), (17.97, 1.104)),
    "impulse_noise": ((1.26, 1.032), (3.74, 1.093), (8.95, 1.199)),
    "speckle_noise": ((5.52, 1.011), (10.82, 1.042), (17.64, 1.103)),
    "gaussian_blur": ((1.33, 0.985), (6.27, 0.931), (9.41, 0.895)),
    "defocus_blur": ((1.38, 0.985), (5.02, 0.946), (9.29, 0.910)),
    "glass_blur": ((11.19, 1.000), (11.11, 0.967), (17.40, 0.961)),
    "zoom_blur": ((8.87, 0.949), (12.54, 0.928), (16.62, 0.905)),
    "fog": ((10.97, 0.841), (28.10, 0.654), (39.97, 0.636)),
    "contrast": ((10.90, 0.777), (26.18, 0.480), (37.10, 0.302)),
    "brightness": ((9.76, 1.016), (29.41, 1.030), (54.80, 1.004)),
    "saturate": ((13.39, 0.940), (8.62, 1.070), (28.62, 1.188)),
    "jpeg_compression": ((5.59, 0.993), (7.27, 0.989), (8.36, 0.987)),
    "pixelate": ((1.77, 0.994), (4.12, 0.985), (8.70, 0.964)),
    "elastic_transform": ((22.06, 0.962), (18.05, 0.945), (13.63, 0.944)),
    "spatter": ((1.02, 1.013), (6.84, 1.058), (5.00, 1.045)),
}


def statistics(images: Tensor, changed: Tensor) -> tuple[float, float]:
    """Return the mean |change| in grey levels, and the mean ratio of an image's standard deviations."""
    before, after = images.double(), changed.double()
    ratios = after.flatten(1).std(1) / before.flatten(1).std(1)
    return float((after - before).abs().mean()), float(ratios.mean())


def first_rows(path: Path, count: int = 100, column: str = "img") -> Tensor:
    """Return the first images of a parquet file of CIFAR: uint8 (count, 3, 32, 32)."""
    rows = parquet.read_table(path, columns=[column]).slice(0, count)[column].to_pylist()
    images = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in rows]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def _milliseconds(images: Tensor, name: str, severity: int) -> float:
    """Return the CPU time per image of the second of two calls."""
    rows = torch.arange(len(images))
    for _ in range(2):
        began = time.process_time()
        corrupted(images, name, severity, seed=0, rows=rows)
    return (time.process_time() - began) * 1e3 / len(images)


def main() -> None:
    """Print one line per corruption."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parquet", type=Path, help="The test file of CIFAR-100 from the Hub.")
    parser.add_argument("--large", type=int, default=2, help="Images of 224 px that are timed; 0 times none.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    images = first_rows(asked.parquet)
    large = F.interpolate(images[: asked.large].float(), size=224).to(torch.uint8) if asked.large else None
    print("| corruption | 1 | published | 3 | published | 5 | published | ms at 32 px | ms at 224 px |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, row in CORRUPTIONS.items():
        if name == "frost" or row.kind != "image":  # photographs of frost are not part of the project
            continue
        cells = []
        for place, severity in enumerate(SHOWN):
            found = statistics(images, corrupted(images, name, severity, seed=0, rows=torch.arange(len(images))))
            theirs = PUBLISHED[name][place] if name in PUBLISHED else None
            cells += [f"{found[0]:.2f}, {found[1]:.3f}", f"{theirs[0]:.2f}, {theirs[1]:.3f}" if theirs else ""]
        slow = f"{_milliseconds(large, name, 3):.0f}" if large is not None else ""
        print(f"| `{name}` | {' | '.join(cells)} | {_milliseconds(images, name, 3):.2f} | {slow} |", flush=True)


if __name__ == "__main__":
    main()
