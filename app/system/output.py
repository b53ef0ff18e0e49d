"""Standard output and error that never stop the work: if the reader ends or the disk is full, only the printing stops.

They remain text streams. Below them every write is reported as successful, so that no print, warning, progress bar,
thread or flush at the interpreter's end can fail.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_GONE = (errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET)  # permanent: reader, file, terminal
_PATIENCE = 1.0  # seconds for a reader of a stream that does not block
_STANDARD = (0, 1, 2)
_APART: list[TextIO] = []  # standard output, once for each context of `for_results`


class _Lasting(io.RawIOBase):
    """A file descriptor to which every write succeeds. `failed` is the first error that it hid."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self.name, self.mode = descriptor, name, "wb"
        self.failed: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        """Write as much as possible, and return the length of all data."""
        left = memoryview(data).cast("B")  # type: ignore[arg-type]
        size, until = len(left), time.monotonic() + _PATIENCE
        try:
            while left:
                if written := self._written(left, until):
                    left, until = left[written:], time.monotonic() + _PATIENCE
        except OSError as error:
            self.failed = self.failed or error
            if error.errno in _GONE:
                _to_nowhere(self._descriptor)  # for the libraries and the processes that share it
        return size

    def _written(self, data: memoryview, until: float) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            left = until - time.monotonic()
            if left <= 0 or not select.select([], [self._descriptor], [], left)[1]:
                raise
            return 0


def last() -> None:
    """Make this process's output streams survive any failure of what is behind them."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for descriptor in _STANDARD:  # the next opened file would get a closed one
        try:
            os.fstat(descriptor)
        except OSError:
            _to_nowhere(descriptor)
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1, "<stdout>"), _lasting(sys.stderr, 2, "<stderr>")
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)  # else the first ones fail at exit


@contextmanager
def for_results() -> Iterator[None]:
    """Send to stderr what is printed on stdout in the context, such as the prints of a user's model."""
    before = sys.stdout
    _APART.append(results() or before)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        _APART.pop()


def results() -> TextIO | None:
    """Return standard output within `for_results`, where results are written to it by name, else None."""
    return _APART[-1] if _APART else None


def failure() -> OSError | None:
    """Return why standard output lost text, or None if it lost none or was not replaced by `last`."""
    flush()
    raw = _raw()
    return raw.failed if raw else None


def lasts() -> bool:
    """Return whether `last` replaced standard output, so that it raises no error."""
    return _raw() is not None


def _raw() -> _Lasting | None:
    found = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return found if isinstance(found, _Lasting) else None


def flush() -> None:
    """Flush what was printed so far."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed; None without the stream
            stream.flush()


def _lasting(before: object, descriptor: int, name: str) -> io.TextIOWrapper:
    """Return the same text stream over a descriptor that lasts.

    A character that cannot be encoded is written as its code.
    """
    raw = _Lasting(descriptor, name)
    if not isinstance(before, io.TextIOWrapper):  # None, since the descriptor was closed
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
    with suppress(OSError, ValueError):
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), before.encoding, "backslashreplace" if before.errors == "strict" else before.errors,
        line_buffering=before.line_buffering, write_through=before.write_through,
    )  # fmt: skip


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    os.set_inheritable(descriptor, True)
