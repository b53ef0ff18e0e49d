"""The sides, patches and widths that the models built by timm accept. Their counts are measured."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InputError
from ..tables.ranges import MOST, around, check_positive
from ..tables.shape import Shape, side_of
from .vit import check_patches

SWIN_HEADS = (3, 6, 12, 24)
SWIN_WINDOW = 4  # patches per side
MOBILEVIT_SMALLEST = 33  # pixels, from which the last map, a 32nd, contains a patch of 2 x 2
VGG_SMALLEST = 32  # pixels: five max-pools


def _checked(*names: str) -> Callable[[Shape], None]:
    """Return a check that these cells are given and are counts."""

    def check(shape: Shape) -> None:
        if missing := [name for name in names if getattr(shape, name) is None]:
            raise InputError(f"the config has no {', '.join(missing)}. Give every field")
        counts = {name: getattr(shape, name) for name in ("channels", "classes", *names)}
        check_positive(image=side_of(shape.image), **counts, most=MOST)
        if "patch" in names:
            check_patches(shape.image, shape.patch)

    return check


def check_cait(shape: Shape) -> None:
    """Raise InputError for a CaiT that cannot be built."""
    _checked("patch", "d_model", "depth", "heads", "mlp_ratio")(shape)
    if shape.d_model % shape.heads:
        near = around(shape.heads, n=shape.d_model)
        raise InputError(f"d_model={shape.d_model} does not divide into heads={shape.heads} of cait. {near}")


def check_mlpmixer(shape: Shape) -> None:
    """Raise InputError for an MLP-Mixer that cannot be built."""
    _checked("patch", "d_model", "depth", "mlp_ratio")(shape)
    if shape.d_model < 2 or int(shape.d_model * shape.mlp_ratio) < 1:
        raise InputError(
            f"d_model={shape.d_model} with mlp_ratio={shape.mlp_ratio} leaves the MLP without a hidden layer. Use a "
            "larger mlp_ratio"
        )


def check_swin(shape: Shape) -> None:
    """Raise InputError for a Swin that cannot be built."""
    _checked("patch", "width")(shape)
    if shape.width % SWIN_HEADS[0]:
        low = shape.width // SWIN_HEADS[0] * SWIN_HEADS[0]
        near = " or ".join(str(width) for width in (low, low + SWIN_HEADS[0]) if width)
        raise InputError(f"width={shape.width} does not divide into swin's {SWIN_HEADS[0]} heads. Use {near}")


def check_mobilevit(shape: Shape) -> None:
    """Raise InputError for a MobileViT that cannot be built."""
    _checked("width")(shape)
    if side_of(shape.image) < MOBILEVIT_SMALLEST:
        raise InputError(
            f"image={shape.image} is too small for mobilevit: its last map would be 1 x 1, less than a patch of 2 x 2. "
            f"Use {MOBILEVIT_SMALLEST} or more. The smallest multiple of 32 is 64"
        )


def check_vgg(shape: Shape) -> None:
    """Raise InputError for a VGG that cannot be built."""
    _checked("width")(shape)
    if side_of(shape.image) < VGG_SMALLEST:
        raise InputError(f"image={shape.image} is too small for vgg's five max-pools. Use {VGG_SMALLEST} or more")


def idle_kernel(shape: Shape) -> str:
    """Return a sentence if weights of a ConvMixer's kernel meet no patch, else an empty text.

    Around a map of n x n patches are zeros, so a kernel reaches n - 1 patches in each direction.
    """
    if shape.kernel is None or shape.patch is None:
        return ""
    patches = side_of(shape.image) // shape.patch
    if shape.kernel < 2 * patches:
        return ""
    return (
        f"--kernel {shape.kernel} reaches beyond the map of {patches} x {patches} patches from each of them: "
        f"{shape.kernel**2 - (2 * patches - 1) ** 2:,} of its {shape.kernel**2:,} weights see zeros only. Use --kernel "
        f"{2 * patches - 1} or less, or a smaller --patch"
    )


CHECKS: dict[str, Callable[[Shape], None]] = {
    "cait": check_cait,
    "swin": check_swin,
    "convmixer": _checked("patch", "d_model", "depth", "kernel"),
    "mlpmixer": check_mlpmixer,
    "mobilevit": check_mobilevit,
    "vgg": check_vgg,
    "timm": _checked(),
}
