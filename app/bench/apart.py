"""A contender's work in a separate process, as its users run it, so that its settings affect nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..system import memory
from ..system.child import Child
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
        child = Child(partial(_served, self._make))
        return lambda units: self._asked(child, units)

    def peak_bytes(self) -> int:
        """Return the peak memory of the complete process so far, its libraries included."""
        return self._peak

    def _asked(self, child: Child, units: int) -> float:
        value, self._peak = child.ask(units, torch.get_num_threads())
        return float(value)


def _served(make: Callable[[], Prepared]) -> Callable[[int, int], Any]:
    """Return what answers each call with its value and the process's peak memory."""
    runs: list[Prepared] = []

    def answer(units: int, threads: int) -> tuple[float, int]:
        torch.set_num_threads(threads)
        try:
            runs.extend([make()] if not runs else [])
            return runs[0](units), memory.peak()
        except Exception as error:  # whatever a contender fails with is reported
            sentence = (str(error) or type(error).__name__).splitlines()[0]
            raise (MemoryError(sentence) if isinstance(error, MemoryError) else RuntimeError(sentence)) from error

    return answer
