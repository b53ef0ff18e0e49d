"""Models of the user's own files, checked on random inputs before a run begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..config.run import RunConfig
from ..counts.own import blamed, constructor
from ..errors import InputError
from ..system.home import remembered
from ..tables import own
from ..tables.own import OwnModel

_INPUTS = 3  # tried together, and one alone


def require_trainable(config: RunConfig, build: Callable[[], nn.Module]) -> None:
    """Raise InputError for a model of a user's file that cannot be trained, tried once per file and shape on the CPU.

    It must return float32 (B, classes) without NaN, have initial weights that follow from torch's seed, and tensors
    that do not share memory, since each is stored once.
    """
    model = own.require(config.model, config.model_sha256)
    key = {"digest": model.sha256, "model": config.model, "torch": torch.__version__, "dropout": config.dropout}
    key |= {name: getattr(config.shape, name) for name in ("image", "channels", "classes", *config.family.cells)}
    remembered("own", key, lambda: _tried(model, config, build))


def _tried(model: OwnModel, config: RunConfig, build: Callable[[], nn.Module]) -> bool:
    with torch.random.fork_rng(devices=[]):
        first, second = _seeded(build), _seeded(build)
        _require_equal(model, first, second)
        _require_apart(model, first)
        torch.manual_seed(1)
        inputs = torch.randn(_INPUTS, *config.input_shape)
        for count in (_INPUTS, 1):  # one alone as the last batch of a test may be
            with torch.no_grad():
                _require_outputs(model, first.eval(), inputs[:count], config.classes)
        _require_outputs(model, first.train(), inputs, config.classes).sum().backward()
    return True


def _seeded(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build()


def _require_equal(model: OwnModel, first: nn.Module, second: nn.Module) -> None:
    ones, others = first.state_dict(), second.state_dict()
    if not any(parameter.requires_grad for parameter in first.parameters()):
        raise InputError(f"{model} has no trainable parameter. Use nn.Parameter, or layers of torch.nn")
    different = [name for name in ones if name not in others or not _equal(ones[name], others[name])]
    if different:
        raise InputError(
            f"{model}: the initial values of {different[0]} differ between two models with one seed. Draw them with "
            "torch, not with numpy or random, so that a run can be repeated"
        )


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


def _require_apart(model: OwnModel, built: nn.Module) -> None:
    """Raise InputError for two stored tensors in the same memory, which .safetensors files do not have."""
    seen: dict[int, str] = {}
    for name, tensor in built.state_dict().items():
        place = tensor.untyped_storage().data_ptr()
        if place in seen and tensor.numel():
            raise InputError(
                f"{model}: {seen[place]} and {name} share memory, and weights are stored one by one. Register the "
                "shared tensor in one module only"
            )
        seen[place] = name


def _require_outputs(model: OwnModel, built: nn.Module, inputs: Tensor, classes: int) -> Tensor:
    """Return the outputs for some inputs. Raise InputError unless they are finite numbers (B, classes)."""
    shape = tuple(inputs.shape)
    with blamed(model, f"it fails on inputs of the shape {shape}"):
        found = built(inputs)
    if not isinstance(found, Tensor) or found.shape != (len(inputs), classes):
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"{model} returns {what} for inputs of the shape {shape}. Return ({len(inputs)}, {classes}): one row per "
            "input, one number per class or output"
        )
    if not found.is_floating_point() or not bool(torch.isfinite(found).all()):
        kind = "values that are not finite" if found.is_floating_point() else str(found.dtype)
        raise InputError(f"{model} returns {kind} for random inputs of the shape {shape}. Fix its forward")
    return found


__all__ = ["constructor", "require_trainable"]
