"""The images that input is measured on: smooth noise, or the first of a cached dataset, as a dataset of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app import data
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.data.splits.resident import Split
from app.data.store import cache
from app.errors import InputError
from app.place import Place
from app.tables.datasets import DATASETS
from app.tables.names import look_up
from app.tables.shape import side_of

from . import loaders

SIDE = 32  # pixels, of made images
_ROWS, _CLASSES = 2048, 10


@dataclass(frozen=True)
class Pictures:
    """uint8 (n, S, S, 3) and int64 (n,) with every class in it, and where they lie as a folder of parquet."""

    pixels: np.ndarray
    labels: np.ndarray
    folder: Path

    @property
    def side(self) -> int:
        """S, in pixels: what they are stored at."""
        return self.pixels.shape[1]


def made(rows: int = _ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Noise of 4 x 4 cells, enlarged and roughened, so that PNG files of them are neither tiny nor incompressible."""
    draw = np.random.default_rng(0)
    cells = draw.integers(0, 240, (rows, 4, 4, 3)).repeat(SIDE // 4, 1).repeat(SIDE // 4, 2)
    pixels = (cells + draw.integers(0, 16, (rows, SIDE, SIDE, 3))).astype(np.uint8)
    return pixels, np.arange(rows) % _CLASSES


def cached(dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """The first training rows of a dataset in the cache, with the labels renumbered; raises InputError if it is not."""
    row = look_up("dataset", dataset, DATASETS)
    if row.channels != 3:
        raise InputError(f"{row.name} is grey, which the loaders here do not support. Omit --dataset")
    config = resolve({"dataset": row.name}, dataset_facts(row))
    found = cache.find(data.ask_of(config.to_json(), path=None), None)
    if found is None:
        raise InputError(f"{row.name} is not in the cache. Train on it once, or omit --dataset for made images")
    pixels = np.array(found.images("train")[:_ROWS]).transpose(0, 2, 3, 1)  # (n, C, S, S) -> (n, S, S, C)
    _, labels = np.unique(found.array("train", "labels")[:_ROWS], return_inverse=True)
    return np.ascontiguousarray(pixels), labels


@contextmanager
def written(pixels: np.ndarray, labels: np.ndarray) -> Iterator[Pictures]:
    """The images in a folder of parquet with a cache of its own, both gone at the end."""
    with tempfile.TemporaryDirectory(prefix="isoscale-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve() / "pictures"
        _write(folder, pixels, labels)
        with _own_cache(Path(name) / "cache"):
            yield Pictures(pixels, labels, folder)


def _write(folder: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    import datasets

    datasets.disable_progress_bars()
    names = [f"class {number}" for number in range(int(labels.max()) + 1)]
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=names))
    images = [{"bytes": content, "path": None} for content in loaders.pngs(pixels)]
    folder.mkdir()
    table = datasets.Dataset.from_dict({"image": images, "label": labels.tolist()}, features=features)
    table.to_parquet(str(folder / "train.parquet"))


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    before = os.environ.get("ISOSCALE_CACHE")
    os.environ["ISOSCALE_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["ISOSCALE_CACHE"]
        else:
            os.environ["ISOSCALE_CACHE"] = before


def config_of(images: Pictures, model: RunConfig) -> RunConfig:
    """The config of a model on these images, which are stored at their own side; nothing is augmented.

    Its shape is the model's, so its size is the count that it comes to with as many classes as there are here.
    """
    family = model.family
    cells = ("model", "image", "batch_size", "precision", *family.cells)
    request = {name: value for name in cells if (value := getattr(model, name)) is not None}
    request |= {"dataset": str(images.folder), "augment": "none", "dropout": 0.0}
    facts = data.facts(request, _silent, _silent)
    if not model.sized.whole:
        shape = replace(model.shape, classes=facts.classes, channels=facts.channels)
        request["size"] = f"{family.parameters(shape) / 1000:.3f}K"
    return resolve(request, replace(facts, native=images.side))


def train_split(config: RunConfig, images: Pictures, place: Place) -> Split:
    """Return the training split through the program's own door, held where the place finds room."""
    ask = data.ask_of(config.to_json(), path=str(images.folder))
    held = data.prepare(replace(ask, side=side_of(config.stored_side)), _silent, _silent)
    return data.splits(config, place, held, _silent).train


def _silent(*_: object) -> None: ...
