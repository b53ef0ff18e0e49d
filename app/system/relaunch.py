"""This program in another process: its command, and the environment in which it is found."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

PACKAGE = (__package__ or "").partition(".")[0]  # its name differs between a checkout and a wheel
_PARENT = "ISOSCALE_PARENT"  # the process ID of the command that started this one
_ROOT = str(Path(__file__).resolve().parents[2])  # the folder that contains the package


def command(*arguments: str, ranks: int = 1) -> list[str]:
    """Return the command that runs this program with these arguments and this interpreter.

    `torchrun` starts several ranks. It is started by `run.py` if this process was, so that the commands that it prints
    and records are the user's.
    """
    script = Path(sys.argv[0])
    by = [str(script)] if script.name == "run.py" and script.is_file() else ["-m", PACKAGE]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    return [sys.executable, *launcher, *by, *arguments]


def environment(*, ends_with_this: bool = False) -> dict[str, str]:
    """Return the variables of this process. For a checkout, its folder is added to Python's module path.

    A process that `ends_with_this` one calls `is_orphan`, since it gets no signal if its parent is killed.
    """
    kept = dict(os.environ)
    kept.pop(_PARENT, None)
    if ends_with_this:
        kept[_PARENT] = str(os.getpid())
    if _ROOT not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (_ROOT, kept.get("PYTHONPATH", ""))))
    return kept


def is_orphan() -> bool:
    """Return whether the command that started this process, and with which it must end, has ended."""
    return os.environ.get(_PARENT, str(os.getppid())) != str(os.getppid())
