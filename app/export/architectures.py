"""The architecture of timm, and the configuration of transformers, that compute what a run's model computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..config.effects import kind_of
from ..config.run import RunConfig
from ..counts.resnet import is_small
from ..counts.vit import ATTENTIONS
from ..errors import InputError
from ..tables.models import TIMM
from ..tables.shape import extent, plane

# architectures of timm's VisionTransformer, whose other arguments are all given, by the epsilon of their norms
_VITS: dict[float, tuple[str, dict[str, Any]]] = {
    1e-6: ("vit_base_patch16_224", {}),
    1e-5: ("vit_base_patch16_clip_224", {"pre_norm": False}),
}
_ATTENTIONS = {"classic": {}, "differential": {"attn_layer": "diff"}}
_WIDTH = 64  # of the first stage of timm's ResNets


class Architecture(NamedTuple):
    """A model that timm builds by name: the name, the arguments of `create_model`, and two of its layers."""

    name: str
    arguments: dict[str, Any]
    first: str = ""  # the first convolution; empty: timm's own
    head: str = ""  # the classifier; empty: timm's own
    fixed: bool = True  # whether it is built for one image side


def of_timm(config: RunConfig) -> Architecture:
    """Return timm's counterpart of a run's model. Raises InputError for a model that has none."""
    if (build := _OF_FAMILY.get(config.family.name)) is None:
        raise _unlike("timm", config, f"of its family {config.family.name}")
    return build(config)


def of_transformers(config: RunConfig) -> dict[str, Any]:
    """Return the fields of transformers' `ViTConfig` for a run's model. Raises InputError for a model that has none."""
    _require_images("transformers", config)
    if config.family.name != "vit":
        raise _unlike("transformers", config, f"of its family {config.family.name}")
    _require_layers("transformers", config, attentions=("classic",), poolings=("cls",))
    shape, (height, width) = config.shape, plane(config.image)
    return {
        "model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": [height, width],
        "patch_size": shape.patch, "num_channels": config.channels, "hidden_size": shape.d_model,
        "num_hidden_layers": shape.depth, "num_attention_heads": shape.heads,
        "intermediate_size": int(shape.d_model * shape.mlp_ratio), "qkv_bias": shape.qkv_bias, "hidden_act": "gelu",
        "layer_norm_eps": shape.norm_eps, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip


def _unlike(library: str, config: RunConfig, what: str) -> InputError:
    return InputError(
        f"{library} has no model like {config.model} ({what}). Use `export --format onnx`, which takes any model"
    )


def _require_images(library: str, config: RunConfig) -> None:
    """Raise InputError for a run on anything but images."""
    if (kind := kind_of(config.dataset)) != "image":
        raise _unlike(library, config, f"its inputs are {kind}s")


def _require_layers(library: str, config: RunConfig, *, attentions: tuple[str, ...], poolings: tuple[str, ...]) -> None:
    """Raise InputError for a ViT with a layer that the library's ViT does not have."""
    shape = config.shape
    wanted = {"attention": attentions, "pooling": poolings, "norm": ("layer",), "patching": ("linear",)}
    for name, known in wanted.items():
        if (value := getattr(shape, name)) not in known:
            raise _unlike(library, config, f"{name} {value}")
    width = shape.head_width or 0
    if width and width * ATTENTIONS[shape.attention].parts * shape.heads != shape.d_model:
        raise _unlike(library, config, f"{shape.heads} heads of width {width} do not fill d_model {shape.d_model}")


def _vit(config: RunConfig) -> Architecture:
    _require_layers("timm", config, attentions=tuple(_ATTENTIONS), poolings=("cls", "mean"))
    if len(extent(config.image)) == 1:
        raise _unlike("timm", config, "its inputs are signals")
    shape = config.shape
    if shape.norm_eps not in _VITS:
        raise _unlike("timm", config, f"norm_eps {shape.norm_eps:g}")
    name, more = _VITS[shape.norm_eps]
    arguments = {
        "img_size": list(plane(config.image)), "patch_size": shape.patch, "embed_dim": shape.d_model,
        "depth": shape.depth, "num_heads": shape.heads, "mlp_ratio": shape.mlp_ratio, "qkv_bias": shape.qkv_bias,
    }  # fmt: skip
    pooled = {"class_token": False, "global_pool": "avg"} if shape.pooling == "mean" else {}
    return Architecture(name, arguments | _ATTENTIONS[shape.attention] | pooled | more, "patch_embed.proj", "head")


def _resnet(config: RunConfig) -> Architecture:
    if is_small(config.image):
        raise _unlike("timm", config, "images below 64 px have the stem of CIFAR")
    if config.shape.width != _WIDTH:
        raise _unlike("timm", config, f"width {config.shape.width}")
    return Architecture(f"resnet{config.shape.depth}", {}, fixed=False)


def _cait(config: RunConfig) -> Architecture:
    shape = config.shape
    arguments = {
        "img_size": list(plane(config.image)), "patch_size": shape.patch, "embed_dim": shape.d_model,
        "depth": shape.depth, "num_heads": shape.heads, "mlp_ratio": shape.mlp_ratio,
        "mlp_ratio_token_only": shape.mlp_ratio, "qkv_bias": False, "init_values": 1e-5,
    }  # fmt: skip  # the initial values of LayerScale are replaced by the weights
    return Architecture("cait_s24_224", arguments)


def _swin(config: RunConfig) -> Architecture:
    from ..counts.zoo import SWIN_WINDOW

    arguments = {
        "img_size": list(plane(config.image)), "patch_size": config.shape.patch, "embed_dim": config.shape.width,
        "window_size": SWIN_WINDOW, "qkv_bias": False,
    }  # fmt: skip
    return Architecture("swin_tiny_patch4_window7_224", arguments)


def _named(config: RunConfig) -> Architecture:
    import timm

    name = config.model.removeprefix(TIMM)
    known = timm.models.get_pretrained_cfg(name)
    return Architecture(name.partition(".")[0], {}, fixed=bool(known and known.fixed_input_size))


_OF_FAMILY: dict[str, Callable[[RunConfig], Architecture]] = {
    "vit": _vit, "resnet": _resnet, "cait": _cait, "swin": _swin, "timm": _named,
}  # fmt: skip
