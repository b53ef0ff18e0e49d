"""A dataset of CIFAR-100's or BACH's shape in the program's cache, made here, so that no network is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from app import data
from app.data.sources.source import Example, Source
from app.data.store import cache

from .findings import Findings
from .timing import tried

_CELLS = 4  # a class is a pattern of as many by as many cells, so that something can be learned


def measure(findings: Findings) -> None:
    """Make CIFAR-100's shape: 50,000 and 10,000 images of 32 px in 100 classes, trained at 224 px."""
    rows = {"train": 500, "test": 100} if findings.tiny else {"train": 50_000, "test": 10_000}
    image = 32 if findings.tiny else 224
    tried(findings, "dataset", "cifar100", lambda: made("cifar100", image=image, stored=32, classes=100, rows=rows))


def made(name: str, *, image: int, stored: int, classes: int, rows: dict[str, int]) -> dict[str, Any]:
    """Write a dataset's splits into the cache, unless they are there."""
    draw = np.random.default_rng(0)
    patterns = draw.integers(40, 216, (classes, _CELLS, _CELLS, 3))

    def examples(split: str) -> Iterator[Example]:
        for number in range(rows[split]):
            cells = patterns[number % classes] + draw.integers(-40, 40, (_CELLS, _CELLS, 3))
            pixels = cells.repeat(stored // _CELLS, 0).repeat(stored // _CELLS, 1)
            pixels = (pixels + draw.integers(-16, 16, pixels.shape)).clip(0, 255).astype(np.uint8)
            yield Example(pixels, number % classes, None)

    names = tuple(f"class {number:03d}" for number in range(classes))
    source = Source(version="made-for-the-sheet", rows=rows, class_names=names, examples=examples)
    ask = data.ask_of({"dataset": name, "image": image}, path=None)
    found = cache.find(ask, source.version) or cache.build(ask, source, lambda *_: None)
    return {"rows": rows, "folder": found.folder.name}
