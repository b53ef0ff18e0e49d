"""Where an export is written: aside, and at its path only once it was checked."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..artifacts.runs import Run
from ..errors import InputError
from ..system.durable import beside, fsync_folder, make_folder, replacing
from ..tables.formats import FORMATS
from .exported import Request


def default(run: Run, request: Request) -> Path:
    """Return the path of an export without `--out`: the stem of the weights and the ending, in the current folder."""
    stem = getattr(run.files, request.which.file).stem
    ending = FORMATS[request.format].ending
    return Path(f"{stem}{ending}" if ending else f"{stem}_{request.format}")


def require_free(run: Run, target: Path, *, force: bool) -> None:
    """Raise InputError if the path is a file of the run, or exists and may not be replaced.

    With `force` a file is replaced, but a folder only if it is empty or an earlier export: it has a config.json.
    """
    if target.resolve() in {path.resolve() for path in run.files.all()}:
        raise InputError(f"--out {target} would replace a file of the run. Choose another path")
    if not (target.exists() or target.is_symlink()):
        return
    if not force:
        raise InputError(f"{target} exists. Use --force to replace it, or choose another --out")
    if target.is_dir() and any(target.iterdir()) and not (target / "config.json").is_file():
        raise InputError(f"{target} is a folder that `export` did not write, so --force does not replace it. "
                         "Choose another --out")  # fmt: skip


@contextmanager
def placed(target: Path, *, folder: bool) -> Iterator[Path]:
    """Yield a path to write a file or a folder to. It gets its name at the end, and is removed after an error."""
    if folder:
        with _folder_placed(target) as aside:
            yield aside
        return
    if target.is_dir():
        raise InputError(f"--out {target} is a folder, and this format writes one file. Name a file")
    with replacing(target) as aside:
        yield aside


@contextmanager
def _folder_placed(target: Path) -> Iterator[Path]:
    if target.is_file():
        raise InputError(f"--out {target} is a file, and this format writes a folder. Name a folder")
    make_folder(target.parent)
    aside = target.with_name(beside(target.name, f"{os.getpid()}-{threading.get_native_id()}.aside"))
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
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else (
        path.stat().st_size
    )  # fmt: skip
