"""A contact sheet of the corruptions: one image under each of them, at severities 1 to 5.

Without `--image` it is a made picture of 32 px: a sun and a hill, a house with a door and windows, and a tree.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from app.data.transforms.corruptions.applied import corrupted
from app.tables.corruptions import CORRUPTIONS, SEVERITIES

_SETS = ("benchmark", "extra", "c_bar", "own")
_SIDE, _DRAWN = 32, 512  # pixels of the made picture, and of its drawing
_BLOCKS = 2  # of rows, next to each other
_PITCH, _SHOWN, _NAMES, _TOP = 68, 64, 142, 20  # pixels: between pictures, of a picture, of names, above the first row
_DPI = 100


def made_picture() -> Tensor:
    """Return the made picture: uint8 (1, 3, 32, 32)."""
    rows = np.linspace(0, 1, _DRAWN)[:, None, None]
    sky = (1 - rows) * np.array([90, 150, 220]) + rows * np.array([210, 225, 240])
    image = Image.fromarray(np.broadcast_to(sky, (_DRAWN, _DRAWN, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((370, 30, 470, 130), fill=(250, 215, 90))
    draw.ellipse((-200, 330, 750, 1100), fill=(85, 140, 60))
    draw.rectangle((90, 230, 270, 400), fill=(200, 120, 85))
    draw.polygon(((70, 235), (180, 130), (290, 235)), fill=(120, 45, 40))
    draw.rectangle((160, 310, 210, 400), fill=(70, 50, 40))
    for left in (105, 222):
        draw.rectangle((left, 265, left + 36, 300), fill=(235, 235, 200))
    draw.rectangle((385, 290, 410, 420), fill=(95, 65, 40))
    draw.ellipse((325, 160, 470, 330), fill=(35, 95, 45))
    return _tensor(image)


def _tensor(image: Image.Image) -> Tensor:
    small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small).transpose(2, 0, 1).copy())[None]


def names() -> list[str]:
    """Return the corruptions of images, those of histology and frost with photographs excepted."""
    return [name for name, row in CORRUPTIONS.items() if row.set in _SETS and name != "frost"]


def sheet(image: Tensor, seed: int = 0) -> Figure:
    """Return the sheet of an image, uint8 (1, 3, H, W)."""
    rows = -(-len(shown := names()) // _BLOCKS)
    block = _NAMES + (len(SEVERITIES) + 1) * _PITCH
    width, height = _BLOCKS * block, _TOP + rows * _PITCH
    made = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    for place, name in enumerate(shown):
        for severity in (0, *SEVERITIES):
            left = place // rows * block + _NAMES + severity * _PITCH
            bottom = height - _TOP - (place % rows + 1) * _PITCH + _PITCH - _SHOWN
            axes = made.add_axes((left / width, bottom / height, _SHOWN / width, _SHOWN / height))
            changed = corrupted(image, name, severity, seed=seed, rows=torch.zeros(1, dtype=torch.int64))
            above = ("clean", *map(str, SEVERITIES))[severity] if place % rows == 0 else ""
            _draw(axes, changed, "" if severity else name, above)
    return made


def _draw(axes: Axes, image: Tensor, left: str, above: str) -> None:
    axes.imshow(image[0].permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_axis_off()
    axes.text(-0.08, 0.5, left, transform=axes.transAxes, ha="right", va="center", fontsize=9)
    axes.set_title(above, fontsize=9, pad=3)


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="The PNG file to write.")
    parser.add_argument("--image", type=Path, help="A picture, which is resized to 32 px. Default: a made one.")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    image = _tensor(Image.open(asked.image)) if asked.image else made_picture()
    sheet(image, asked.seed).savefig(asked.out, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
