"""The files of a run: where they are, how a run is found among them, and its JSON record."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.run import RunConfig
from ..errors import Damaged, Explained, InputError
from ..system.durable import seal, sha256, write_text
from . import form

FORMAT = 1
_NEEDED = {"run_id": str, "status": str, "config": dict}  # of a record of any format
_MEND = "download the run again, or train it again with --fresh"


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

    def sweep(self) -> None:
        """Removes what a killed command left half-written; only who holds the run's lock may."""
        for path in self.folder.glob(f".{self.stem}*"):
            if path.suffix == ".aside":
                path.unlink(missing_ok=True)
            elif path.suffix == ".scratch":
                shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.push, ignore_errors=True)

    def sums(self) -> dict[str, str]:
        """Name -> sha256 of the finished files that a result rests on, for the record."""
        return {name: sha256(path) for name in _SUMMED if (path := getattr(self, name)).is_file()}

    def present(self) -> list[Path]:
        """The finished files that exist, in a fixed order; what an unfinished run needs is not among them."""
        paths = (getattr(self, name) for name in _SUFFIXES if name not in _UNFINISHED)
        return [path for path in paths if path.is_file()]


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


@dataclass(frozen=True)
class Run:
    """A run found on disk: its files and its record."""

    files: RunFiles
    record: dict[str, Any]

    @property
    def config(self) -> RunConfig:
        """The config it was trained with."""
        return RunConfig.from_json(self.record["config"])

    @property
    def done(self) -> bool:
        """Whether it was trained to its end."""
        return bool(self.record.get("status") == "done")

    def require_whole(self, *names: str, mend: str = "") -> None:
        """Raises Damaged unless these files, by default all that the record has sums of, are as they were written.

        `mend` says what to do; else it is to get the run again.
        """
        for name in names or self.record["files"]:
            path = getattr(self.files, name)
            if name in self.record["files"] and (not path.is_file() or sha256(path) != self.record["files"][name]):
                what = "damaged" if path.exists() else "gone"
                raise Damaged(f"{path} is {what}; {mend or _MEND}")

    @classmethod
    def load(cls, record: Path) -> Run:
        """Reads `<stem>.json`; raises Damaged or, for another version, InputError."""
        return cls(RunFiles(record.parent, record.stem), read_record(record))


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes `<stem>.json`, indented, with lists of numbers on one line, under a seal: a sum over all it says."""
    sealed = {"format": FORMAT} | {name: value for name, value in record.items() if name != "seal"}
    text = json.dumps(sealed | {"seal": seal(sealed)}, indent=2, allow_nan=False)
    flat = re.compile(r"\[\n\s+((?:[-\d.e+]+,\n\s+)*[-\d.e+]+)\n\s+\]")
    write_text(path, flat.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """A run's record, whole and under its own name; raises InputError naming the file and what to do."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no run record {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"the run record {path} is damaged ({error}); {_MEND}") from error
    if not isinstance(record, dict) or not all(isinstance(record.get(name), kind) for name, kind in _NEEDED.items()):
        raise InputError(f"{path} is not a run record; {_MEND}")
    if record.get("format") != FORMAT:
        raise InputError(f"{path} has format {record.get('format')}, this version reads {FORMAT}; {_MEND}")
    try:
        config = RunConfig.from_json(record["config"])
    except InputError as error:
        raise Damaged(f"the run record {path} is damaged ({error}); {_MEND}") from error
    if lacks := form.lacking(record):
        raise Damaged(f"the run record {path} is damaged (it lacks {lacks} as this version writes it); {_MEND}")
    _require_own(path, record, config)
    if record.pop("seal", None) != seal(record):
        raise Damaged(f"the run record {path} is damaged (it is not as it was written); {_MEND}")
    return record


def _require_own(path: Path, record: Mapping[str, Any], config: RunConfig) -> None:
    """Raises InputError unless record and file are named by the config within."""
    for name in ("run_id", "model", "size", "dataset"):
        if record[name] != getattr(config, name):
            raise Damaged(
                f"the run record {path} is damaged ({name} is {record[name]}, its config's {getattr(config, name)}); "
                f"{_MEND}"
            )
    if _composed(path.stem) != _composed(config.stem):
        raise InputError(
            f"{path} is the record of {config.stem} under another name; rename it to {config.stem}.json, "
            "or remove it where that is there already"
        )


def _composed(name: str) -> str:
    """A name as it is compared: some file systems keep an umlaut as two characters."""
    return unicodedata.normalize("NFC", name)


def find_runs(checkpoints: Path, say: Callable[[str], None] | None = None, *, named: str = "model_*.json") -> list[Run]:
    """Every run below a folder whose record fits the pattern, oldest first; copies of a run count as one.

    A record that cannot be read is told to `say` and passed over; without `say` it raises.
    """
    copies: dict[str, list[Run]] = {}
    for path in sorted(checkpoints.rglob(named)):
        if any(part.startswith(".") for part in path.relative_to(checkpoints).parts):
            continue  # on its way here
        try:
            run = Run.load(path)
        except Explained as error:
            if say is None:
                raise
            say(f"passed over: {error}")
        else:
            copies.setdefault(run.record["run_id"], []).append(run)
    runs = [max(found, key=lambda run: _preference(run, checkpoints)) for found in copies.values()]
    return sorted(runs, key=lambda run: (str(run.record.get("started", "")), run.files.stem))


def _preference(copy: Run, checkpoints: Path) -> tuple[bool, bool, bool, str]:
    """Of copies the greatest is taken: finished, then where `train` puts it, then the newest."""
    folder, newest = copy.files.folder, copy.record.get("finished") or copy.record.get("started", "")
    return copy.done, folder == checkpoints / copy.config.folder, folder == checkpoints, str(newest)
