"""The end of a run, as its record states it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..artifacts import parts, record
from ..artifacts.paths import RunFiles
from ..artifacts.record import Record
from ..errors import DiskFull, Held, RunFailed, Stopped, Unavailable, failure_of

_NOT_COUNTED = (DiskFull.kind, Held.kind, Unavailable.kind)  # failures of what surrounds a run


@contextmanager
def recorded(files: RunFiles, kept: Record) -> Iterator[None]:
    """Write into the record of a run that ends before its last step that it stopped, or why it failed."""
    try:
        yield
    except (Stopped, Exception) as error:
        failure = failure_of(error)
        kind, sentence = (
            (failure.kind, str(failure)) if failure else ("internal error", f"{type(error).__name__}: {error}")
        )
        if isinstance(error, Stopped):
            kept.status = "stopped"
        else:
            kept.status, kept.failure = "failed", parts.Failure(kind=kind, sentence=sentence)
            kept.failures = (kept.failures or 0) + (kind not in _NOT_COUNTED) or None
        with suppress(OSError, RunFailed):  # for example a full disk: the first error is still the reported one
            record.write(files.record, kept)
        raise
