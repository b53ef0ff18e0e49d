"""Calls in another process of this program, which ends with this one and whose failure affects nothing here."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from ..errors import named_line
from . import processes, relaunch

_POLL = 1.0  # seconds between checks of whether the parent process still runs


class ProcessEnded(RuntimeError):
    """The other process ended before it answered."""


class NoAnswer(RuntimeError):
    """The other process did not answer in time, and was killed."""


class _ThereError(Exception):
    """The trace of an error in the other process."""


class Child:
    """Another process, in which `make` returns the function that answers calls. Both can be pickled by name.

    Unlike `multiprocessing`, it does not run the main module again, which may be a user's script. Its standard output
    is discarded, and with `quiet` its error output too. The process ends after a call that failed, when `end` is
    called, and when this process ends, even if it is killed.
    """

    def __init__(self, make: Callable[[], Callable[..., Any]], *, quiet: bool = False) -> None:
        """Start the process. Its imports are not interrupted by Ctrl-C."""
        ours, theirs = Pipe()
        words = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()", str(theirs.fileno())]
        with theirs, _uninterrupted():
            self._process = subprocess.Popen(
                words, env=relaunch.environment(ends_with_this=True), pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL if quiet else None,
            )  # fmt: skip
        self._connection = ours
        self.end = weakref.finalize(self, _end, self._process, ours)  # also at the end of this process
        with suppress(OSError):  # it has ended: the first call reports this
            ours.send(sys.path)
            ours.send(make)

    @property
    def is_alive(self) -> bool:
        """Whether the process can be called."""
        return self.end.alive and self._process.poll() is None

    def ask(self, *arguments: Any, seconds: float | None = None) -> Any:
        """Return the answer to a call.

        Raises the error with which the call failed, MemoryError if the process was killed as the kernel does to free
        memory, ProcessEnded if it ended in another way, and NoAnswer after `seconds`.
        """
        try:
            self._connection.send(arguments)
            if not self._connection.poll(seconds):
                raise NoAnswer(f"no answer within {seconds:,.0f} s")
            answer, error, trace = self._connection.recv()
        except (EOFError, OSError) as broken:
            raise self._ended() from broken
        except BaseException:  # among them the signals that stop this process
            self.end()
            raise
        if error is None:
            return answer
        self.end()
        raise error from _ThereError(trace)

    def _ended(self) -> Exception:
        """Return the error for a process that ended by itself, or was ended before."""
        if not self.end.alive:
            return ProcessEnded("its process ended")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        code = self._process.returncode
        self.end()
        if code == -signal.SIGKILL:
            return MemoryError("its process was killed")
        by = f" by {signal.Signals(-code).name}" if code and code < 0 else ""
        return ProcessEnded(f"its process ended{by}")


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block Ctrl-C within the context. A process started in it inherits this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve() -> None:
    """Answer the calls of the process that started this one, until one fails or that process ends.

    Ctrl-C on a terminal reaches this process too. It ignores it and ends with the process that it answers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    connection = Connection(int(sys.argv[1]))
    answering: Callable[..., Any] | None = None
    try:
        sys.path[:] = connection.recv()
        make = connection.recv()
        while True:
            arguments = connection.recv()
            try:
                answering = answering or make()
                answer = answering(*arguments)
            except Exception as error:  # whatever a call fails with is raised by the caller  # noqa: BLE001
                _send_error(connection, error)
                return
            connection.send((answer, None, None))
    except (EOFError, OSError):  # the caller has ended
        return


def _send_error(connection: Connection, error: Exception) -> None:
    """Send an error with its trace, or a RuntimeError of its kind and first line if it cannot be sent."""
    trace = "in another process\n" + "".join(traceback.format_exception(error)).strip()
    try:
        sent = copy.copy(error)  # by the constructor, as the caller does it, which fails for some libraries' errors
        if str(sent) != str(error):
            raise TypeError("its constructor takes other arguments")
        connection.send((None, sent, trace))
    except OSError:
        raise
    except Exception:  # whatever cannot be sent  # noqa: BLE001
        connection.send((None, RuntimeError(named_line(error)), trace))


def _end_with_parent() -> None:
    """End this process when its parent ends, even within a call that does not return.

    Linux sends the signal itself. Elsewhere a thread looks, which Python lets run during most calls of a library.
    """
    processes.die_with_parent()
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while not relaunch.is_orphan():
        time.sleep(_POLL)
    os.kill(os.getpid(), signal.SIGKILL)
