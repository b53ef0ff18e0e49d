"""Map-style loaders as their users build them: over PIL images, and over a `datasets` table of PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from app.bench import peers

NEEDS = {"PIL loader": ("torchvision",), "datasets loader": ("datasets", "torchvision")}


def missing(loader: str) -> str:
    """The sentence that a loader is left out with; empty where all it needs is installed."""
    return peers.missing(loader, NEEDS)


class _PilDataset(torch.utils.data.Dataset):
    """A map-style dataset as torchvision's CIFAR classes are: an array, made into a PIL image when it is asked for."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, transform: Callable[[Any], Tensor]) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def _transform(side: int) -> Callable[[Any], Tensor]:
    """torchvision's usual three."""
    from torchvision import transforms

    middle = (0.5, 0.5, 0.5)
    steps = [transforms.Resize((side, side)), transforms.ToTensor(), transforms.Normalize(middle, middle)]
    return transforms.Compose(steps)


def pil_loader(pixels: np.ndarray, labels: np.ndarray, *, side: int, batch_size: int) -> Callable[[], Any]:
    """The next batch of a DataLoader over PIL images, without workers; uint8 (n, S, S, 3)."""
    dataset = _PilDataset(pixels, labels, _transform(side))
    return _endless(DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True))


def datasets_loader(pixels: np.ndarray, labels: np.ndarray, *, side: int, batch_size: int) -> Callable[[], Any]:
    """The next batch of a DataLoader over a `datasets` table of PNG files with a transform, without workers."""
    import datasets

    transform = _transform(side)

    def transformed(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"image": [transform(image) for image in rows["image"]], "label": rows["label"]}

    features = datasets.Features(image=datasets.Image(), label=datasets.Value("int64"))
    columns = {"image": [{"bytes": content, "path": None} for content in pngs(pixels)], "label": labels.tolist()}
    held = datasets.Dataset.from_dict(columns, features=features).with_transform(transformed)
    return _endless(DataLoader(held, batch_size=batch_size, shuffle=True, drop_last=True))


def pngs(pixels: np.ndarray) -> Iterator[bytes]:
    """Each image of uint8 (n, S, S, 3) as a PNG file."""
    from PIL import Image

    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        yield file.getvalue()


def _endless(loader: Any) -> Callable[[], Any]:
    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    return batches().__next__
