"""Measurements on the device before the first step: which path is faster, what fits, whether compiling saves time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import optim, task
from ..config.run import RunConfig
from ..errors import OutOfMemory
from ..models import build
from ..models.attention import ATTENTION_CLASSES
from ..models.compiling import compiled
from ..place import Place
from ..system import home
from ..tables.optimizers import OPTIMIZERS
from ..tables.shape import CELLS

_REPEATS = 3
_IMAGES = 32  # at a time, when paths are timed


def compiled_programs() -> Path:
    """Return the folder of compiled programs."""
    return home.root() / "compiled"


def remembered(what: str, key: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """Return the value measured before for that key, on this kind of device with this torch, or measure it now."""
    return home.remembered(what, {**key, "torch": torch.__version__}, measure)


def forget(what: str, key: Mapping[str, Any], is_wrong: Callable[[Any], bool]) -> None:
    """Discard remembered values that proved wrong, whose keys contain these items, so that they are measured again."""
    home.forget(what, {**key, "torch": torch.__version__}, is_wrong)


def key_of(config: RunConfig, place: Place) -> dict[str, Any]:
    """Return everything that a measurement depends on: the device, the precision and the model's shape."""
    here = place.describe()
    shape = {name: value for name in ("model", "image", *CELLS) if (value := getattr(config, name)) is not None}
    return {"device": here["device"], "precision": here["precision"], "threads": here["threads"], **shape}


def path_seconds(config: RunConfig, place: Place, path: str) -> float:
    """Return the median time of one attention layer, forward and backward."""
    with torch.random.fork_rng(devices=_devices(place)), torch.device(place.device):
        kind = ATTENTION_CLASSES[config.attention]
        shape = {name: getattr(config.shape, name) for name in ("d_model", "heads", "head_width")}
        layer = kind(**shape, layer=0, dropout=0.0, path=path)
        tokens = torch.randn(min(_IMAGES, config.batch_size), config.tokens, config.d_model)

    def work() -> None:
        with place.autocast():
            out = layer(tokens)
        out.backward(torch.ones_like(out))

    return timed(place, work)


def timed(place: Place, work: Callable[[], None], repeats: int = _REPEATS) -> float:
    """Return the median seconds of some work on the device, after one run that does not count."""
    work()
    times = []
    for _ in range(repeats):
        place.wait()
        began = time.perf_counter()
        work()
        place.wait()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def fitting(config: RunConfig, place: Place, *, attention_path: str, checkpointing: bool) -> int:
    """Return the images for which a forward and backward pass on noise fits in memory.

    Room is reserved for the optimiser's moments and for a second set of gradients, since a part of a batch is computed
    next to the gradients of earlier parts.
    """
    with torch.random.fork_rng(devices=_devices(place)):
        model = build(config, attention_path=attention_path, checkpointing=checkpointing).to(place.device)
        model = place.laid_out(model)

        def attempt(size: int) -> None:
            model.zero_grad(set_to_none=True)  # of an attempt that came as far as these
            floats = OPTIMIZERS[config.optimizer].floats + (size < config.batch_size) + (config.ema is not None)
            aside = [torch.empty_like(parameter) for parameter in model.parameters() for _ in range(floats)]
            images = torch.randn(size, *config.input_shape, device=place.device)
            with place.autocast():
                loss = model(images).float().logsumexp(1).sum()
            loss.backward()
            del aside

        return fitting_micro_batch(config.batch_size, attempt)


def fitting_micro_batch(batch_size: int, attempt: Callable[[int], None]) -> int:
    """Return the largest batch_size / 2^k with which `attempt` does not run out of memory."""
    size = batch_size
    while True:
        try:
            attempt(size)
            return size
        except torch.OutOfMemoryError:
            if size == 1:
                raise OutOfMemory("not even one image fits into the device's memory. Use a smaller --size") from None
        torch.cuda.empty_cache()
        size = -(-size // 2)


def step_trial(
    config: RunConfig, place: Place, how: str, *, attention_path: str, checkpointing: bool, micro_batch_size: int
) -> dict[str, Any]:
    """Return the seconds per image of a step and of compiling, and the first steps' losses, on fixed noise."""
    with torch.random.fork_rng(devices=_devices(place)):
        torch.manual_seed(0)
        model = build(config, attention_path=attention_path, checkpointing=checkpointing).to(place.device)
        model = compiled(place.laid_out(model).train(), how, cache=compiled_programs())
        optimizer = optim.of(config, model)
        images = torch.randn(micro_batch_size, *config.input_shape, device=place.device)
        learned = task.of(config.task)
        targets = learned.drawn(micro_batch_size, classes=config.classes, device=place.device)
        losses: list[Tensor] = []

        def work() -> None:
            with place.autocast():
                outputs = model(images)
            losses.append(_stepped(optimizer, learned.losses(outputs, targets).mean()))

        began = time.perf_counter()
        work()
        place.wait()
        first = time.perf_counter() - began
        seconds = timed(place, work)
    return {
        "seconds": seconds / micro_batch_size,
        "preparation": first - seconds,
        "losses": torch.stack(losses).tolist(),
    }


def _stepped(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """Make an optimiser step on a loss. Return the loss without its graph."""
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach().clone()


def _devices(place: Place) -> list[torch.device]:
    return [place.device] if place.device.type == "cuda" else []
