"""The published arrays of CIFAR-10-C and CIFAR-100-C: a folder of `<corruption>.npy` and `labels.npy`.

Layout (zenodo.org/records/2535967 and 3555552): uint8 (5 n, 32, 32, 3), severities 1 to 5 in blocks of the n test
images, and the labels of all blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..system.durable import sha256
from ..tables.corruptions import CORRUPTIONS, SEVERITIES


@dataclass(frozen=True)
class Published:
    """A folder of published arrays whose labels were compared with those of a test set."""

    folder: Path
    images: int  # of one severity
    side: int

    @classmethod
    def at(cls, folder: Path, rows: np.ndarray, labels: np.ndarray, *, side: int) -> Published:
        """Return the folder's arrays. Raise InputError unless its labels are those of these test rows, int64 (n,)."""
        given = _array(folder, "labels")
        count = len(given) // len(SEVERITIES)
        if given.ndim != 1 or len(given) != count * len(SEVERITIES) or not count:
            raise InputError(f"--cifar-c {folder}: labels.npy has the shape {given.shape}, but five equal blocks of "
                             "labels are expected. Download the folder again")  # fmt: skip
        blocks = given.reshape(len(SEVERITIES), count)
        if (len(rows) and rows.max() >= count) or not (blocks[:, rows] == labels).all():
            raise InputError(f"--cifar-c {folder}: its labels are not those of the test rows in their order. Give "
                             "the folder of the run's dataset: CIFAR-10-C for cifar10, CIFAR-100-C for "
                             "cifar100")  # fmt: skip
        return cls(folder, count, side)

    def names(self) -> list[str]:
        """Return the corruptions that the folder has, in the table's order."""
        return [name for name in CORRUPTIONS if (self.folder / f"{name}.npy").is_file()]

    def digest(self, name: str) -> str:
        """Return 8 hex digits of the sha256 of a corruption's file."""
        return sha256(self.folder / f"{name}.npy")[:8]

    def block(self, name: str, severity: int) -> np.ndarray:
        """Return the images of a severity, uint8 (n, 3, side, side). Raise InputError for an array of another shape."""
        array = _array(self.folder, name)
        shape = (self.images * len(SEVERITIES), self.side, self.side, 3)
        if array.shape != shape or array.dtype != np.uint8:
            raise InputError(f"--cifar-c {self.folder}: {name}.npy is {array.dtype} {array.shape}, but uint8 {shape} "
                             "is expected. Download the file again")  # fmt: skip
        block = array[(severity - 1) * self.images : severity * self.images]
        return np.ascontiguousarray(block.transpose(0, 3, 1, 2))


def _array(folder: Path, name: str) -> np.ndarray:
    """Return an array of the folder without reading it. Raise InputError if it cannot be read."""
    path = folder / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no complete array of numbers"
        raise InputError(f"--cifar-c {folder}: {path.name} cannot be read ({why}). Give a folder with labels.npy and "
                         "one array per corruption") from error  # fmt: skip
