"""Input: images per host-core-second of ours and of map-style loaders, and the share of a step that waits."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from app.bench import meter, ours
from app.bench.meter import Prepared
from app.bench.report import Group, Report, hardware
from app.bench.request import resolved
from app.bench.rounds import Contender, Pace, measure
from app.cli import bench
from app.cli import options as o
from app.computing.rehearsal import Walk
from app.config.run import RunConfig
from app.data.splits.resident import Split
from app.data.transforms.resize import Resize
from app.errors import InputError
from app.place import Place
from app.tables.datasets import DATASETS
from app.tables.names import look_up
from app.tables.shape import side_of

from . import loaders
from .command import run, spelled
from .cores import core_seconds, cores
from .pictures import Pictures, cached, config_of, made, train_split, written
from .waiting import waiting

CachedDataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Take the images of this cached dataset (made ones).", show_default=False),
]
_HOST, _WHOLE, _PIL, _DATASETS = "ours, host's part", "ours, CPU resizes", "map-style PIL loader", "datasets map-style"
_BATCH = 128  # images that are loaded at a time, whatever the batch of a step
_CALLS = 20  # batches that are issued before the device is waited for: no queue of it is full by then


def compare(request: Mapping[str, Any], here: Place, pace: Pace, *, dataset: str | None, threads: int | None) -> Report:
    """What the host does for an image, at the model's side and at the stored one; then how long steps wait for it.

    Without `dataset` the images are made.
    """
    model = ours.config_at(request, here)
    left_out = [sentence for peer in ("PIL loader", "datasets loader") if (sentence := loaders.missing(peer))]
    with written(*(cached(dataset) if dataset else made())) as images:
        config = config_of(images, model)
        if 2 * max(_BATCH, config.batch_size) > len(images.labels):
            raise InputError(
                f"batch_size={config.batch_size} is more than half of the {len(images.labels):,} images of the "
                "measurement. Use a smaller --batch-size"
            )
        loading = dataclasses.replace(config, batch_size=max(_BATCH, config.batch_size))
        sides = list(dict.fromkeys((side_of(config.image), images.side)))
        with meter.threads(1):
            found = [_loading(loading, images, here, pace.share(2 * len(sides)), side) for side in sides]
        models = list(dict.fromkeys([config, config_of(images, _smallest(model, images))]))
        with cores(threads):
            found += [waiting(one, images, here, pace.share(2 * len(models)), threads=threads) for one in models]
    return Report(
        bench="data",
        setting={
            "images": dataset or "made", "stored_side": images.side, "rows": len(images.labels), "model": config.model,
            "size": model.size, "image": config.image, "patch": config.patch, "batch_size": config.batch_size,
            "precision": here.precision,
        },
        hardware=hardware(here.describe()),
        groups=[group for group, _ in found],
        left_out=list(dict.fromkeys([*left_out, *(sentence for _, failed in found for sentence in failed)])),
        notes=_notes(here),
    )  # fmt: skip


def _smallest(model: RunConfig, images: Pictures) -> RunConfig:
    """The least work on an image that the models have, so that it is the first to wait: images as they are stored."""
    patch = next(patch for patch in range(max(1, images.side // 8), 0, -1) if images.side % patch == 0)
    shape = {"size": "1M", "image": images.side, "patch": patch}
    return resolved({**shape, "batch_size": _BATCH, "precision": model.precision})


def _notes(here: Place) -> tuple[str, ...]:
    part = (
        "ours, host's part: Split.batch of images that the device holds, the host's calls only; the device resizes"
        if here.device.type != "cpu"
        else "ours, host's part: what the host prepares in Split.batch where a device holds the images and resizes: "
        "the order, the rows of its examples, both stacked in a tensor, and a copy of that in place of its transfer; "
        "here is no such device, so the calls that would issue the device's work are not in it"
    )
    return (
        part,
        f"loading is measured with one thread, {_BATCH} images at a time, or the batch if that is more; core seconds "
        "are the process's CPU time",
        "the PIL loader makes PIL images of an array (torchvision's CIFAR classes), `datasets` decodes PNG files; both "
        "with torchvision's Resize, ToTensor, Normalize in a DataLoader with num_workers=0",
        "input percent is the share of a step inside the split's batch(), waiting percent the same without resizing "
        "and normalising, which is the device's work (an upper bound on a GPU, which is waited for on both "
        "sides); steps are without validation and on as many of the host's cores as --threads says, in all; the "
        "second model does the least work on an image, so it is the first to wait",
    )


def _loading(config: RunConfig, images: Pictures, here: Place, pace: Pace, side: int) -> tuple[Group, list[str]]:
    """Every way to a batch at one side."""
    cpu = Place(torch.device("cpu"), "fp32")
    others = {_PIL: ("PIL loader", loaders.pil_loader), _DATASETS: ("datasets loader", loaders.datasets_loader)}
    contenders = [
        _contender(_HOST, config.batch_size, partial(_host_part, config, images, here, side), here),
        _contender(_WHOLE, config.batch_size, partial(_batches, config, images, cpu, side), cpu),
    ]
    for name, (peer, loader) in others.items():
        if not loaders.missing(peer):
            make = partial(loader, images.pixels, images.labels, side=side, batch_size=config.batch_size)
            contenders.append(_contender(name, config.batch_size, make, cpu))
    samples, failed = measure(contenders, pace, meter.Memory(None))
    pairs = [(mine, theirs) for mine in (_HOST, _WHOLE) for theirs in others]
    title = f"{images.side} px stored, {side} px for the model"
    return Group(title=title, unit="images per host-core-second", samples=samples, pairs=pairs), failed


def _contender(name: str, batch_size: int, make: Callable[[], Callable[[], Any]], place: Place) -> Contender:
    def prepare() -> Prepared:
        run = core_seconds(make(), place.device)
        return lambda units: batch_size / run(units)

    most = _CALLS if place.device.type != "cpu" else 1000
    return Contender(name=name, prepare=prepare, required=name in (_HOST, _WHOLE), most=most)


def _held(config: RunConfig, images: Pictures, place: Place, side: int) -> Split:
    split = train_split(config, images, place)
    way = [Resize(side) if isinstance(one, Resize) else one for one in split.transforms]
    return dataclasses.replace(split, transforms=tuple(way))


def _batches(config: RunConfig, images: Pictures, place: Place, side: int) -> Callable[[], Any]:
    """Whole batches, in training's order."""
    split = _held(config, images, place, side)
    walk = Walk(split, config.batch_size)

    def batch() -> None:
        examples, epoch = walk()
        split.batch(examples, epoch=epoch)

    return batch


def _host_part(config: RunConfig, images: Pictures, here: Place, side: int) -> Callable[[], Any]:
    """What the host does for a batch of images that a device holds."""
    if here.device.type != "cpu":
        return _batches(config, images, here, side)
    split = _held(config, images, here, side)
    walk = Walk(split, config.batch_size)

    return lambda: sent(split, walk()[0])


def sent(split: Split, examples: np.ndarray) -> Tensor:
    """What Split.batch sends to a device that holds the images, made as there and copied once: int64 (3, B)."""
    return torch.from_numpy(np.stack([split.members[examples], examples, split.rows[examples]])).clone()


def data(
    model: o.Model = None,
    size: o.Size = None,
    dataset: CachedDataset = None,
    image: o.Image = None,
    patch: o.Patch = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = 1,
    rounds: bench.Rounds = bench.ROUNDS,
    seconds: bench.Seconds = bench.SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Images per host-core-second, ours and map-style loaders, and the share of a step that waits (on one thread)."""
    asked = {"model": model, "size": size, "image": image, "patch": patch, "batch_size": batch_size}
    request = bench.requested(**asked, precision=precision)
    if dataset is not None:
        look_up("dataset", dataset, DATASETS)
    measured = partial(compare, request, dataset=dataset, threads=threads)
    bench.present(measured, device, precision, threads, rounds, seconds, as_json, spelled(data))


if __name__ == "__main__":
    sys.exit(run(data))
