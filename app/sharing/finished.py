"""Whether a finished run is on the Hub: its record there is done, and the files that it names exist there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..artifacts import record
from ..artifacts.paths import RunFiles
from ..errors import HubUnavailable, InputError, RunFailed
from ..system import repositories

_MOST_BYTES = 10**8  # of a record


def is_there(repository: str, folder: str, stem: str) -> bool:
    """Return whether `folder` on main has the finished run of that name.

    The sha256 of each file is compared without a download, if the Hub knows it. Raises HubUnavailable.
    """
    sha = repositories.head(repository)
    listed = repositories.listing(repository, sha, folder)
    files = RunFiles(Path(folder), stem)
    about = listed.get(files.record.as_posix())
    if about is None or (about.size or 0) > _MOST_BYTES:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / files.record.name
        try:
            repositories.fetch(repository, sha, about, kept)
            found = record.read(kept)
        except HubUnavailable:
            raise
        except (InputError, RunFailed):  # the record is damaged, or the file is not a record
            return False
    sums = found.files or {}
    return found.done and all(
        _is_listed(listed.get(path.as_posix()), sums[name]) for name, path in files.named(sums).items()
    )


def _is_listed(file: object, digest: str) -> bool:
    large = getattr(file, "lfs", None)
    return file is not None and (not large or str(large.sha256) == digest)
