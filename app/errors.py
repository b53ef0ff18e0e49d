"""The ways a command ends that are not a bug, each with its documented exit code."""

from __future__ import annotations

import errno
from typing import ClassVar

# How torch says that there is no room: on a CPU, on CUDA and MPS, in cuBLAS and cuDNN, on Windows, and where the bytes
# outgrow 63 bits.
_NO_ROOM = (
    "can't allocate memory", "out of memory", "not enough memory", "ALLOC_FAILED", "nvalid buffer size",
    "calculation overflowed",
)  # fmt: skip
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no more of it for this user, or not in one file


class Explained(Exception):
    """An error whose message tells the user what is wrong, what is allowed and what to do."""


class InputError(Explained, ValueError):
    """What was asked for cannot be done, however often it is asked (exit 2)."""


class UnknownRevision(InputError):
    """A run has a meaning that this version does not know: nothing is damaged, but a later version is needed."""


class ChecksFailed(InputError):
    """Checks did not pass; their lines are on stdout already."""


class RunFailed(Explained, RuntimeError):
    """Something happened while the command ran; the same command may succeed later (exit 4)."""

    kind: ClassVar[str]  # as `--json` and the record spell it


class Diverged(RunFailed):
    """A loss is not a number."""

    kind = "diverged"


class OutOfMemory(RunFailed):
    """The memory of the device, or of this process, is too small."""

    kind = "out of memory"


class DiskFull(RunFailed):
    """A disk has no room for what is written to it."""

    kind = "disk full"


class Damaged(RunFailed):
    """A file is not as it was written, or is gone."""

    kind = "damaged"


class Held(RunFailed):
    """Another process or machine holds what this one needs."""

    kind = "held"


class Unavailable(RunFailed):
    """Something outside this machine does not answer."""

    kind = "unavailable"


class HubUnavailable(Unavailable):
    """The Hub did not answer, or answered with a failure of its own, after every retry."""


class NotUploaded(RuntimeError):
    """The run is finished and safe on this machine, but it is not on the Hub (exit 3)."""


class Stopped(BaseException):
    """A signal or the time limit asked to stop; the same command resumes from what is saved (exit 75).

    Like KeyboardInterrupt it is no Exception, so that nothing on the way takes it for an error and continues. `saved`
    says that training stopped at a step's end with its state saved, `in_time` that nobody is about to kill the process,
    and `since` when the signal came, in seconds of `time.monotonic()`.
    """

    def __init__(self, message: str, *, saved: bool = False, in_time: bool = False, since: float | None = None) -> None:
        super().__init__(message)
        self.saved, self.in_time, self.since = saved, in_time, since


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: Python's MemoryError, torch's error of a GPU, or a RuntimeError that says so."""
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # without an import of torch
    if isinstance(error, MemoryError) or named:
        return True
    torch_s = isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError | RecursionError)
    return torch_s and any(words in str(error) for words in _NO_ROOM)


def failure_of(error: BaseException) -> RunFailed | None:
    """Return the failure behind an error, which may be one of Python, torch or the system; None behind any other."""
    if isinstance(error, RunFailed):
        return error
    if is_out_of_memory(error):
        what = f"{type(error).__name__}: {first_line(error)}".rstrip(": ")
        return OutOfMemory(
            f"memory ran out ({what}). Free memory, or use a smaller --batch-size or --size; "
            "the same command resumes from what was last saved"
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return DiskFull(f"no space left for {error.filename or 'a file'}. Free some and run the same command again")
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; empty without one."""
    return (str(error).splitlines() or [""])[0]
