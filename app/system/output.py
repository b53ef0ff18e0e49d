"""Standard output and error that cost no work: a reader that goes away, or a full disk, ends the printing alone.

They stay streams of text as before. Below them every write is reported as done, so that no print, no warning, no
progress bar, no thread and no flush at the interpreter's end can fail.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import time
from contextlib import suppress

_GONE = (errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET)  # for good: reader, file, terminal
_PATIENCE = 1.0  # seconds for a reader of a stream that does not block
_STANDARD = (0, 1, 2)


class _Lasting(io.RawIOBase):
    """A file descriptor to which every write succeeds; `failed` is the first error that it hid."""

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
        """Write what can be written, and return the length of it all."""
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
    """Make this process's output streams last, whatever happens to what is behind them."""
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for descriptor in _STANDARD:  # a closed one would be the next file that is opened: weights, say
        try:
            os.fstat(descriptor)
        except OSError:
            _to_nowhere(descriptor)
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1, "<stdout>"), _lasting(sys.stderr, 2, "<stderr>")
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)  # or the first ones fail at the interpreter's end


def failure() -> OSError | None:
    """Return why standard output took less than what was printed; None if it took all, or is not one of `last`."""
    flush()
    raw = _raw()
    return raw.failed if raw else None


def lasts() -> bool:
    """Return whether standard output is one of `last`, so that no error comes from it."""
    return _raw() is not None


def _raw() -> _Lasting | None:
    found = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return found if isinstance(found, _Lasting) else None


def flush() -> None:
    """Hand on what was printed so far."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed; None without the stream
            stream.flush()


def _lasting(before: object, descriptor: int, name: str) -> io.TextIOWrapper:
    """The same stream of text over a descriptor that lasts. A character that it cannot show is written as its code."""
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
