"""The signals that ask a process to stop, and how they end a running command cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import Stopped

_ASKING = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP")
_ONE = 10.0  # seconds within which several signals count as one: a launcher and its place may both send one

Handler = Callable[[int, Any], Any] | signal.Handlers


def asking() -> list[signal.Signals]:
    """Return the signals that ask this process to stop. SIGHUP is not one of them under nohup, which ignores it."""
    found = [getattr(signal, name) for name in _ASKING if hasattr(signal, name)]
    return [number for number in found if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Let signals call their handlers within the context.

    Outside the main thread, which alone may have handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handlers[number]:  # not since `leave_undisturbed`
                signal.signal(number, handler)


@contextmanager
def heard(answer: Callable[[int], None]) -> Iterator[None]:
    """Call `answer` in a thread with the number of each handled signal within the context.

    This works even while the main thread computes. Python calls its handlers only between two bytecodes, but the bytes
    of `signal.set_wakeup_fd` arrive at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    listener = threading.Thread(target=_listen, args=(reading, answer), name="signals", daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)  # ends the listener
        listener.join()
        os.close(reading)


def _listen(reading: int, answer: Callable[[int], None]) -> None:
    while numbers := os.read(reading, 64):
        for number in numbers:
            answer(number)


@contextmanager
def passed_on(*processes: subprocess.Popen[Any]) -> Iterator[list[int]]:
    """Pass the signals that ask this process to stop to other processes within the context. Yield those that came.

    Ctrl-C in a terminal reaches all of them without help.
    """
    came: list[int] = []

    def pass_on(number: int, _frame: Any) -> None:
        came.append(number)
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    by_terminal = {signal.SIGINT: (lambda number, _: came.append(number)) if _in_foreground() else pass_on}
    with handled(dict.fromkeys(asking(), pass_on) | by_terminal):
        yield came


def _in_foreground() -> bool:
    """Return whether a terminal sends Ctrl-C to this process's group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


class _Ending:
    """A handler that raises Stopped once for signals that arrive together. `over` is set once the stop is under way."""

    def __init__(self) -> None:
        self.over = False
        self._first = float("-inf")

    def __call__(self, number: int, _frame: Any) -> None:
        if self.over or time.monotonic() - self._first < _ONE:
            return
        self._first = time.monotonic()
        raise Stopped(f"stopped by {signal.Signals(number).name}", since=self._first)


@contextmanager
def ending() -> Iterator[None]:
    """Raise Stopped on each of these signals within the context, so that no file is left incomplete.

    Within another such context, nothing changes.
    """
    if isinstance(signal.getsignal(signal.SIGTERM), _Ending):
        yield
        return
    with handled(dict.fromkeys(asking(), _Ending())):
        yield


def end_undisturbed() -> None:
    """Ignore these signals until the end of `ending`, so that a process that is stopping can finish its work."""
    for number in asking():
        if isinstance(handler := signal.getsignal(number), _Ending):
            handler.over = True


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once, without a traceback, within the context, because its work has not begun."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # it may be ignored, as for a background job
        yield
        return
    with handled({signal.SIGINT: signal.SIG_DFL}):
        yield


def leave_undisturbed() -> None:
    """Ignore these signals and Ctrl-C until the process ends, because they would replace its exit code."""
    for number in [signal.SIGINT, *asking()]:
        signal.signal(number, signal.SIG_IGN)
