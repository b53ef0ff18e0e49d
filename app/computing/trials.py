"""Measurements on the device before the first step: the time of a path's block, and of steps in each way to compile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import optim, task
from ..config.run import RunConfig
from ..models import build, drop_path
from ..models.compiling import compiled, repeated_part
from ..models.transformer import in_stream, rounded_norm
from ..place import Place
from ..system import devices, home, machine
from ..system.timing import median_seconds
from ..tables.shape import CELLS

SPARE = 0.08  # of the device's memory stays free: for libraries, fragments, and processes that grow
_REPEATS = 3  # on a CPU
_LOSSES = _REPEATS + 2  # steps whose losses are compared
_TRITON = ("triton", "triton-rocm", "pytorch-triton-rocm", "pytorch-triton")  # packages with that module


def compiled_programs() -> Path:
    """Return the folder of compiled programs."""
    return home.root() / "compiled"


def remembered(what: str, key: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """Return the value measured before for that key, on this kind of device with this torch, or measure it now."""
    return home.remembered(what, {**key, "torch": torch.__version__}, measure)


_OF_A_PASS = ("dropout", "drop_path", "residual_precision")  # settings that change its time and what it keeps


def forget(what: str, key: Mapping[str, Any], is_wrong: Callable[[Any], bool]) -> None:
    """Discard remembered values that proved wrong, whose keys contain these items, so that they are measured again."""
    home.forget(what, {**key, "torch": torch.__version__}, is_wrong)


def key_of(config: RunConfig, place: Place) -> dict[str, Any]:
    """Return everything that a measurement depends on: the device, its software, the precision and the model's shape.

    So do the runs that share the device, if there are others. Torch's version is added by `remembered`.
    """
    here = place.describe()
    shape = {name: value for name in ("model", "image", *CELLS) if (value := getattr(config, name)) is not None}
    shape |= {name: getattr(config, name) for name in _OF_A_PASS}
    named = ("device", "precision", "threads", "jobs_per_device")
    return {name: here[name] for name in named if name in here} | shape | _software(here)


def _software(here: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions of a GPU's driver, of CUDA or ROCm and of Triton, and whether its kernels are exact."""
    if here["device_type"] != "cuda":
        return {}
    exact = {"deterministic": True} if torch.are_deterministic_algorithms_enabled() else {}
    versions = {"driver": machine.driver(), "cuda": here["cuda"], "hip": here.get("hip")}
    return versions | {"triton": next(filter(None, map(_version, _TRITON)), None)} | exact


def _version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def without_draws(place: Place) -> AbstractContextManager[None]:
    """Return a context at whose end the random generators are as before."""
    return torch.random.fork_rng(devices=[place.device] if place.device.type == "cuda" else [])


def timed(place: Place, work: Callable[[], None]) -> float:
    """Return the median seconds of some work on the device, after one run that does not count.

    On a CPU each call is measured, elsewhere windows of calls.
    """
    if place.device.type == "cpu":
        return median_seconds(work, place.device, window=0.0, windows=_REPEATS)
    return median_seconds(work, place.device)


def path_seconds(config: RunConfig, place: Place, path: str, *, images: int, how: str = "off") -> float:
    """Return the median seconds per image of a block by a path, forward and backward, as a run trains it.

    The norm that follows the block is part of it. It computes `images` images at a time, or as many as fit.
    """
    with without_draws(place):
        model: Any = build(config, attention_path=path).to(place.device).train()
        part, modules = repeated_part(model, how, cache=compiled_programs())
        while True:
            try:
                return timed(place, _passes(part, modules, config, place, images)) / images
            except torch.OutOfMemoryError:
                if images == 1:
                    raise
            devices.empty_cache(place.device)
            images = -(-images // 2)


def _passes(
    part: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], modules: nn.ModuleList, config: RunConfig, place: Place,
    images: int,
) -> Callable[[], None]:  # fmt: skip
    """Return a forward and backward pass of a block and the next norm. Its inputs have gradients, as after blocks."""
    x = torch.randn(images, config.tokens, config.d_model or 0, device=place.device)  # (B, N, D)
    with place.autocast():
        x = in_stream(x, config.residual_precision).requires_grad_()
        normed = rounded_norm(modules[1], x).detach().requires_grad_()
    gradients = torch.randn_like(x, requires_grad=False), torch.randn_like(normed, requires_grad=False)

    def work() -> None:
        with place.autocast():
            outputs = part(x, normed)
        torch.autograd.backward(outputs, gradients)
        modules.zero_grad(set_to_none=True)
        x.grad = normed.grad = None

    return work


def step_trial(
    config: RunConfig, place: Place, how: str, *, attention_path: str, checkpointing: bool, micro_batch_size: int,
    validation: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the seconds per image of a step and of compiling, and the first steps' losses, on fixed noise.

    With `validation`, also the loss before them of so many images as the run validates. Raises torch.OutOfMemoryError
    if less than the spare memory would stay free on a device with trials of memory.
    """
    with without_draws(place):
        torch.manual_seed(0)
        devices.empty_cache(place.device)  # which would count as reserved by this trial
        devices.forget_peak(place.device)
        model = build(config, attention_path=attention_path, checkpointing=checkpointing).to(place.device)
        model = compiled(place.laid_out(model), how, cache=compiled_programs())
        step = _Step(config, place, model, micro_batch_size)
        evaluation = {} if validation is None else {"evaluation": step.evaluated(validation)}
        model.train()
        began = time.perf_counter()
        losses = [step()]
        place.wait()
        first = time.perf_counter() - began

        def work() -> None:
            loss = step()
            if len(losses) < _LOSSES:
                losses.append(loss)

        seconds = timed(place, work)
    _require_spare(place)
    return {
        "seconds": seconds / micro_batch_size,
        "preparation": first - seconds,
        "losses": torch.stack(losses).tolist(),
    } | evaluation


class _Step:
    """A step of a model's optimiser on the same noise. Calls return the loss."""

    def __init__(self, config: RunConfig, place: Place, model: nn.Module, images: int) -> None:
        self._config, self._place, self._model = config, place, model
        self._optimizer, self._task = optim.of(config, model), task.of(config.task)
        if place.device.type != "cpu" and (dropping := drop_path.paths(model)):
            drop_path.draw(dropping, np.arange(images), place=place, key=(0, 1))
        self._inputs, self._targets = self._noise(images)

    def _noise(self, images: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(images, *self._config.input_shape, device=self._place.device)
        return noise, self._task.drawn(images, classes=self._config.classes, device=self._place.device)

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        with self._place.autocast():
            outputs = self._model(inputs)
        return self._task.losses(outputs, targets).mean()

    def __call__(self) -> Tensor:
        loss = self._loss(self._inputs, self._targets)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.detach().clone()

    def evaluated(self, images: int) -> float:
        """Return the mean loss of so many images without gradients."""
        self._model.eval()
        with torch.no_grad():
            return float(self._loss(*self._noise(images)))


def require_spare(free: int, total: int) -> None:
    """Raise torch.OutOfMemoryError if less than `SPARE` of a device's memory was free at the peak."""
    if free < SPARE * total:
        raise torch.OutOfMemoryError(f"only {free / total:.0%} of the device's memory would stay free")


def _require_spare(place: Place) -> None:
    if devices.limits(place.device).fits_by_trial:
        require_spare(*devices.free_at_peak(place.device))
