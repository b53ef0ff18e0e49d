"""LANL's published test results as arms of a comparison: a folder of CSVs per model, or the notebook's table."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...results.unpaired import FileArm, FileRun
from ...system.durable import text
from . import lanl

_TESTED, _BEST = "_testset_results.csv", "_bestCHKPT_testset_results.csv"
_TABLE = "study_table"
_MEAN, _BEST_MEAN = "TEST_AVG", "CHKPT_TEST"  # columns of the table


def are_published(names: Sequence[str]) -> bool:
    """Return whether an argument is a folder of published CSVs, one such CSV, or a table with TEST_AVG."""
    return any(_is_published(Path(name).expanduser()) for name in names)


def arms(names: Sequence[str], *, best: bool) -> list[FileArm]:
    """Return one arm per argument, in their order. `best` uses the tests of the best checkpoints.

    Raises InputError for an argument that is not published files, and for files of another form.
    """
    return [_arm(Path(name).expanduser(), best) for name in names]


def _is_published(path: Path) -> bool:
    if path.is_dir():
        return bool(_files(path, _TESTED))
    return path.suffix == ".csv" and path.is_file() and (path.name.endswith(_TESTED) or _is_table(path))


def _is_table(path: Path) -> bool:
    header = _content(path).partition("\n")[0].strip().split(",")
    return _MEAN in header or _BEST_MEAN in header


def _arm(path: Path, best: bool) -> FileArm:
    ending = _BEST if best else _TESTED
    if path.is_file() and path.suffix == ".csv":
        runs = _of_table(path, best) if _is_table(path) else [_run(path)]
        named = path.resolve().parent.name if path.stem == _TABLE else path.stem  # `study --legacy lanl` names them so
        return FileArm(title=named, runs=tuple(runs))
    files = [each for each in _files(path, ending) if best or not each.name.endswith(_BEST)] if path.is_dir() else []
    if not files:
        raise InputError(
            f"{path} has no files study_NNN/studyNNN{ending}, and published results are compared with published "
            "results only. Give a folder of such files per model, or a table with a column "
            f"{_BEST_MEAN if best else _MEAN}"
        )
    return FileArm(title=path.resolve().name, runs=tuple(map(_run, files)))


def _files(folder: Path, ending: str) -> list[Path]:
    """Return the files with this ending in a folder and in its folders `study_NNN`, by number."""
    found = [*folder.glob(f"*{ending}"), *folder.glob(f"study_*/*{ending}")]
    return sorted(found, key=lambda path: (int((re.findall(r"\d+", path.name) or ["0"])[0]), path.name))


def _run(path: Path) -> FileRun:
    rows = lanl.read_tested(_content(path), str(path))
    if not rows:
        raise InputError(f"{path} has no test rows. Restore the published file")
    losses = np.array([float(str(row.loss)) for row in rows])
    return FileRun(
        name=path.name.split("_")[0], mse=float(losses.mean()), truth=np.array([row.truth for row in rows], np.float32)
    )


def _of_table(path: Path, best: bool) -> list[FileRun]:
    column = _BEST_MEAN if best else _MEAN
    rows = list(csv.DictReader(io.StringIO(_content(path))))
    if not rows or column not in rows[0] or "studyIDX" not in rows[0]:
        raise InputError(
            f"{path} has no rows with the columns studyIDX and {column}. Add them, or name a folder of CSVs"
        )
    found = []
    for number, row in enumerate(rows, 2):
        try:
            mse = float(row[column])
        except (TypeError, ValueError):
            mse = math.nan
        if not math.isfinite(mse):
            raise InputError(
                f"line {number} of {path} has the {column} {row[column]!r}. Give a number, or omit the line"
            )
        found.append(FileRun(name=f"study{row['studyIDX']}", mse=mse, truth=None))
    return found


def _content(path: Path) -> str:
    try:
        return text(path)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read ({error}). Name a file of LANL's study") from None
