"""The files of a run: their names and where they are; nothing is opened."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..config.run import RunConfig
from ..system.durable import sha256


@dataclass(frozen=True)
class RunFiles:
    """The paths of one run's files; nothing is opened."""

    folder: Path
    stem: str

    @classmethod
    def of(cls, checkpoints: Path, config: RunConfig) -> RunFiles:
        """Where a config's run lives below the checkpoints folder."""
        return cls(checkpoints / config.folder, config.stem)

    def __getattr__(self, name: str) -> Path:
        if name in _SUFFIXES:
            return self.folder / f"{self.stem}{_SUFFIXES[name]}"
        raise AttributeError(name)

    def named(self, names: Iterable[str]) -> dict[str, Path]:
        """Return the paths of the files of these names in a record, without those that only a later version knows."""
        return {name: getattr(self, name) for name in names if name in _SUFFIXES}

    def sweep(self) -> None:
        """Removes what a killed command left half-written; only who holds the run's lock may."""
        for path in self.folder.glob(f".{self.stem}*"):
            if path.suffix == ".aside":
                path.unlink(missing_ok=True)
            elif path.suffix == ".scratch":
                shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.push, ignore_errors=True)

    def all(self) -> list[Path]:
        """Return the paths of everything that a run may have, its record first."""
        return [getattr(self, name) for name in _SUFFIXES]

    def is_half_written(self, name: str) -> bool:
        """Return whether a name is that of one of the run's files while it is written, as `durable` gives it."""
        names = "|".join(map(re.escape, _SUFFIXES.values()))
        return bool(re.fullmatch(rf"\.{re.escape(self.stem)}(?:{names})\.\d+-\d+\.(?:aside|scratch)", name))

    def sums(self) -> dict[str, str]:
        """Name -> sha256 of the finished files that a result rests on, for the record."""
        return {name: sha256(path) for name in _SUMMED if (path := getattr(self, name)).is_file()}

    def finished(self) -> list[Path]:
        """The paths of all files that a finished run may have; what an unfinished run needs is not among them."""
        return [getattr(self, name) for name in _SUFFIXES if name not in _UNFINISHED]

    def present(self) -> list[Path]:
        """The finished files that exist, in a fixed order."""
        return [path for path in self.finished() if path.is_file()]


_SUFFIXES = {
    "record": ".json",
    "weights": ".safetensors",
    "best": "_best.safetensors",
    "log": "_training.log",
    "predictions": "_predictions.parquet",
    "best_predictions": "_best_predictions.parquet",
    "splits": "_splits.parquet",
    "loss_png": "_loss.png",
    "loss_svg": "_loss.svg",
    "confusion_png": "_confusion.png",
    "confusion_svg": "_confusion.svg",
    "truth_png": "_truth.png",
    "truth_svg": "_truth.svg",
    "state": ".state",
    "lock": ".lock",
    "push": ".push",
    "holder": ".holder",
}
_SUMMED = ("weights", "best", "log", "predictions", "best_predictions", "splits")
_UNFINISHED = ("state", "lock", "push", "holder")
