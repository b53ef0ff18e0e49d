"""The models. `build` is the only function that reads a config. Every constructor takes plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..config.run import RunConfig
from ..counts import meta
from ..tables import own as files
from ..tables.models import TIMM, ModelRow
from . import drop_path, own
from .cnn import CNN
from .resnet1d import ResNet1d
from .t2t import T2TViT
from .vit import ViT

_INPUT = ("image", "channels", "classes")
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_FAMILIES: dict[str, Callable[..., nn.Module]] = {"vit": ViT, "t2t": T2TViT, "cnn": CNN, "resnet1d": ResNet1d}


def constructor(row: ModelRow) -> Callable[..., nn.Module]:
    """Return the function that builds a row's model from plain values.

    torchvision and timm are imported only if needed.
    """
    if row.family in _FAMILIES:
        return _FAMILIES[row.family]
    if row.family == files.FAMILY:
        return own.constructor(row.name)
    if row.family == "resnet":
        from .resnet import ResNet

        return ResNet
    from . import zoo

    return zoo.constructor(row)


def build(
    config: RunConfig, *, attention_path: str, checkpointing: bool = False, pretrained: bool = False
) -> nn.Module:
    """Return the config's model, newly initialised from torch's global generator on the current default device.

    With `pretrained`, one of timm's models has its published weights, as the first step of a run needs them.
    Measurements, and models that get a run's weights, do not need them. Raises InputError for the code of a user's file
    that this process was not asked for, or that fails.
    """
    cells = _cells(config)
    if "attention" in cells:
        cells |= {"attention_path": attention_path, "checkpointing": checkpointing}
    if config.residual_precision != "fp32":
        cells |= {"residual_precision": config.residual_precision}
    if pretrained:
        cells |= {"pretrained": True}
    if not config.drop_path:
        return constructor(config.row)(**cells, dropout=config.dropout)
    model = constructor(config.row)(**cells, dropout=config.dropout, drop_path=config.drop_path)
    return model if config.row.family in _FAMILIES else drop_path.keyed(model)


def _cells(config: RunConfig) -> dict[str, Any]:
    """Return the input, the classes and the cells of a config's model. Raises InputError without a user's file."""
    require_file(config)
    return {name: getattr(config.shape, name) for name in (*_INPUT, *config.family.cells)}


def require_file(config: RunConfig) -> None:
    """Raise InputError for a model of a user's file that this process was not asked for, or that has other content."""
    if config.model_sha256:
        files.require(config.model, config.model_sha256)


def require_known(row: ModelRow) -> None:
    """Raise InputError for a name that timm does not know, before a dataset is read."""
    if row.family == "timm":
        from ..counts.builders import check_name

        check_name(row.name.removeprefix(TIMM))


def require(config: RunConfig) -> None:
    """Raise InputError if a library's model does not accept the images, or if its weights are unavailable.

    Weights are downloaded here, before a dataset is read. The checks of other families are in their tables.
    """
    if config.family.closed:
        return
    if config.model_sha256:
        own.require_trainable(config, lambda: build(config, attention_path="none"))
        return
    from . import zoo

    what: dict[str, Any] = {"image": config.image, "channels": config.channels, "classes": config.classes}
    zoo.check_takes(config.model, lambda: build(config, attention_path="none"), **what)
    if config.pretrained:
        from .pretrained import weights

        weights(config.model.removeprefix(TIMM))


def tensor_shapes(config: RunConfig, *, classes: int | None = None) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of the config's weights, or of the same model for other `classes`, by name."""
    cells = _cells(config) | ({"classes": classes} if classes else {})
    if "attention" in cells:
        cells["attention_path"] = "plain"
    model = meta.built(lambda: constructor(config.row)(**cells, dropout=config.dropout))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def has_batch_statistics(config: RunConfig) -> bool:
    """Return whether a layer normalises over the batch in training, so that images of a batch affect each other."""
    if "attention" in config.family.cells:
        return False
    with torch.device("meta"):
        model = build(config, attention_path="none")
    return any(isinstance(module, _BATCH_NORMS) for module in model.modules())


def share_statistics(model: nn.Module) -> None:
    """Let batch norms compute their statistics over all ranks' batches, on GPUs and in training only.

    It works in place: parameters, statistics and their names stay.
    """
    if any(type(module).__module__.startswith("timm.") for module in model.modules()):
        from timm.layers import convert_sync_batchnorm as convert  # timm's norms include an activation
    else:
        convert = nn.SyncBatchNorm.convert_sync_batchnorm
    convert(model)


def count(model: nn.Module) -> int:
    """Return the number of trainable parameters, embeddings and head included."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
