"""A contender's work in a separate process, as its users run it, so that its settings affect nothing else."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from ..system import memory
from .meter import Prepared


class Apart:
    """The work that `make` prepares, run in another process with this one's number of threads. `make` can be pickled.

    The other process ends with this one. If it fails, the call that met the failure raises a RuntimeError or a
    MemoryError here.
    """

    def __init__(self, make: Callable[[], Prepared]) -> None:
        self._make = make
        self._peak = 0

    def prepare(self) -> Prepared:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        with _uninterrupted():
            process.start()
        theirs.close()
        return lambda units: self._asked(process, ours, units)

    def peak_bytes(self) -> int:
        """Return the peak memory of the complete process so far, its libraries included."""
        return self._peak

    def _asked(self, process: BaseProcess, connection: Connection, units: int) -> float:
        try:
            connection.send((units, torch.get_num_threads()))
            answer: Any = connection.recv()
        except (EOFError, OSError) as error:
            process.join()
            if process.exitcode == -signal.SIGKILL:  # the kernel's way to free memory
                raise MemoryError("its process was killed") from error
            raise RuntimeError("its process ended") from error
        if isinstance(answer, Exception):
            raise answer
        value, self._peak = answer
        return float(value)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block Ctrl-C within the context.

    A process started in it inherits this, so that its imports are not interrupted.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # otherwise the start of a thread or a process would end the wait
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, make: Callable[[], Prepared]) -> None:
    """Answer each call with its value and the process's peak memory, or with an error, after which the process ends.

    Ctrl-C on a terminal reaches this process too. It ignores it and ends with the process that it answers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run: Prepared | None = None
    while True:
        try:
            units, threads = connection.recv()
        except (EOFError, OSError):
            return
        torch.set_num_threads(threads)
        try:
            run = run or make()
            value = run(units)
        except Exception as error:  # whatever a contender fails with is reported  # noqa: BLE001
            sentence = (str(error) or type(error).__name__).splitlines()[0]
            with suppress(OSError):  # the caller has ended
                connection.send(MemoryError(sentence) if isinstance(error, MemoryError) else RuntimeError(sentence))
            return
        with suppress(OSError):
            connection.send((value, memory.peak()))
