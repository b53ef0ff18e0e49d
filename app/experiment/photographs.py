"""The photographs of ice for the corruption `frost`, from a folder of the user's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data.transforms.corruptions.frost import DRAWN, Frost
from ..errors import InputError
from ..tables.corruptions import CORRUPTIONS
from ..tables.shape import Extent, plane

_ENDINGS = (".png", ".jpg", ".jpeg")


def frost_of(folder: Path, side: Extent, device: torch.device) -> tuple[Frost, str]:
    """Return `frost` with the first five photographs of a folder by name, and 8 hex digits of their sha256.

    Each is shrunk by the scale in the table, bilinear as OpenCV does. Raises InputError if there are fewer than five,
    or if one is smaller than an image then.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _ENDINGS) if folder.is_dir() else []
    if len(paths) < DRAWN:
        raise InputError(f"--frost {folder} has {len(paths)} photographs, but {DRAWN} are needed. Give a folder with "
                         "frost1 to frost5 of the benchmark, as .png or .jpg")  # fmt: skip
    scale, digest, found = CORRUPTIONS["frost"].at(side, 1)[2], hashlib.sha256(), list[Tensor]()
    for path in paths[:DRAWN]:
        digest.update(path.read_bytes())
        try:
            pixels = np.array(Image.open(path).convert("RGB"))
        except OSError as error:
            raise InputError(f"--frost {folder}: {path.name} is not a readable image. Replace it") from error
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].double()
        size = tuple(round(length * scale) for length in image.shape[2:])
        if any(length < least for length, least in zip(size, plane(side), strict=True)):
            raise InputError(f"--frost {folder}: {path.name} has {size[1]} x {size[0]} pixels at scale {scale:g}, "
                             f"which is smaller than an image of {side}. Use larger photographs")  # fmt: skip
        shrunk = F.interpolate(image, size=size, mode="bilinear", align_corners=False)[0]
        found.append((shrunk + 0.5).floor().to(torch.uint8).to(device))
    return Frost(found), digest.hexdigest()[:8]
