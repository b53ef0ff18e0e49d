"""Models of the user's own files: their code is run here, and only if the user named the file.

What the code raises becomes an InputError with the file and the line.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Stopped
from ..system import signals
from ..tables import imports, keywords, own
from ..tables.own import OwnModel
from ..tables.shape import Extent, Shape, extent

if TYPE_CHECKING:
    from torch import nn


class _Text(importlib.abc.ExecutionLoader):
    """Imports a module from the text that was read, so that the code that runs is the code that was digested."""

    def __init__(self, model: OwnModel) -> None:
        self._model = model

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        """Return the text."""
        return self._model.source

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        """Return the path, which errors and compilers show."""
        return self._model.path


@cache
def _loaded(model: OwnModel) -> Callable[..., Any]:
    """Return the class or function of a file, whose code is run once in a process."""
    name = f"{imports.MODULE}{model.sha256[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_loader(name, _Text(model))
        assert spec and spec.loader
        sys.modules[name] = module = importlib.util.module_from_spec(spec)  # before it runs, as dataclasses need it
        try:
            with blamed(model, "this file cannot be imported"), redirect_stdout(sys.stderr):
                spec.loader.exec_module(module)
            imports.require_values(model.path, vars(module))
        except InputError:
            del sys.modules[name]
            raise
    found = getattr(sys.modules[name], model.name, None)
    if not callable(found):
        raise InputError(f"{model} is not a class or function once its file has run. Do not assign to {model.name}")
    return found


@contextmanager
def blamed(model: OwnModel, what: str, *, hint: str = "") -> Iterator[None]:
    """Raise InputError with the file and the line for what the user's code raises, and for what it may not import."""
    try:
        with _interrupts() as came, imports.watched(model.path):
            yield
    except (InputError, Stopped, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and came:
            raise
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == model.path]
        line = f", line {frames[-1].lineno}" if frames else ""
        said = str(error).strip().split("\n")[0].rstrip(".")
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
        raise InputError(f"{model}{line}: {what} ({said}). Fix the file, or the values that it gets{hint}") from error


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yield the signals of Ctrl-C that come in the context. Without one, a KeyboardInterrupt is the code's."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        if callable(before):
            before(number, frame)

    with signals.handled({signal.SIGINT: interrupt} if callable(before) else {}):
        yield came


def constructor(name: str) -> Callable[..., nn.Module]:
    """Return the function that builds a model of a file from a shape's cells. Raises InputError without the file."""
    return partial(_built, own.require(name))


def _built(
    model: OwnModel, *, image: Extent, channels: int, classes: int, model_args: str | None = None,
    grow: str | None = None, grow_to: int | None = None, dropout: float = 0.0,
) -> nn.Module:  # fmt: skip
    from torch import nn

    given = passed(model, image=image, channels=channels, classes=classes, model_args=model_args)
    if grow is not None and grow_to is not None:
        given[keywords.axis(grow).name] = grow_to
    if own.DROPOUT in model.keywords:
        given[own.DROPOUT] = dropout
    make = _loaded(model)
    shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
    steps = grow is not None and keywords.axis(grow).step == 1
    hint = f". If only some values are possible, use --grow {grow}:8 for multiples of 8" if steps else ""
    with blamed(model, f"it cannot be built with {shown}", hint=hint), redirect_stdout(sys.stderr):
        found = make(**given)
    if not isinstance(found, nn.Module):
        raise InputError(f"{model} returns {type(found).__name__}, not a torch.nn.Module. Return the model")
    _require_storable(model, found)
    return found


def _require_storable(model: OwnModel, built: nn.Module) -> None:
    """Raise InputError for a state that is not of tensors with a shape, whose numbers are float32 or whole."""
    import torch
    from torch import nn

    for name, value in built.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{model}: {name} is in the state_dict and no tensor. Use register_buffer instead")
        if nn.parameter.is_lazy(value):
            raise InputError(f"{model}: {name} has no shape before the first input. Give the layer its sizes")
        if value.dtype != torch.float32 and (value.is_floating_point() or value.is_complex()):
            raise InputError(f"{model}: {name} is {value.dtype}. Use float32, which every device and export supports")


def passed(
    model: OwnModel, *, image: Extent, channels: int, classes: int, model_args: str | None = None
) -> dict[str, Any]:
    """Return the keywords that a constructor gets from the data and from --model-args."""
    signal = len(extent(image)) == 1
    size = {own.LENGTH: extent(image)[0]} if signal else {own.SIDE: image}
    outputs = own.CLASSES if own.CLASSES in model.keywords else own.OUTPUTS
    return {**size, own.CHANNELS: channels, outputs: classes, **keywords.arguments(model_args)}


def check(model: OwnModel, shape: Shape) -> None:
    """Raise InputError for keywords that the constructor does not have, or that it needs and does not get."""
    args = keywords.arguments(shape.model_args)
    axis = keywords.axis(shape.grow).name if shape.grow else None
    free = [name for name in model.keywords if name not in own.GIVEN]
    for name, option in (*((name, "--model-args") for name in args), *([(axis, "--grow")] if axis else [])):
        if name not in free:
            why = "is set by the data and the recipe" if name in own.GIVEN else "is not a keyword of its constructor"
            raise InputError(f"{option} {name}: {name} {why} in {model}. Keywords to set: {', '.join(free) or 'none'}")
    if axis in args:
        raise InputError(f"--grow {axis} and --model-args {axis}={args[axis]} both set {axis}. Omit one of them")
    size, data = (own.LENGTH, "signals") if len(extent(shape.image)) == 1 else (own.SIDE, "images or fields")
    if size not in model.keywords:
        raise InputError(f"{model} has no keyword {size}, and the dataset contains {data}. Add it to the constructor")
    given: Mapping[str, Any] = passed(model, image=shape.image, channels=1, classes=1, model_args=shape.model_args)
    missing = [name for name in model.required if name not in (*given, axis, own.DROPOUT)]
    if missing:
        raise InputError(
            f"{model} needs {', '.join(missing)}, which have no default. Give --model-args {missing[0]}=VALUE, or "
            "defaults in the file"
        )
