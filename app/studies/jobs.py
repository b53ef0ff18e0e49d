"""Several workers of a study on this machine: one process and one device each, or a share of the CPU's cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO

from ..errors import InputError
from ..system import relaunch, signals

Say = Callable[[str], None]
_AHEAD = "ISOSCALE_AHEAD"  # how many workers started before this one, at the same time


def devices(*, on_cpu: bool) -> list[str]:
    """Return the GPUs that a process here may use, as CUDA_VISIBLE_DEVICES names them; torch is not needed."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if on_cpu:
        return []
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    if not (tool := shutil.which("nvidia-smi")):
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def shares(
    count: int, there: Sequence[str], *, threads: int | None, ranks: int = 1
) -> list[tuple[list[str], dict[str, str]]]:
    """Return the options and the environment of each of `count` workers: a GPU for each rank, or threads of the CPU.

    Raises InputError for more ranks than GPUs, or than cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most, what = (len(there), "GPUs") if there else (cores, "cores")
    if count * ranks > most:
        of_each = f" with --ranks {ranks}" if ranks > 1 else ""
        raise InputError(
            f"--jobs {count}{of_each} needs {count * ranks} {what}, and this machine has {most}. Use "
            + (f"--jobs {most // ranks} or less" if most >= ranks else f"--ranks {most} or less")
        )
    if there:
        parts = [there[ranks * number : ranks * (number + 1)] for number in range(count)]
        return [([], {"CUDA_VISIBLE_DEVICES": ",".join(part)}) for part in parts]
    return [([] if threads else ["--threads", str(cores // (count * ranks))], {})] * count


def ahead() -> int:
    """Return how many workers started before this one on this machine, since each begins with another run."""
    given = os.environ.get(_AHEAD, "")
    return int(given) if given.isdecimal() else 0


def work(arguments: Sequence[str], parts: Sequence[tuple[list[str], dict[str, str]]], say: Say) -> list[int]:
    """Start a worker for each part and wait for all; return their exit codes. What they report is passed to `say`.

    What asks this process to stop asks all of them.
    """
    with ExitStack() as held:
        started = [
            held.enter_context(_started([*arguments, *options], more | {_AHEAD: str(number)}))
            for number, (options, more) in enumerate(parts)
        ]
        held.enter_context(signals.passed_on(*started))
        readers = [
            threading.Thread(target=_pass_on, args=(worker.stderr, f"worker {number}: ", say), daemon=True)
            for number, worker in enumerate(started, start=1)
        ]
        for reader in readers:
            reader.start()
        codes = [worker.wait() for worker in started]
        for reader in readers:
            reader.join()
    return codes


def _started(arguments: Sequence[str], more: dict[str, str]) -> subprocess.Popen[str]:
    """Start the program; a worker ends with this process, as its trainings end with the worker."""
    return subprocess.Popen(
        relaunch.command(*arguments), env=relaunch.environment(ends_with_this=True) | more, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip


def _pass_on(lines: IO[str] | None, prefix: str, say: Say) -> None:
    for line in lines or ():
        say(f"{prefix}{line.rstrip()}")
    sys.stderr.flush()
