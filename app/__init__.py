"""isoscale: compare vision architectures at equal budget, data and seed, and test whether a difference is real."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .errors import ON_WINDOWS, InputError, NotUploaded, RunFailed, Stopped

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from .artifacts.runs import Run
    from .data.arrays import Arrays
    from .report.answer import Answer

__version__ = "0.1.0"
__all__ = [
    "InputError", "NotUploaded", "RunFailed", "Stopped", "__version__", "compare", "dataset", "load", "train",
    "write_images",
]  # fmt: skip


def _require_supported() -> None:
    if os.name == "nt":
        raise InputError(ON_WINDOWS)


def train(*, verbose: bool = False, **settings: Any) -> Run:
    """Train a model and test it. Resume the run if it was interrupted, or return it if it is done.

    `settings` are the options of the command `train`, with underscores. The run has the same ID, files and numbers as
    that of the equal command. `dataset` may also be arrays (images, labels): see `write_images`. With `verbose` the
    progress is printed on stderr. Raises InputError for settings that cannot be used, RunFailed if the run fails,
    NotUploaded, and Stopped for a signal or `max_minutes`.
    """
    _require_supported()
    from .cli.train import kept_at_the_hub, trained
    from .config.command import Command
    from .system import signals

    if isinstance(given := settings.get("dataset"), tuple | list):
        if len(given) != 2:
            raise InputError(f"dataset has {len(given)} parts. Give a name, a folder, or arrays (images, labels)")
        settings["dataset"] = str(write_images(*given))
    command = Command.of(settings)
    spelled = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    with signals.ending():
        run = trained(command, text=f"isoscale.train({spelled})", verbose=verbose)
        assert run, "ranks are started by torchrun, with the command"
        _, failed = kept_at_the_hub(run, command.keeping, verbose=verbose)
    if failed:
        raise failed
    return run


def load(
    where: str | Path | Run,
    *,
    best: bool = False,
    ema: bool = False,
    device: str = "auto",
    model: str | None = None,
) -> nn.Module:
    """Return the model of a finished run, in eval mode on a device: float32 (B, C, H, W) or (B, C, L) -> (B, K).

    Its `classes` are the class names in the order of the K logits or, for a regression, the target's name (K = 1). Its
    `preprocess` makes such inputs from images, fields or signals, and its `predict` the answers. Its `run_id` is the
    ID of the run. A model of your own that has such an attribute itself is the `module` of the returned one.

    `where` is a run, its folder, its stem, one of its files, its ID if it is below ./checkpoints, or
    hf://owner/name/path, which is downloaded to the cache. With `best` the weights are those that were best on
    validation, and with `ema` the average of a run with `--ema`. `model` is the FILE.py:NAME of a run with a model of
    your own, whose code is never run from a record. Raises InputError for a run that does not exist, is not finished
    or has no such weights, and RunFailed for damaged files.
    """
    _require_supported()
    from .experiment.loading import load

    return load(_named(where), best=best, ema=ema, device=device, model=model)


def compare(*runs: str | Path | Run, checkpoints: str | Path = "checkpoints", **asked: Any) -> Answer:
    """Return which architecture is better, by how much, and whether the difference is real.

    `runs` are what the command `compare` accepts: IDs, paths, settings such as "model=vit_classic,size=10M", or a
    study, and runs that `train` returned. `asked` are its options dataset, metric (each a name or a list), delta,
    target, looks and usd_per_hour. The answer prints as the command does, and has `to_json()`. A comparison of a
    study counts as a look, as the command's. Raises InputError for runs that are not comparable.
    """
    _require_supported()
    from .cli.compare import answered

    return answered([str(_named(each)) for each in runs], checkpoints=checkpoints, **asked)


def dataset(name: str | Path, *, verbose: bool = False, **settings: Any) -> Arrays:
    """Return a dataset as memory-mapped arrays: images and labels of each split of its source, and class names.

    It is read into the cache if it is not there. `settings` are those of `train` that decide how it is read, such as
    `image`, the side in pixels at most. `found["train"].images` is uint8 (N, C, H, W). Raises InputError.
    """
    _require_supported()
    from .cli.train import cached
    from .data.arrays import of_cached

    return of_cached(cached({"dataset": name, **settings}, verbose=verbose))


def write_images(images: Any, labels: Any, folder: str | Path | None = None) -> Path:
    """Write arrays as a folder of PNG files that `train` and the command `train --dataset FOLDER` read; return it.

    `images` are uint8 (N, H, W) or (N, H, W, C), and `labels` are N whole numbers from 0 or class names. Default
    folder: one in the cache that is named by the content. Raises InputError.
    """
    _require_supported()
    from pathlib import Path

    from .data.arrays import folder_of

    return folder_of(images, labels, None if folder is None else Path(folder))


def _named(run: str | Path | Run) -> str | Path:
    """Return the path of a run that `train` returned, or the name as it is."""
    files = getattr(run, "files", None)
    return run if files is None else files.record  # type: ignore[return-value]
