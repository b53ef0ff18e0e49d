"""Checkpoints of the CIFAR zoo as our weights: github.com/kentaroy47/vision-transformers-cifar10, and its forks.

Its trainers save {"net" or "model": weights, ...} with `torch.save`, as `.t7` or `.pth`. Its ViTs lay out a patch as
rows, columns, channels, and ours as channels, rows, columns. Heads are 64 wide, images have three channels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...counts.resnet import DEPTHS
from ...data.sources import tensors
from ...errors import InputError
from ...system.printable import printable
from ...tables.models import MODELS

if TYPE_CHECKING:
    from torch import Tensor

# of each channel of CIFAR-10: by which the zoo divides, and that of its training images; its means are the same
_ZOO_STD, _STD = (0.2023, 0.1994, 0.2010), (0.2470, 0.2435, 0.2616)
NETS = ("vit", "vit_small", "vit_tiny", "simplevit", "dyt", "res18", "res34", "res50", "res101", "convmixer", "vgg")
_CHANNELS, _HEAD, _SHIFTED = 3, 64, 5  # SPT stacks an image and four shifts
_FIRST = (
    "conv1.weight",
    "features.0.weight",
    "stem.0.weight",
    "patches.projection.weight",
)  # of a net: its first layer
_PARALLEL = "module."  # which DataParallel puts before every name
_LAYER = r"transformer\.layers\.(\d+)\."
_VIT = (
    (r"pos_embedding", "positions"), (r"cls_token", "cls"),
    (r"to_patch_embedding\.1\.", "patches.projection."),
    (r"to_patch_embedding\.to_patch_tokens\.1\.", "patches.norm."),
    (r"to_patch_embedding\.to_patch_tokens\.2\.", "patches.projection."),
    (_LAYER + r"0\.norm\.", r"blocks.\1.norm_attention."),
    (_LAYER + r"0\.(?:fn\.)?to_qkv\.", r"blocks.\1.attention.qkv."),
    (_LAYER + r"0\.(?:fn\.)?to_out\.(?:0\.)?", r"blocks.\1.attention.projection."),
    (_LAYER + r"0\.fn\.temperature", r"blocks.\1.attention.log_temperature"),
    (_LAYER + r"1\.norm\.", r"blocks.\1.norm_mlp."),
    (_LAYER + r"1\.fn\.net\.0\.", r"blocks.\1.mlp.expand."), (_LAYER + r"1\.fn\.net\.3\.", r"blocks.\1.mlp.contract."),
    (_LAYER + r"1\.net\.0\.", r"blocks.\1.norm_mlp."), (_LAYER + r"1\.net\.1\.", r"blocks.\1.mlp.expand."),
    (_LAYER + r"1\.net\.3\.", r"blocks.\1.mlp.contract."),
    (r"(?:mlp|linear)_head\.0\.", "norm."), (r"(?:mlp|linear)_head\.1\.", "head."),
)  # fmt: skip
_RESNET = (
    (r"linear\.", "fc."), (r"(layer\d\.\d+)\.shortcut\.(\d)\.", r"\1.downsample.\2."),
    (r"(layer\d\.\d+\.(?:conv|bn)\d\.)", r"\1"), (r"((?:conv|bn)1\.)", r"\1"),
)  # fmt: skip

_VGG = ((r"features\.", "features."), (r"classifier\.", "head.fc."))
_VGG19 = 16  # convolutions
_OTHER_NETS = {  # of the zoo, which are not converted: a tensor's name -> the net
    r"(patch|cls)_transformer\.": "cait", r"stage\d\.patch_partition\.": "swin", r"mvit\.\d": "mobilevit",
    r"\d+\.0\.norm\.": "mlpmixer", r"blocks\.\d+\.attn\.qkv\.": "vit_timm",
}  # fmt: skip


class Converted(NamedTuple):
    """Weights by our names, and the model that they are of."""

    model: str
    cells: dict[str, Any]  # of its shape, and the side of its images
    classes: int
    weights: dict[str, Tensor]
    note: str = ""  # what a reader of the test's result should know

    @property
    def dataset(self) -> str:
        """Return the dataset of the zoo with this number of classes, or "" for none."""
        return {10: "cifar10", 100: "cifar100"}.get(self.classes, "")

    def options(self) -> str:
        """Return the model as options of `train`: cells that its row already has are omitted."""
        row = {"image": 32, **MODELS[self.model].cells}
        changed = {name: value for name, value in self.cells.items() if row.get(name) != value}
        more = [f"--{name.replace('_', '-')} {value:g}" for name, value in changed.items()]
        return " ".join([f"--model {self.model}", *more])


def convert(source: Path, target: Path) -> Converted:
    """Read a checkpoint as plain tensors, write its weights as safetensors, and return what they are.

    Raises InputError for a file that is not a checkpoint of one of `NETS`, or that would execute code when read.
    """
    from ...artifacts import checkpoint  # and torch

    found = normalised(converted(_weights(source), printable(source)))
    written = {name: tensor.detach().float().contiguous() for name, tensor in sorted(found.weights.items())}
    for name, tensor in found.weights.items():
        if not tensor.is_floating_point():  # a counter of batches
            written[name] = tensor
    checkpoint.save_tensors(target, written)
    return found


def converted(weights: Mapping[str, Tensor], where: str) -> Converted:
    """Return the weights of a net of the zoo by our names, and its model. Raises InputError."""
    plain = {name.removeprefix(_PARALLEL): tensor for name, tensor in weights.items()}
    try:
        if "linear.weight" in plain and "layer4.0.conv1.weight" in plain:
            return _resnet(plain, where)
        if any(name.startswith("transformer.layers.0.1.") for name in plain):
            return _vit(plain, where)
        if "classifier.weight" in plain and "features.0.weight" in plain:
            return _vgg(plain, where)
        if "3.0.fn.0.weight" in plain and all(name.split(".")[0].isdigit() for name in plain) and "3.1.weight" in plain:
            return _convmixer(plain)
    except (KeyError, RuntimeError) as error:  # a tensor is missing or has another number of axes
        raise _unknown(where) from error
    raise _unknown(where, plain)


def normalised(found: Converted) -> Converted:
    """Return the weights for images that are divided by the standard deviation of CIFAR-10, not by the zoo's.

    A first layer is multiplied by the ratio of both, channel by channel. That of shifted patches follows a norm, so it
    stays as it is, and the note states this. On CIFAR-100, the zoo divides by the standard deviation of its images.
    """
    import torch

    if found.dataset != "cifar10":
        return found
    theirs, ours = (f"{red:.4f}, {green:.4f} and {blue:.4f}" for red, green, blue in (_ZOO_STD, _STD))
    shown = f"the zoo divides red, green and blue of CIFAR-10 by {theirs}, and isoscale by {ours}, their deviation"
    first = next(name for name in _FIRST if name in found.weights)
    if "patches.norm.weight" in found.weights:
        return found._replace(note=f"{shown}. {found.model} normalises shifted patches, so its result may differ")
    ratio = (torch.tensor(_STD) / torch.tensor(_ZOO_STD)).view(1, -1, 1, 1)
    weights = found.weights | {first: found.weights[first].float() * ratio}
    return found._replace(
        weights=weights, note=f"{shown}. {first} is rescaled by channel, so that the outputs are the same"
    )


def _weights(source: Path) -> dict[str, Tensor]:
    import torch

    held = tensors.load(source)
    for name in ("net", "model", "state_dict"):
        if isinstance(held, Mapping) and isinstance(held.get(name), Mapping):
            held = held[name]
            break
    if not isinstance(held, Mapping) or not held or not all(isinstance(each, torch.Tensor) for each in held.values()):
        raise _unknown(printable(source))
    return {str(name): tensor for name, tensor in held.items()}


def _unknown(where: str, plain: Mapping[str, Tensor] | None = None) -> InputError:
    for pattern, net in _OTHER_NETS.items():
        if any(re.match(pattern, name) for name in plain or ()):
            differ = f"its layers differ from those of --model {net} here"
            why = "--pretrained starts from timm's weights" if net == "vit_timm" else differ
            return InputError(
                f"{where} is of the zoo's net {net}, which is not converted: {why}. Give one of the nets "
                f"{', '.join(NETS)}, or train --model {net}"
            )
    return InputError(
        f"{where} is not a checkpoint of the CIFAR zoo that can be converted. Give one of the nets {', '.join(NETS)}, "
        "saved as {'net': ...}, {'model': ...} or plain weights"
    )


def _renamed(plain: Mapping[str, Tensor], names: tuple[tuple[str, str], ...], where: str) -> dict[str, Tensor]:
    """Return the tensors by our names. Raise InputError for a name that none of the patterns matches."""
    found = {}
    for name, tensor in plain.items():
        for pattern, ours in names:
            if matched := re.match(pattern, name):
                found[matched.expand(ours) + name[matched.end() :]] = tensor
                break
        else:
            raise InputError(f"{where} has the tensor {printable(name)}, which no net of {', '.join(NETS)} has")
    return found


def _resnet(plain: Mapping[str, Tensor], where: str) -> Converted:
    blocks = tuple(len({name.split(".")[1] for name in plain if name.startswith(f"layer{n}.")}) for n in (1, 2, 3, 4))
    bottleneck = "layer1.0.conv3.weight" in plain
    depths = [depth for depth, row in DEPTHS.items() if (row.blocks, row.bottleneck) == (blocks, bottleneck)]
    if not depths:
        raise _unknown(where)
    weights = _renamed(plain, _RESNET, where)
    cells = {"width": len(plain["conv1.weight"])}
    return Converted(f"resnet{depths[0]}", cells, len(weights["fc.bias"]), weights)


def _vgg(plain: Mapping[str, Tensor], where: str) -> Converted:
    if sum(tensor.dim() == 4 for tensor in plain.values()) != _VGG19:
        raise _unknown(where)
    return Converted("vgg", {}, len(plain["classifier.bias"]), _renamed(plain, _VGG, where))


def _convmixer(plain: Mapping[str, Tensor]) -> Converted:
    """Return the weights of a sequence: patches, GELU, norm, blocks, pooling, flattening, head."""
    last = max(int(name.split(".")[0]) for name in plain)
    depth = len({name.split(".")[0] for name in plain if ".0.fn." in name})
    weights = {}
    for name, tensor in plain.items():
        number, _, rest = name.partition(".")
        part = "head" if int(number) == last else f"stem.{number}" if int(number) < 3 else f"blocks.{int(number) - 3}"
        weights[f"{part}.{rest}"] = tensor
    width, _, patch, _ = weights["stem.0.weight"].shape
    kernel = weights["blocks.0.0.fn.0.weight"].shape[-1]
    cells = {"patch": patch, "d_model": width, "depth": depth, "kernel": kernel}
    return Converted("convmixer", cells, len(weights["head.bias"]), weights)


def _vit(plain: Mapping[str, Tensor], where: str) -> Converted:
    weights = _renamed(plain, _VIT, where)
    shifted = "patches.norm.weight" in weights
    pixels, d_model = weights["patches.projection.weight"].shape[1], len(weights["patches.projection.bias"])
    channels = _CHANNELS * (_SHIFTED if shifted else 1)
    patch = isqrt(pixels // channels)
    if patch * patch * channels != pixels:
        raise _unknown(where)
    depth = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    inner = len(weights["blocks.0.attention.qkv.weight"]) // 3
    cells: dict[str, Any] = {
        "patch": patch, "d_model": d_model, "depth": depth, "heads": inner // _HEAD,
        "mlp_ratio": len(weights["blocks.0.mlp.expand.bias"]) / d_model,
    }  # fmt: skip
    cells |= {"head_width": _HEAD} if inner != d_model else {}
    if "positions" in weights:
        cells["image"] = patch * isqrt(weights["positions"].shape[1] - 1)
    for name in ("patches.norm.weight", "patches.norm.bias"):
        if shifted:
            weights[name] = _by_channel(weights[name], patch, channels)
    projection = _by_channel(weights["patches.projection.weight"], patch, channels)
    weights["patches.projection.weight"] = projection if shifted else projection.unflatten(1, (channels, patch, patch))
    return Converted(_net(plain, shifted, cells), cells, len(weights["head.bias"]), weights)


def _net(plain: Mapping[str, Tensor], shifted: bool, cells: Mapping[str, Any]) -> str:
    """Return the name of a ViT of the zoo, which is that of our model too."""
    if shifted:
        tiny = MODELS["vit_tiny"].cells
        return "vit_tiny" if all(cells[name] == tiny[name] for name in ("depth", "heads")) else "vit_small"
    if "linear_head.1.weight" in plain:
        return "simplevit"
    return "dyt" if "mlp_head.0.alpha" in plain else "vit"


def _by_channel(tensor: Tensor, patch: int, channels: int) -> Tensor:
    """Return the last axis, pixels by rows, columns, channels, as channels, rows, columns: (..., p p C)."""
    return tensor.unflatten(-1, (patch, patch, channels)).movedim(-1, -3).flatten(-3)
