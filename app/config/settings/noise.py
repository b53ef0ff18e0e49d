"""The settings of training under noise: wrong labels, patches of other classes, corrupted training images."""

from __future__ import annotations

from dataclasses import dataclass

from ...tables import corruptions, label_noise
from .declaring import setting

PANEL = "Data: noise"
MOST_DISTRACTORS = 8
_IMAGES = ("image",)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise that a run is trained under. Validation has the noise of training, and test labels are clean."""

    label_noise: str = setting(
        label_noise.NONE, panel=PANEL, kinds=("image", "signal"), spelled=label_noise.canonical,
        metavar="RULE:RATE|FILE",
        help="Train on wrong labels: symmetric:RATE, asymmetric:RATE, or those of a .parquet, .csv or .npy file.",
        differs="confound",
    )  # fmt: skip
    distractors: int = setting(
        0, panel=PANEL, kinds=_IMAGES, least=0, most=MOST_DISTRACTORS,
        help="Paste this many patches of other classes into each training and validation image, at most 8.",
        differs="confound",
    )  # fmt: skip
    test_distractors: int = setting(
        0, panel=PANEL, kinds=_IMAGES, least=0, most=MOST_DISTRACTORS,
        help="Paste this many patches of other classes into each test image, at most 8.", differs="voids",
    )  # fmt: skip
    corrupt_train: str = setting(
        corruptions.NONE, panel=PANEL, kinds=_IMAGES, spelled=corruptions.canonical, metavar="NAME:SEVERITY",
        help="Corrupt training and validation images as `robust` does, such as gaussian_noise:3.", differs="confound",
    )  # fmt: skip
