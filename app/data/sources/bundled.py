"""scikit-learn's optical digits (UCI, 1998): 1,797 real 8 x 8 scans, available without a network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .source import Example, Source

VERSION = "uci-1998"


def open_digits() -> Source:
    """Return the 1,797 labelled digits as one train split, with grey levels 0..16 scaled to 0..255."""
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)

    def outline(_split: str) -> Iterator[Example]:
        for label in digits.target:
            yield Example(b"", int(label), None)

    def examples(_split: str) -> Iterator[Example]:
        for image, label in zip(images, digits.target, strict=True):
            yield Example(image, int(label), None)

    return Source(
        version=VERSION,
        rows={"train": len(images)},
        class_names=tuple(str(name) for name in digits.target_names),
        examples=examples,
        outline=outline,
    )
