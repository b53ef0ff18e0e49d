"""Several workers of a study on this machine: one process each, with a device, a share of it, or of the CPU's cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import takewhile
from typing import IO, Any

from ..errors import InputError
from ..system import machine, neighbours, relaunch, signals

Say = Callable[[str], None]
Part = tuple[list[str], dict[str, str]]  # options and environment variables of a worker
_COMPILING = "TORCHINDUCTOR_COMPILE_THREADS"  # of torch: processes that compile kernels, by default one per core
_HOST_THREADS = "OMP_NUM_THREADS"  # of torch on the host, which next to a GPU is no choice that a run keeps
_AHEAD = "ISOSCALE_AHEAD"  # how many workers started before this one, at the same time


def devices(*, on_cpu: bool) -> list[str]:
    """Return the GPUs that a process here may use, as CUDA_VISIBLE_DEVICES names them; torch is not needed."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if on_cpu:
        return []
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip()]
        return [] if machine.hidden() else [*takewhile(lambda name: not name.startswith("-"), names)]  # as CUDA does
    if not (tool := shutil.which("nvidia-smi")):
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def parts_of(options: Mapping[str, Any]) -> list[Part]:
    """Return the workers that the options of a study or a sweep ask for; none if this process trains alone.

    A process that `work`s, and one that `work` started, has the devices of its ranks already. Raises InputError, as
    `shares` does.
    """
    count, per_device, ranks = options.get("jobs"), options.get("jobs_per_device"), options.get("ranks") or 1
    spreads = ranks > 1 and not options.get("work") and _AHEAD not in os.environ
    if not per_device and not spreads and (count or 1) == 1:
        return []
    there = devices(on_cpu=options.get("device") == "cpu")
    found = shares(count, there, threads=options.get("threads"), ranks=ranks, per_device=per_device)
    return found if len(found) > 1 or spreads else []


def shares(
    count: int | None, there: Sequence[str], *, threads: int | None, ranks: int = 1, per_device: int | None = None
) -> list[Part]:
    """Return the options and the environment of each of `count` workers: a GPU for each rank, or threads of the CPU.

    With `per_device`, up to so many workers share each GPU. Their default number is then the largest. Without GPUs, the
    CPU is one device. Raises InputError for more ranks than GPUs, or than cores.
    """
    require_one_device(per_device, ranks)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = count or (per_device or 1) * (len(there) or 1)
    _require_room(count, len(there), cores, ranks=ranks, per_device=per_device)
    used = [there[ranks * (number % len(there)) :][:ranks] if there else [] for number in range(count)]
    each = max(1, cores // (count * ranks))
    beside = [neighbours.Neighbours(used.count(visible), count).variable for visible in used]
    if not there:
        own = [] if threads else ["--threads", str(each)]
        return [(own, more | _of_the_cores(each, _COMPILING)) for more in beside]
    host = _of_the_cores(each, _COMPILING, _HOST_THREADS) if (per_device or 1) > 1 else {}
    return [
        ([], {"CUDA_VISIBLE_DEVICES": ",".join(visible)} | more | host)
        for visible, more in zip(used, beside, strict=True)
    ]


def _of_the_cores(count: int, *names: str) -> dict[str, str]:
    """Return the variables that limit a worker to so many cores, without those that the user set."""
    return {name: str(count) for name in names if name not in os.environ}


def gpus_of(options: Mapping[str, Any]) -> int | None:
    """Return the GPUs that the workers of these options need on a machine. None: any number, or no GPU.

    Raises InputError for ranks next to several runs on a device.
    """
    count, per_device, ranks = options.get("jobs"), options.get("jobs_per_device"), options.get("ranks") or 1
    require_one_device(per_device, ranks)
    if options.get("device") == "cpu" or (per_device and not count):
        return None
    return -(-(count or 1) // (per_device or 1)) * ranks


def require_one_device(per_device: int | None, ranks: int) -> None:
    """Raise InputError for runs that share a device and have several."""
    if per_device and ranks > 1:
        raise InputError(
            f"--jobs-per-device {per_device} trains several runs on one device, and --ranks {ranks} one run on "
            "several. Omit one of them"
        )


def _require_room(count: int, gpus: int, cores: int, *, ranks: int, per_device: int | None) -> None:
    """Raise InputError if a machine has too few GPUs, or without GPUs too few cores."""
    if not gpus and per_device and count > per_device:
        raise InputError(
            f"--jobs {count} is more than --jobs-per-device {per_device}, and this machine has no GPU. Omit one of them"
        )
    each, most, what = (per_device or 1, gpus, "GPUs") if gpus else (1, cores, "cores")
    if (needed := -(-count * ranks // each)) <= most:
        return
    option = "--jobs-per-device" if per_device and not gpus else "--jobs"
    given = f" with --ranks {ranks}" if ranks > 1 else f" with --jobs-per-device {each}" if each > 1 else ""
    fits = most * each // ranks
    raise InputError(
        f"{option} {count}{given} needs {needed} {what}, and this machine has {most}. Use "
        + (f"{option} {fits} or less" if fits else f"--ranks {most} or less")
    )


def ahead() -> int:
    """Return how many workers started before this one on this machine, since each begins with another run."""
    given = os.environ.get(_AHEAD, "")
    return int(given) if given.isdecimal() else 0


def work(arguments: Sequence[str], parts: Sequence[Part], say: Say) -> list[int]:
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
