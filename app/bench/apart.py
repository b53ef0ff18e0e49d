"""A peer's steps in a process of its own, as its users run it: what this process sets for itself does not reach it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

from app.bench.rounds import Prepared


def apart(make: Callable[[], Prepared]) -> Prepared:
    """What `make` prepares, in another process and with this one's number of threads; `make` can be pickled.

    The process ends with this one. A failure there is a RuntimeError here, at the call that met it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make), daemon=True)
    process.start()
    theirs.close()

    def run(units: int) -> float:
        try:
            ours.send((units, torch.get_num_threads()))
            answer = ours.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError("its process ended") from error
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return float(answer)

    return run


def _serve(connection: Connection, make: Callable[[], Prepared]) -> None:
    """Answers each call with its value, or with a sentence, which is the last."""
    run: Prepared | None = None
    while True:
        try:
            units, threads = connection.recv()
        except EOFError:
            return
        torch.set_num_threads(threads)
        try:
            run = run or make()
            connection.send(run(units))
        except Exception as error:  # whatever a peer fails with, it is told and left out  # noqa: BLE001
            connection.send((str(error) or type(error).__name__).splitlines()[0])
            return
