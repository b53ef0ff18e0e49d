"""The names and paths of a run's files. No file is opened.

Most files have one fixed suffix each. The weights of `--keep-every` have one suffix per epoch, and are found in the
folder.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..config.run import RunConfig
from ..system.durable import sha256


@dataclass(frozen=True)
class RunFiles:
    """The paths of one run's files; no file is opened."""

    folder: Path
    stem: str

    @classmethod
    def of(cls, checkpoints: Path, config: RunConfig) -> RunFiles:
        """Return the paths of a config's run below the checkpoints folder."""
        return cls(checkpoints / config.folder, config.stem)

    @classmethod
    def at(cls, checkpoints: Path, run: str) -> RunFiles:
        """Return the paths of a run that is named by its folder below the checkpoints folder and its stem."""
        return cls((checkpoints / run).parent, Path(run).name)

    def __getattr__(self, name: str) -> Path:
        if name in _SUFFIXES:
            return self.folder / f"{self.stem}{_SUFFIXES[name]}"
        if found := _KEPT_NAME.fullmatch(name):
            return self.kept_at(int(found[1]))
        raise AttributeError(name)

    def named(self, names: Iterable[str]) -> dict[str, Path]:
        """Return the paths of the files of these names in a record.

        Names that only a later version knows are omitted.
        """
        return {name: getattr(self, name) for name in names if name in _SUFFIXES or _KEPT_NAME.fullmatch(name)}

    def kept_at(self, epoch: int) -> Path:
        """Return the path of the weights that `--keep-every` keeps after an epoch."""
        return self.folder / f"{self.stem}{_kept_suffix(epoch)}"

    def kept_among(self, names: Collection[str]) -> dict[int, Path]:
        """Return the paths of kept weights by their epoch, in order, from the names in the run's folder."""
        suffixes = [name[len(self.stem) :] for name in names if name.startswith(self.stem)]
        epochs = sorted(int(found[1]) for suffix in suffixes if (found := _KEPT.fullmatch(suffix)))
        return {epoch: path for epoch in epochs if (path := self.kept_at(epoch)).name in names}

    def kept(self) -> dict[int, Path]:
        """Return the paths of the kept weights that exist, by their epoch and in order."""
        try:
            with os.scandir(self.folder) as found:
                return self.kept_among({entry.name for entry in found})
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def sweep(self) -> None:
        """Remove the files that a killed command left half-written. The caller must have the run's lock."""
        for path in self.folder.glob(f".{self.stem}*"):
            if path.suffix == ".aside":
                path.unlink(missing_ok=True)
            elif path.suffix == ".scratch":
                shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.push, ignore_errors=True)

    def all(self, names: Collection[str] | None = None) -> list[Path]:
        """Return the paths of all files that a run may have, its record first.

        `names` are those in the run's folder, in which kept weights are found. Default: the folder is listed.
        """
        kept = self.kept() if names is None else self.kept_among(names)
        return [*(getattr(self, name) for name in _SUFFIXES), *kept.values()]

    def is_half_written(self, name: str) -> bool:
        """Return whether a name is the temporary one, given by `durable`, of one of the run's files."""
        names = "|".join([*map(re.escape, _SUFFIXES.values()), _KEPT.pattern])
        return bool(re.fullmatch(rf"\.{re.escape(self.stem)}(?:{names})\.\d+-\d+\.(?:aside|scratch)", name))

    def sums(self) -> dict[str, str]:
        """Return name -> sha256, for the record, of the finished files that a result depends on."""
        names = [*_SUMMED, *map(kept_name, self.kept())]
        return {name: sha256(path) for name in names if (path := getattr(self, name)).is_file()}

    def finished(self, names: Collection[str] | None = None) -> list[Path]:
        """Return the paths of all files that a finished run may have, without those that only an unfinished run needs.

        What trackers write belongs to this machine and is not among them.

        `names` are those in the run's folder. Default: the folder is listed.
        """
        unfinished = {getattr(self, name) for name in (*_UNFINISHED, *_OF_THIS_MACHINE)}
        return [path for path in self.all(names) if path not in unfinished]

    def present(self) -> list[Path]:
        """Return the finished files that exist, in a fixed order."""
        return [path for path in self.finished() if path.is_file()]


def kept_name(epoch: int) -> str:
    """Return the name in a record of the weights that are kept after an epoch."""
    return f"epoch{epoch:03d}"


def _kept_suffix(epoch: int) -> str:
    return f"_{kept_name(epoch)}.safetensors"


_KEPT_NAME = re.compile(r"epoch(\d{3,9})")
_KEPT = re.compile(r"_epoch(\d{3,9})\.safetensors")
_SUFFIXES = {
    "record": ".json",
    "weights": ".safetensors",
    "best": "_best.safetensors",
    "ema": "_ema.safetensors",
    "log": "_training.log",
    "predictions": "_predictions.parquet",
    "best_predictions": "_best_predictions.parquet",
    "ema_predictions": "_ema_predictions.parquet",
    "kept_predictions": "_kept_predictions.parquet",
    "robust": "_robust.parquet",
    "attention": "_attention.parquet",
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
    "tracking": ".tracking",
    "tensorboard": ".tensorboard",
}
_SUMMED = (
    "weights", "best", "ema", "log", "predictions", "best_predictions", "ema_predictions", "kept_predictions", "splits",
)  # fmt: skip
_UNFINISHED = ("state", "lock", "push", "holder")
_OF_THIS_MACHINE = ("tracking", "tensorboard")  # where trackers write
