"""The corruptions of `robust`, a row each. Those of the instruments that measure are in `instruments`.

Sources: ImageNet-C and CIFAR-C (arXiv:1903.12261; constants of github.com/hendrycks/robustness, commit 8190fe3), and
ImageNet-C-bar and CIFAR-10-C-bar (arXiv:2102.11273; github.com/facebookresearch/augmentation-corruption, ba4d5a5).
"""

from __future__ import annotations

from ..errors import InputError
from .corruption import Corruption, each
from .instruments import FIELDS, HISTOLOGY, SIGNALS
from .names import suggestion

NONE = "none"

SEVERITIES = (1, 2, 3, 4, 5)
MOST_VALUES = 1 << 24  # of an input, each with a draw
PRIMARY = ("gaussian_noise", "shot_noise", "impulse_noise")  # of the noise hypothesis on images, fixed beforehand
_PRIMARY = {"image": PRIMARY, "signal": ("counting_noise",)}


def primary_of(kind: str) -> tuple[str, ...]:
    """Return the primary corruptions of the noise hypothesis for a kind of inputs. Fields have none."""
    return _PRIMARY.get(kind, ())


_NOISE = (
    Corruption(
        "gaussian_noise", "adds normal noise: standard deviation c of the range", "benchmark",
        of_32=each(0.04, 0.06, 0.08, 0.09, 0.10),
        of_64=each(0.04, 0.08, 0.12, 0.15, 0.18),
        of_224=each(0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    Corruption(
        "shot_noise", "draws each value from a Poisson distribution: c photons at white", "benchmark",
        of_32=each(500, 250, 100, 75, 50),
        of_64=each(250, 100, 50, 30, 15),
        of_224=each(60, 25, 12, 5, 3),
    ),
    Corruption(
        "impulse_noise", "sets a share c of all values to black or white", "benchmark",
        of_32=each(0.01, 0.02, 0.03, 0.05, 0.07),
        of_64=each(0.01, 0.02, 0.05, 0.08, 0.14),
        of_224=each(0.03, 0.06, 0.09, 0.17, 0.27),
    ),
    Corruption(
        "speckle_noise", "multiplies each value by 1 + N(0, c)", "extra",
        of_32=each(0.06, 0.1, 0.12, 0.16, 0.2),
        of_64=each(0.15, 0.2, 0.25, 0.3, 0.35),
        of_224=each(0.15, 0.2, 0.35, 0.45, 0.6),
    ),
)  # fmt: skip
_BLUR = (
    Corruption(
        "defocus_blur", "blurs by a disk: radius, and sigma of its edge", "benchmark", lengths=(0,),
        of_32=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        of_64=((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        of_224=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    Corruption(
        "glass_blur", "blurs, copies each pixel from one at a random offset, and blurs: sigma, offset, rounds",
        "benchmark", lengths=(0, 1),
        of_32=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        of_64=((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        of_224=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    Corruption(
        "motion_blur", "blurs along a line at -45 to 45 degrees: radius, sigma", "benchmark", lengths=(0, 1),
        of_32=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        of_64=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        of_224=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    Corruption(
        "zoom_blur", "averages central zooms from 1 up: largest zoom, step", "benchmark",
        # 1.06 and 1.11: numpy's arange(1, 1.06, 0.01) of the source includes its end
        of_32=((1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        of_64=((1.06, 0.01), (1.11, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        of_224=((1.11, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
    ),
    Corruption(
        "gaussian_blur", "blurs: sigma", "extra", lengths=(0,),
        of_32=each(0.4, 0.6, 0.7, 0.8, 1),
        of_64=each(0.5, 0.75, 1, 1.25, 1.5),
        of_224=each(1, 2, 3, 4, 6),
    ),
)  # fmt: skip
_SNOW_32 = (
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)  # fmt: skip
_WEATHER = (
    Corruption(
        "snow", "adds flakes and whitens: mean, deviation, size, threshold, radius, sigma, share of the image",
        "benchmark", lengths=(2, 4, 5),
        of_32=_SNOW_32,
        of_64=tuple((*row[:6], share) for row, share in zip(_SNOW_32, (0.8, 0.8, 0.7, 0.65, 0.6), strict=True)),
        of_224=(
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    Corruption(
        "frost", "adds a part of a photograph of ice: share of the image, of the photograph, and its scale",
        "benchmark", lengths=(2,),
        of_32=((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
        of_64=((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
        of_224=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    ),
    Corruption(
        "fog", "adds a cloud by diamond-square: strength, decay", "benchmark",
        of_32=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        of_64=((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        of_224=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    Corruption(
        "spatter", "adds drops of water (1-3) or mud (4-5): mean, deviation, sigma, threshold, strength, mud",
        "extra", lengths=(2,), colour=True, revision=2,
        of_32=(
            (0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        of_64=(
            (0.62, 0.1, 0.7, 0.7, 0.6, 0), (0.65, 0.1, 0.8, 0.7, 0.6, 0), (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1), (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        of_224=(
            (0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
    ),
    Corruption(
        "frost_procedural", "as frost, with a generated texture of ice in place of photographs", "own",
        of_32=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        of_64=((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        of_224=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
)  # fmt: skip
_LIGHT = each(0.1, 0.2, 0.3, 0.4, 0.5)
_FLAT = each(0.4, 0.3, 0.2, 0.1, 0.05)
_COLOUR = (
    Corruption(
        "brightness", "adds c to the value of HSV", "benchmark",
        of_32=each(0.05, 0.1, 0.15, 0.2, 0.3), of_64=_LIGHT, of_224=_LIGHT,
    ),
    Corruption(
        "contrast", "moves each channel towards its mean, to a share c of its range", "benchmark",
        of_32=each(0.75, 0.5, 0.4, 0.3, 0.15), of_64=_FLAT, of_224=_FLAT,
    ),
    Corruption(
        "saturate", "changes the saturation of HSV: factor, shift", "extra", colour=True,
        of_32=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        of_64=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        of_224=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    ),
)  # fmt: skip
_DIGITAL = (
    Corruption(
        "elastic_transform", "moves three points and displaces pixels: strength, sigma, shift, in shares of the side",
        "benchmark",
        of_32=((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        of_64=((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
        of_224=tuple(  # shares of 244, as published
            tuple(244 / 224 * share for share in row)
            for row in ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
        ),
    ),
    Corruption(
        "pixelate", "shrinks to a share c of the side and enlarges, by boxes", "benchmark",
        of_32=each(0.95, 0.9, 0.85, 0.75, 0.65),
        of_64=each(0.9, 0.8, 0.7, 0.6, 0.5),
        of_224=each(0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    Corruption(
        "jpeg_compression", "compresses as JPEG: quality", "benchmark",
        of_32=each(80, 65, 58, 50, 40),
        of_64=each(65, 58, 50, 40, 25),
        of_224=each(25, 18, 15, 10, 7),
    ),
)  # fmt: skip
_C_BAR = (
    Corruption(
        "blue_noise_sample", "blackens pixels where blue noise is below a threshold: severity of C-bar", "c_bar",
        of_32=each(0.7, 1.4, 2.1, 3.5, 4.2), of_64=each(0.8, 1.6, 2.4, 4, 5.6), of_224=each(0.8, 1.6, 2.4, 4, 5.6),
    ),
    Corruption(
        "brownish_noise", "adds noise with a spectrum that falls with the frequency: severity of C-bar", "c_bar",
        of_32=each(2.5, 4, 5.5, 6.5, 7), of_64=each(1, 2, 3, 4, 5), of_224=each(1, 2, 3, 4, 5),
    ),
    Corruption(
        "checkerboard_cutout", "greys squares of a turned chessboard: severity of C-bar", "c_bar",
        of_32=each(1, 2, 3, 4, 5), of_64=each(2, 3, 4, 5, 6), of_224=each(2, 3, 4, 5, 6),
    ),
)  # fmt: skip
_ROWS = (*_NOISE, *_BLUR, *_WEATHER, *_COLOUR, *_DIGITAL, *_C_BAR, *HISTOLOGY, *SIGNALS, *FIELDS)
CORRUPTIONS = {row.name: row for row in _ROWS}


def parsed(text: str) -> tuple[str, int] | None:
    """Return the name and the severity of a text such as `gaussian_noise:3`, or None for `none`. Raises InputError."""
    if text == NONE:
        return None
    name, _, severity = text.partition(":")
    known = [row.name for row in CORRUPTIONS.values() if row.kind == "image" and row.name != "frost"]
    if name == "frost":
        raise InputError("corrupt_train=frost needs photographs, which are not part of a run. Use frost_procedural:3")
    if name not in known:
        raise InputError(f"unknown corruption {name!r}. {suggestion(name, known)}")
    if severity not in map(str, SEVERITIES):
        raise InputError(f"corrupt_train={text} has the severity {severity!r}. Use 1 to 5, such as {name}:3")
    return name, int(severity)


def canonical(text: str) -> str:
    """Return the text. Raises InputError as `parsed` does."""
    parsed(text)
    return text
