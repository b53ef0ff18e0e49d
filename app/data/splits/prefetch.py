"""An iterator that is read in a thread of its own, so many items ahead of whoever takes them."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

_LOOK = 0.2  # seconds between looks whether anybody still takes
_NICE = 10  # of threads that read ahead


@dataclass(frozen=True)
class _End:
    """What comes after the last item."""

    error: BaseException | None = None


class Prefetch(Iterator[Any]):
    """The items of an iterator in its order; what it raises comes in its place. At most `depth` of them wait.

    The thread ends with the items, with this object, or with the program's main thread.
    """

    def __init__(self, items: Iterator[Any], depth: int) -> None:
        self._found: SimpleQueue[Any] = SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._end: _End | None = None
        gone = threading.Event()
        weakref.finalize(self, gone.set)
        threading.Thread(target=_read, args=(items, self._found, self._room, gone), name="prefetch").start()

    def __next__(self) -> Any:
        if self._end is None:
            item = self._found.get()
            if not isinstance(item, _End):
                self._room.release()
                return item
            self._end = item
        raise self._end.error or StopIteration


def behind() -> None:
    """Has the calling thread run where the others leave the processor, on Linux: what it reads is wanted later."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _read(items: Iterator[Any], found: SimpleQueue[Any], room: threading.Semaphore, gone: threading.Event) -> None:
    """Puts the items, each where there is room."""
    behind()
    try:
        for item in items:
            while not room.acquire(timeout=_LOOK):
                if gone.is_set() or not threading.main_thread().is_alive():
                    return
            if gone.is_set():
                return
            found.put(item)
    except BaseException as error:  # it is raised where the items are taken  # noqa: BLE001
        found.put(_End(error))
    else:
        found.put(_End())
