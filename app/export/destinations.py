"""Where an export is written: aside, and at its path only once it was checked."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..artifacts.runs import Run
from ..errors import NO_TEXT, DiskFull, InputError, is_text
from ..system.durable import beside, fsync_folder, make_folder, replacing, text
from ..system.printable import printable
from ..tables.formats import FORMATS
from .exported import Request

_WRITTEN = {"README.md", "config.json", "model.safetensors", "preprocessor_config.json"}  # in a folder


def default(run: Run, request: Request) -> Path:
    """Return the path of an export without `--out`: the stem of the weights and the ending, in the current folder."""
    stem = getattr(run.files, request.which.file).stem
    ending = FORMATS[request.format].ending
    return Path(f"{stem}{ending}" if ending else f"{stem}_{request.format}")


def require_free(run: Run, target: Path, request: Request, *, force: bool) -> None:
    """Raise InputError if the path is a file of the run, is of another kind, or exists and may not be replaced.

    With `force` a file is replaced, but a folder only if it is empty or an earlier export: its config.json names a run.
    """
    if not is_text(str(target)):
        raise InputError(f"--out {target}: {NO_TEXT}")
    if target.resolve() in {path.resolve() for path in run.files.all()}:
        raise InputError(f"--out {target} would replace a file of the run. Choose another path")
    if not (target.exists() or target.is_symlink()):
        return
    _require_kind(target, folder=not FORMATS[request.format].ending)
    if target.is_dir() and any(target.iterdir()) and not _is_export(target):
        raise InputError(f"{target} is a folder that `export` did not write, so --force does not replace it. "
                         "Choose another --out")  # fmt: skip
    if target.is_dir() and (more := sorted({path.name for path in target.iterdir()} - _WRITTEN)):
        raise InputError(f"{target} has files that `export` did not write, such as {printable(more[0])}, and --force "
                         "would delete them. Move them, or choose another --out")  # fmt: skip
    if not force:
        raise InputError(f"{target} exists. Use --force to replace it, or choose another --out")


def _require_kind(target: Path, *, folder: bool) -> None:
    """Raise InputError for a path of another kind than the format writes. A link counts as what it leads to."""
    if target.exists() and not target.is_file() and not target.is_dir():
        raise InputError(f"--out {target} is a pipe, a socket or a device, and is not replaced. Choose another path")
    if folder and target.is_file():
        raise InputError(f"--out {target} is a file, and this format writes a folder. Name a folder")
    if target.is_dir() and not folder:
        raise InputError(f"--out {target} is a folder, and this format writes one file. Name a file")


def _is_export(folder: Path) -> bool:
    """Return whether `export` wrote a folder, which other programs' folders with a config.json are not."""
    try:
        found = json.loads(text(folder / "config.json"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "isoscale" in found


@contextmanager
def placed(target: Path, *, folder: bool) -> Iterator[Path]:
    """Yield a path to write a file or a folder to. It gets its name at the end, and is removed after an error."""
    with _folder_placed(Path(os.path.realpath(target))) if folder else replacing(target) as aside:
        yield aside


@contextmanager
def _folder_placed(target: Path) -> Iterator[Path]:
    make_folder(target.parent)
    aside = target.with_name(beside(target.name, f"{os.getpid()}-{threading.get_native_id()}.aside"))
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process that had the same numbers
    try:
        aside.mkdir()
        yield aside
        for path in aside.rglob("*"):
            if path.is_file():
                with path.open("rb") as written:
                    os.fsync(written.fileno())
        if target.is_dir():
            shutil.rmtree(target)
        aside.rename(target)
        fsync_folder(target.parent)
    except DiskFull as error:
        raise DiskFull(str(error).replace(str(aside), str(target))) from error
    except OSError as error:
        if not str(error.filename).startswith(str(aside)):
            raise
        raise type(error)(error.errno, error.strerror, str(target)) from error  # not of the temporary name
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else (
        path.stat().st_size
    )  # fmt: skip
