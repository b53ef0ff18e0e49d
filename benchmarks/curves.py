"""What a step, the input and a start cost as depth, tokens, batch and dataset grow: tables for docs/performance.md.

    uv run python -m benchmarks.curves [--device cpu] [--precision fp32] [--threads N] [--rounds 3]

Classic and differential take turns at each point, each on the threads that a run of it would take; times are medians,
and ratios are taken in each round.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app import data, place
from app.bench import meter, ours
from app.bench.meter import Prepared
from app.bench.rounds import Contender, Pace, measure, ratios, spread
from app.computing import execution
from app.computing.rehearsal import HeldBatch, Rehearsal, Walk
from app.config.run import RunConfig
from app.counts import family_of
from app.counts.vit import ATTENTIONS
from app.data.splits.ahead import Ahead
from app.data.splits.resident import Split
from app.data.store import cache, manifest
from app.data.transforms import chain
from app.errors import Explained
from app.loop import Examples
from app.place import Place
from app.tables.shape import Shape

from .waiting import HostHeld

DEPTHS, TOKENS, BATCHES = (3, 6, 12, 24, 48), (65, 257, 785, 1025, 2026, 4097), (1, 2, 4, 8, 16, 32)
IMAGES = {65: 64, 257: 128, 785: 224, 1025: 256, 2026: 360, 4097: 512}  # sides in pixels for patches of 8
ROWS = (1_000, 10_000, 50_000, 200_000)
BATCH, SIDE = 512, 224  # of the input's table
MODELS = ("vit_classic", "vit_differential")


def say(text: str) -> None:
    print(text, file=sys.stderr)


def steps(
    shapes: dict[int, dict[str, Any]], here: Place, pace: Pace, name: str, wishes: execution.Wishes
) -> Iterator[str]:
    """Rows of a table: milliseconds of a step of both models, their ratio, one's path and both's threads."""
    yield f"| {name} | classic, ms | differential, ms | ratio (quartiles) | path | threads |\n|---|---|---|---|---|---|"
    for value, shape in shapes.items():
        configs = [at_shape(model, shape, here) for model in MODELS]
        chosen = [ours.choose(c, here, wishes, say=say) for c in configs]
        contenders = [of_step(config, here, how) for config, how in zip(configs, chosen, strict=True)]
        (classic, differential), _ = measure(contenders, pace, meter.Memory(here.device))
        ratio = spread(ratios(differential.values, classic.values))
        times = [1000 * spread(one.values).median for one in (classic, differential)]
        path, threads = chosen[1].attention_path, " and ".join(str(how.threads) for how in chosen)
        yield (f"| {value:,} | {times[0]:.1f} | {times[1]:.1f} | {ratio.median:.2f} ({ratio.low:.2f} to "
               f"{ratio.high:.2f}) | {path} | {threads} |")  # fmt: skip


def at_shape(model: str, shape: dict[str, Any], here: Place) -> RunConfig:
    """A config of just that shape: its size is the count that it comes to."""
    near = ours.config_at({"model": model, "size": "1M", "image": 32, "patch": 4}, here)
    given = {name: value for name, value in shape.items() if name != "heads"}
    if heads := shape.get("heads"):
        given["heads"] = ATTENTIONS[near.attention].of_classic(heads)
    wanted = {field.name: given[field.name] for field in dataclasses.fields(Shape) if field.name in given}
    count = family_of(model).parameters(dataclasses.replace(near.shape, **wanted))
    return ours.config_at({"model": model, "size": f"{count / 1000:.0f}K", **given}, here)


def of_step(config: RunConfig, here: Place, chosen: execution.Execution) -> Contender:
    def prepare() -> Prepared:
        step = Rehearsal(config, here, HeldBatch.of(config, here.device), chosen).step
        return meter.stopwatch(step, here.device)

    return Contender(name=config.model, prepare=prepare, required=True, threads=chosen.threads)


def stored(folder: Path, rows: int) -> data.Cached:
    """A cache of noise at 32 px under the folder, as the program would have made it of such a dataset."""
    ask = data.ask_of({"dataset": "cifar100"}, path=None)
    draw, at = np.random.default_rng(0), folder / str(rows)
    at.mkdir()
    pixels = draw.integers(0, 256, (rows, 3, 32, 32), np.uint8)
    pixels.tofile(at / "train-images.u8")
    np.save(at / "train-labels.npy", np.arange(rows) % 100)
    np.save(at / "train-rows.npy", np.arange(rows))
    files = {path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
             for path in at.iterdir()}  # fmt: skip
    asked = {"channels": ask.channels, "side": ask.side}
    facts = {"version": "noise", "unlabelled": {}, "class_names": [], "licence": "", "made": 0.0}
    return cache.Cached(at, manifest.of({"rows": {"train": rows}, "files": files, "ask": asked, **facts}), ask)


def inputs(here: Place, rounds: int) -> Iterator[str]:
    """Rows of a table: a batch of 512 by where images are held, and what a start pays to check and hold them."""
    yield "| images at 32 px | MB | held in | images/s | check and hold at the start, ms |\n|---|---|---|---|---|"
    for rows in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            cached = stored(Path(folder), rows)
            ways = [here] if here.device.type == "cpu" else [here, HostHeld(here.device, here.precision)]
            for way in ways:
                yield held_input(cached, way, rows, rounds)


def held_input(cached: data.Cached, here: Place, rows: int, rounds: int) -> str:
    starts, (images, where) = timed(lambda: here.hold(cached.verified().images("train")), here, rounds)
    labels = torch.from_numpy(cached.array("train", "labels")).to(images.device)
    half = torch.full((3,), 0.5, device=here.device)
    ahead = Ahead(images, here.staging) if images.device != here.device else None
    way = chain.of_images("none", stored=32, side=SIDE, mean=half, std=half)
    split = Split(images=images, labels=labels, members=np.arange(rows), rows=np.arange(rows), transforms=way,
                  send=here.send, ahead=ahead)  # fmt: skip
    return input_row(rows, where, split, starts, here, rounds)


def timed(work: Callable[[], Any], here: Place, rounds: int) -> tuple[list[float], Any]:
    """Milliseconds of each call, and what the last one gave."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = work()
        here.wait()
        times.append(1000 * (time.perf_counter() - began))
    return times, found


def input_row(rows: int, where: str, split: Examples, starts: list[float], here: Place, rounds: int) -> str:
    walk = Walk(split, BATCH)

    def batch() -> None:
        examples, epoch = walk()
        split.batch(examples, epoch=epoch)

    run = meter.stopwatch(batch, here.device)
    run(1)
    rate = BATCH / spread([run(2) for _ in range(rounds)]).median
    return f"| {rows:,} | {rows * 3072 / 1e6:,.0f} | {where} | {rate:,.0f} | {spread(starts).median:,.0f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="auto")
    options.add_argument("--precision", default="auto")
    options.add_argument("--threads", type=int)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    here = place.choose(device=given.device, precision=given.precision, threads=given.threads)
    wishes = execution.Wishes(threads=given.threads)
    pace = Pace(rounds=given.rounds, seconds=60, say=say)
    paths = {kind: row.paths for kind, row in ATTENTIONS.items()}
    print(json.dumps(here.describe() | {"cores": os.cpu_count(), "paths": paths}))
    small = {"image": 32, "patch": 4, "d_model": 128, "heads": 4}
    wide = {"d_model": 256, "heads": 4, "depth": 2, "patch": 8}
    print("\n### Depth (d_model 128, 65 tokens, batch 16)\n")
    shapes = {n: {**small, "depth": n, "batch_size": 16} for n in DEPTHS}
    for line in steps(shapes, here, pace, "depth", wishes):
        print(line, flush=True)
    print("\n### Tokens (d_model 256, depth 2, batch 2)\n")
    shapes = {n: {**wide, "image": IMAGES[n], "batch_size": 2} for n in TOKENS}
    for line in steps(shapes, here, pace, "tokens", wishes):
        print(line, flush=True)
    print("\n### Batch (1M, 65 tokens)\n")
    shapes = {n: {**small, "depth": 5, "batch_size": n} for n in BATCHES}
    for line in steps(shapes, here, pace, "batch", wishes):
        print(line, flush=True)
    print("\n### Dataset (batch 512, enlarged from 32 to 224 px)\n")
    for line in inputs(here, given.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Explained as error:
        sys.exit(f"error: {error}")
