"""The ways in which a command can end that are not a bug, each with its documented exit code."""

from __future__ import annotations

import errno
import os
from typing import ClassVar

ON_WINDOWS = "isoscale runs on Linux and macOS. On Windows, use WSL (https://learn.microsoft.com/windows/wsl)."

# How torch says that there is no room: on a CPU, on CUDA and MPS, in cuBLAS and cuDNN, on Windows, and where the bytes
# outgrow 63 bits.
_NO_ROOM = (
    "can't allocate memory", "out of memory", "not enough memory", "ALLOC_FAILED", "nvalid buffer size",
    "calculation overflowed", "can't start new thread",
)  # fmt: skip
_OF_TORCH = 6e9  # bytes of addresses that a small run takes, nearly all without memory behind them
_FEW = 4  # inodes: the command may have removed some files since it could not make one
_OF_A_PATH = (
    errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EINVAL, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP, errno.ESTALE,
)  # fmt: skip
_PRIMITIVES = ("could not create a primitive", "could not execute a primitive")  # oneDNN, if memory is too small
_NOT_LOADED = ("failed to map segment", "annot allocate memory")  # messages of the system's loader about a library
NO_TEXT = "its name has bytes that are not UTF-8, and the libraries that write files need UTF-8. Rename it"
NO_FOLDER = "the current folder was removed. Change to an existing folder (cd), and run the command again"
PRUNED = "pruned"  # the kind of Stopped by a sweep's early termination
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, quota exceeded, or file too large


class Explained(Exception):
    """An error whose message states what is wrong, what is allowed and what to do."""


class InputError(Explained, ValueError):
    """The request cannot be fulfilled, however often it is repeated (exit 2)."""


class UnknownRevision(InputError):
    """A run has a revision that this version does not know. Nothing is damaged, but a later version is needed."""


class ChecksFailed(InputError):
    """Checks did not pass. Their lines are already on stdout."""


class RunFailed(Explained, RuntimeError):
    """The command failed while it ran, and the same command may succeed later (exit 4)."""

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
    """A file differs from what was written, or no longer exists."""

    kind = "damaged"


class OtherData(Damaged):
    """The data that are read differ from those that a run began with."""


class Held(RunFailed):
    """Another process or machine has locked or claimed what this one needs."""

    kind = "held"


class Unavailable(RunFailed):
    """A service outside this machine does not answer."""

    kind = "unavailable"


class HubUnavailable(Unavailable):
    """The Hub did not answer, or reported an internal failure, after every retry."""


class Inexact(RunFailed):
    """An exported model computes other outputs than the run's model, or none."""

    kind = "inexact"


class StudyFailed(RunFailed):
    """Runs of a study failed, and the others are finished."""

    kind = "failed"


class NotUploaded(RuntimeError):
    """The run is finished and safe on this machine, but it is not on the Hub (exit 3)."""


class NotReproduced(RuntimeError):
    """A published result does not hold (exit 5). The comparison is already on stdout."""


class Stopped(BaseException):
    """A signal or the time limit stopped the run. The same command resumes from the saved state (exit 75).

    Like KeyboardInterrupt it is not an Exception, so that no handler mistakes it for an error and continues. `saved`
    means that training stopped at a step's end with its state saved, and `in_time` that nobody is about to kill the
    process. `since` is when the signal arrived, in seconds of `time.monotonic()`. `complete` means that the message
    states what resumes the run. `kind` is stopped, or pruned if a sweep's rule stopped the run.
    """

    def __init__(
        self, message: str, *, saved: bool = False, in_time: bool = False, since: float | None = None,
        complete: bool = False, kind: str = "stopped",
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.saved, self.in_time, self.since, self.complete, self.kind = saved, in_time, since, complete, kind


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: Python's MemoryError, torch's GPU error, or a RuntimeError that reports it."""
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # without an import of torch
    if isinstance(error, MemoryError) or named:
        return True
    if isinstance(error, ImportError | OSError):
        return is_not_loaded(error) or getattr(error, "errno", None) == errno.ENOMEM
    torch_s = isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError | RecursionError)
    return torch_s and (str(error) in _PRIMITIVES or any(words in str(error) for words in _NO_ROOM))


def is_not_loaded(error: BaseException) -> bool:
    """Return whether memory was too small to load a library, such as torch's. A missing library is another error."""
    said = str(error)
    loading = isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is None)
    return loading and any(words in said for words in _NOT_LOADED) and "static TLS" not in said


def failure_of(error: BaseException) -> RunFailed | None:
    """Return the failure behind an error of Python, torch or the system, or None if there is none."""
    if isinstance(error, RunFailed):
        return error
    if is_not_loaded(error):
        return OutOfMemory(
            f"there is too little memory to load a library ({first_line(error)}). {_limit()}. The same command "
            "resumes from what was last saved, if anything was"
        )
    if is_out_of_memory(error):
        return OutOfMemory(
            f"memory ran out ({named_line(error)}). Free memory, or use a smaller --batch-size or --size. The same "
            "command resumes from what was last saved"
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        why, what = why_full(error, error.filename), error.filename or "a file"
        return DiskFull(f"{why} for {what}. Free some space, and run the same command again")
    return None


def wrong_path(error: BaseException) -> str:
    """Return a sentence on the path in an error of the system, or an empty text for any other error."""
    if isinstance(error, UnicodeEncodeError) and not is_text(error.object):  # of a library that takes UTF-8 only
        return f"{error.object}: {NO_TEXT}"
    if not isinstance(error, OSError) or error.errno not in _OF_A_PATH:
        return ""
    if error.filename is None:
        return "" if has_folder() else NO_FOLDER
    shown = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else str(error.filename)
    if error.errno == errno.ENAMETOOLONG:
        longest = max(shown.split("/"), key=len)
        return (
            f"the name {longest[:40]}... has {len(os.fsencode(longest))} bytes, and a file system allows 255. Choose "
            "a shorter path"
        )
    return f"{shown}: {error.strerror}. Fix this path, or choose another"


def has_folder() -> bool:
    """Return whether the process's working folder still exists."""
    try:
        os.stat(os.getcwd())  # noqa: PTH109, PTH116  # without an import
    except FileNotFoundError:
        return False
    return True


def is_text(name: str) -> bool:
    """Return whether a name is valid text. A file name or an argument can contain any bytes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def why_full(error: OSError, path: object) -> str:
    """Return what a disk lacks for a file: space, an inode, or permission for a file of that size."""
    if error.errno == errno.EFBIG:
        return "a file may not be that large"
    if isinstance(path, str | os.PathLike) and lacks_inodes(path):
        return "no inodes left (see `df -i`)"
    return "no space left"


def lacks_inodes(path: str | os.PathLike[str]) -> bool:
    """Return whether the file system of a path has no inode for a new file, even if bytes are free.

    The path need not exist.
    """
    folder = os.path.realpath(path)
    while not os.path.isdir(folder):  # noqa: PTH112  # never raises
        folder = os.path.dirname(folder)  # noqa: PTH120
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail < _FEW


def few_addresses(below: float = _OF_TORCH) -> str:
    """Return a sentence if `ulimit -v` allows this process fewer addresses than torch needs, else an empty text."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY or most >= below:
        return ""
    return (
        f"`ulimit -v` allows this process {most / 1e9:.1f} GB of addresses, and torch needs about 6 GB. Raise the limit"
    )


def _limit() -> str:
    """Return what may have limited the memory of this process, and what to do."""
    return few_addresses(float("inf")) or "Free memory, or use a machine with more"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or an empty text without one."""
    return (str(error).splitlines() or [""])[0]


def named_line(error: BaseException) -> str:
    """Return an error's type and the first line of its message, without the message if it has none."""
    return f"{type(error).__name__}: {first_line(error)}".rstrip(": ")
