"""Models that timm builds: the CIFAR zoo's shapes, at any patch, image, width or depth, and any of timm's by name.

This module is imported by the config, because the counts are those of the models built here. `app/models/zoo.py` adds
weights. The parameters have timm's names, so that weights can be exchanged with timm. Dropout is where timm has it:
after embeddings, projections and MLPs (cait, swin, mlpmixer), before the head (convmixer, mobilevit, vgg, timm/NAME).
None of them drops layers: the zoo's CaiT does, in eval mode too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..tables.models import TIMM
from .zoo import SWIN_HEADS, SWIN_WINDOW

if TYPE_CHECKING:
    from torch import nn

_VGG19 = (1, 1, 0, 2, 2, 0, 4, 4, 4, 4, 0, 8, 8, 8, 8, 0, 8, 8, 8, 8, 0)  # widths of `width`; 0 is a max-pool


def cait(
    *,
    image: int,
    patch: int,
    channels: int,
    classes: int,
    d_model: int,
    depth: int,
    heads: int,
    mlp_ratio: float,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> nn.Module:
    """Return a CaiT (arXiv:2103.17239): talking heads, LayerScale by depth (table 1), two blocks of class attention."""
    from timm.models.cait import Cait

    scale = 0.1 if depth <= 18 else 1e-5 if depth <= 24 else 1e-6
    return Cait(
        img_size=image, patch_size=patch, in_chans=channels, num_classes=classes, embed_dim=d_model, depth=depth,
        num_heads=heads, mlp_ratio=mlp_ratio, mlp_ratio_token_only=mlp_ratio, qkv_bias=False, init_values=scale,
        pos_drop_rate=dropout, proj_drop_rate=dropout, drop_path_rate=drop_path,
    )  # fmt: skip


def swin(
    *,
    image: int,
    patch: int,
    channels: int,
    classes: int,
    width: int,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> nn.Module:
    """Return a Swin-T (arXiv:2103.14030) with windows of 4 x 4. `width` is that of its first stage."""
    from timm.models.swin_transformer import SwinTransformer

    return SwinTransformer(
        img_size=image, patch_size=patch, in_chans=channels, num_classes=classes, embed_dim=width,
        depths=(2, 2, 6, 2), num_heads=SWIN_HEADS, window_size=SWIN_WINDOW, qkv_bias=False,
        proj_drop_rate=dropout, drop_path_rate=drop_path,
    )  # fmt: skip


def convmixer(
    *,
    image: int,
    patch: int,
    channels: int,
    classes: int,
    d_model: int,
    depth: int,
    kernel: int = 8,
    dropout: float = 0.0,
) -> nn.Module:
    """Return a ConvMixer (arXiv:2201.09792), for any image that its patches divide. `kernel` is in patches."""
    from timm.models.convmixer import ConvMixer

    assert image % patch == 0
    return ConvMixer(
        dim=d_model, depth=depth, kernel_size=kernel, patch_size=patch, in_chans=channels,
        num_classes=classes, drop_rate=dropout,
    )  # fmt: skip


def mlpmixer(
    *,
    image: int,
    patch: int,
    channels: int,
    classes: int,
    d_model: int,
    depth: int,
    mlp_ratio: float,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> nn.Module:
    """Return an MLP-Mixer (arXiv:2105.01601).

    `mlp_ratio` is that of the channels' MLP. The hidden layer of the tokens' MLP has half of d_model.
    """
    from timm.models.mlp_mixer import MlpMixer

    return MlpMixer(
        img_size=image, patch_size=patch, in_chans=channels, num_classes=classes, embed_dim=d_model,
        num_blocks=depth, mlp_ratio=(0.5, mlp_ratio), proj_drop_rate=dropout, drop_path_rate=drop_path,
    )  # fmt: skip


def mobilevit(*, image: int, channels: int, classes: int, width: int, dropout: float = 0.0) -> nn.Module:
    """Return a MobileViT, the XXS (arXiv:2110.02178) at `width` 16, with the zoo's MLP ratios.

    `width` is that of its stem. Its patches are 2 x 2 of a map.
    """
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg

    def inverted(times: int, features: float, stride: int) -> ByoBlockCfg:
        kinds = {"bottle_in": True, "linear_out": True}
        return ByoBlockCfg(
            type="bottle", d=times, c=round(features * width), s=stride, gs=1, br=2.0, block_kwargs=kinds
        )

    def attending(features: float, inner: float, depth: int, ratio: float) -> tuple[ByoBlockCfg, ByoBlockCfg]:
        d_model = 4 * max(1, round(inner * width / 4))  # of 4 heads
        cells = {"transformer_dim": d_model, "transformer_depth": depth, "patch_size": 2, "mlp_ratio": ratio}
        return inverted(1, features, 2), ByoBlockCfg(
            type="mobilevit", d=1, c=round(features * width), s=1, block_kwargs=cells
        )

    assert image > 32
    blocks = (
        inverted(1, 1, 1), inverted(3, 1.5, 2),
        attending(3, 4, 2, 2.0), attending(4, 5, 4, 4.0), attending(5, 6, 3, 4.0),
    )  # fmt: skip
    shape = ByoModelCfg(
        blocks=blocks, stem_chs=width, stem_type="3x3", stem_pool="", downsample="", act_layer="silu",
        num_features=20 * width,
    )  # fmt: skip
    return ByobNet(shape, num_classes=classes, in_chans=channels, drop_rate=dropout)


def vgg(*, image: int, channels: int, classes: int, width: int, dropout: float = 0.0) -> nn.Module:
    """Return a VGG-19 with batch norm (arXiv:1409.1556) and CIFAR's head, one linear map on the pooled features."""
    from timm.layers import ClassifierHead
    from timm.models.vgg import VGG
    from torch import nn

    assert image >= 32
    shape = [times * width if times else "M" for times in _VGG19]
    # mlp_ratio: keeps ImageNet's head, of 4096 features, as small as possible until it is replaced
    model: Any = VGG(shape, num_classes=classes, in_chans=channels, norm_layer=nn.BatchNorm2d, mlp_ratio=1 / 4096)
    model.pre_logits = nn.Identity()
    model.head = ClassifierHead(8 * width, classes, drop_rate=dropout)
    return model


def named(
    *, name: str, image: int, channels: int, classes: int, dropout: float = 0.0, drop_path: float = 0.0, **more: Any
) -> nn.Module:
    """Return timm's model of a name (`resnet18`, `vit_base_patch16_384.augreg_in1k`).

    A model that is built for a fixed image side gets the given one. `more` is passed to timm's `create_model`. Raises
    InputError for an unknown name, and for an option that the model does not accept.
    """
    import timm

    check_name(name)
    arguments = more | ({"img_size": image} if _is_fixed(name) else {}) | ({"drop_rate": dropout} if dropout else {})
    arguments |= {"drop_path_rate": drop_path} if drop_path else {}
    try:
        model = timm.create_model(name, num_classes=classes, in_chans=channels, **arguments)
    except (OSError, ValueError, RuntimeError, AssertionError, TypeError) as error:
        if drop_path and "drop_path_rate" in str(error):
            raise InputError(
                f"drop_path={drop_path} has no effect on timm/{name}, which has no stochastic depth. Use --drop-path 0"
            ) from error
        options = {"image": image, "dropout": dropout} | ({"drop_path": drop_path} if drop_path else {})
        given = ", ".join(f"{option}={value}" for option, value in options.items())
        raise InputError(
            f"timm/{name} cannot be built with {given}, channels={channels} ({first_line(error)}). Change these "
            "values, or use another model"
        ) from error
    _check_patches(model, image)
    return model


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return str(error).split("\n")[0].rstrip(".") or type(error).__name__


def _check_patches(model: nn.Module, image: int) -> None:
    """Raise InputError if a patch embedding without overlap would ignore a margin of the image."""
    from torch import nn

    patches: Any = getattr(model, "patch_embed", None)
    projection: Any = getattr(patches, "proj", None)
    if not isinstance(projection, nn.Conv2d) or getattr(patches, "dynamic_img_pad", False):
        return
    for patch, stride in zip(projection.kernel_size, projection.stride, strict=True):
        if patch == stride and image % patch:
            low = image // patch * patch
            near = " or ".join(str(fit) for fit in (low, low + patch) if fit)
            raise InputError(f"image={image} is not a multiple of this model's patch={patch}. Use --image {near}")


def check_name(name: str) -> None:
    """Raise InputError with the closest names unless timm has a model of that name, including its tag if it has one."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(f'`timm/{close}`' for close in near)}?" if near else "See timm.list_models()"
        raise InputError(f"timm has no model {architecture!r}. {hint}")
    known = [variant.partition(".")[2] for variant in timm.list_models(f"{architecture}.*", pretrained=True)]
    if tag and tag not in known:
        raise InputError(f"timm has no weights {tag!r} of {architecture}. Valid values: {', '.join(known) or 'none'}")


def side_of_weights(name: str) -> int:
    """Return the side in pixels of the images that the published weights of a model were trained on.

    Raises InputError for a name that timm does not have, and for a model without published weights.
    """
    import timm

    check_name(name)
    shape = timm.models.get_pretrained_cfg(name)
    if shape is None or not shape.has_weights:
        raise InputError(f"timm has no weights for {name}. Use another model, or another --recipe")
    return int(shape.input_size[-1])


def _is_fixed(name: str) -> bool:
    """Return whether the model is built for one fixed image side."""
    import timm

    shape = timm.models.get_pretrained_cfg(name)
    return bool(shape and shape.fixed_input_size)


CONSTRUCTORS: dict[str, Callable[..., nn.Module]] = {
    "cait": cait,
    "swin": swin,
    "convmixer": convmixer,
    "mlpmixer": mlpmixer,
    "mobilevit": mobilevit,
    "vgg": vgg,
}


def constructor(family: str, model: str) -> Callable[..., nn.Module]:
    """Return the function that builds a family's model from plain values.

    `timm` is the family of any timm model by name.
    """
    return partial(named, name=model.removeprefix(TIMM)) if family == "timm" else CONSTRUCTORS[family]
