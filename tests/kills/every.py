"""Kills a command at its file operations, one after the other, and gives it again: what then is there, and what is not.

`python -m kills.every FOLDER SEED COUNT COMMAND...` needs the shim loaded (`LD_PRELOAD`) and the datasets of
`goldens.scene` under FOLDER/scene. COUNT is how many operations are drawn, 0 for all of them. It prints JSON. Each try
is a fork of a process that has imported everything and computed nothing.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MEASURED = ("seconds", "wait_ms", "peak_bytes")
_IGNORED = (".lock", ".lock.by")  # locks stay; so does who held them
_REMEMBERED = "cache/verified/"  # which files matched: written by a start that finds them older than two seconds


def built(folder: Path) -> Path:
    """The shim, compiled; raises FileNotFoundError where there is no C compiler."""
    if not (compiler := shutil.which("cc")):
        raise FileNotFoundError("no C compiler")
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    line = [compiler, "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", library, source, "-ldl"]
    subprocess.run(line, check=True, capture_output=True)
    return library


class Tries:
    """A folder in which a command is run again and again, each time from nothing."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder, self.command = folder, command
        self.shim = ctypes.CDLL(None)
        self.shim.shim_arm.argtypes = (ctypes.c_char_p, ctypes.c_long)
        self.shim.shim_counted.restype = ctypes.c_long

    def run(self, place: Path, *, fatal: int = 0, after: Callable[[], None] | None = None) -> int:
        """How the command ends in a fork: its exit code, or the signal that killed it below 0."""
        place.mkdir(exist_ok=True)
        if child := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        code = 70
        with suppress(BaseException):
            self._in_child(place, fatal)
            code = _called(self.command)
            if after:
                after()
        os._exit(code)

    def _in_child(self, place: Path, fatal: int) -> None:
        said = os.open(place.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ["ISOSCALE_CACHE"] = str(place / "cache")
        for name in (self.folder / "scene").iterdir():
            with suppress(FileExistsError):
                (place / name.name).symlink_to(name)
        os.chdir(place)
        self.shim.shim_arm(str(place).encode(), fatal)

    def whole(self) -> tuple[Path, int]:
        """The run that nothing disturbs, and how many file operations it is."""
        place, count = self.folder / "whole", self.folder / "count"
        code = self.run(place, after=lambda: count.write_text(str(self.shim.shim_counted())))
        if code != 0:
            raise SystemExit(f"exit {code}: {place.with_suffix('.said').read_text()}")
        return place, int(count.read_text())

    def import_what_a_run_imports(self) -> None:
        """So that each fork has it; what a first run imports is found in a fork."""
        names = self.folder / "names"
        self.run(self.folder / "first", after=lambda: names.write_text("\n".join(sys.modules)))
        for name in names.read_text().split():
            with suppress(ImportError):
                importlib.import_module(name)


def _called(command: list[str]) -> int:
    from app.cli import main

    sys.argv = ["run.py", *command]
    return main()


def wrong(killed: Path, whole: Path) -> list[str]:
    """Return the differences between the files of a killed and resumed run and those of the uninterrupted run."""
    names, wanted = _files(killed), _files(whole)
    found = [f"{name} is missing" for name in sorted(wanted.keys() - names.keys())]
    found += [f"{name} is left" for name in sorted(names.keys() - wanted.keys())]
    return found + [
        f"{name} differs"
        for name in sorted(names.keys() & wanted.keys())
        if _content(names[name]) != _content(wanted[name])
    ]


def _files(place: Path) -> dict[str, Path]:
    links = {path for path in place.iterdir() if path.is_symlink()}
    found = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}
    kept = {name: path for name, path in found.items() if path not in links and not name.endswith(_IGNORED)}
    return {name: path for name, path in kept.items() if not name.startswith(_REMEMBERED)}


def _content(path: Path) -> Any:
    """The bytes of a file; of a log, a record and a manifest, what is not measured."""
    if path.name.endswith("_training.log"):
        from app import log

        return [{name: row[name] for name in row if name not in MEASURED} for row in log.read(path)[1]]
    if path.name.startswith("model_") and path.suffix == ".json":
        record = json.loads(path.read_text())
        return {name: record[name] for name in ("run_id", "config", "status", "test", "epochs") if name in record}
    if path.name == "manifest.json":  # of a cache
        return {name: value for name, value in json.loads(path.read_text()).items() if name not in ("made", "seal")}
    return path.read_bytes()


def main() -> None:
    """Tries the operations that were asked for."""
    folder, seed, count = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    tries = Tries(folder, sys.argv[4:])
    tries.import_what_a_run_imports()
    whole, operations = tries.whole()
    drawn = range(1, operations + 1)
    numbers = sorted(random.Random(seed).sample(drawn, min(count, operations))) if count else drawn
    said = []
    for number in numbers:
        place = folder / f"at-{number}"
        killed, ended = tries.run(place, fatal=number), tries.run(place)
        found = wrong(place, whole) if (killed, ended) == (-signal.SIGKILL, 0) else []
        if found or (killed, ended) != (-signal.SIGKILL, 0):
            said.append({"at": number, "killed": killed, "ended": ended, "wrong": found,
                         "said": place.with_suffix(".said").read_text()[-2000:]})  # fmt: skip
        shutil.rmtree(place)
    print(json.dumps({"operations": operations, "tried": len(numbers), "wrong": said}))


if __name__ == "__main__":
    main()
