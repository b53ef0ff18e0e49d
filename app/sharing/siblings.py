"""The records of runs on the Hub that may differ from a run in their seed only, in the same repository."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ..artifacts import record
from ..artifacts.record import Record
from ..artifacts.runs import Run
from ..errors import Explained
from ..system import repositories
from . import index, store

_MOST = 200  # records that are downloaded


def records(address: str, commit: str, run: Run, say: Callable[[str], None]) -> Iterator[Record]:
    """Yield the records of one commit whose size and dataset are a run's, except the run's. Others are not downloaded.

    A record that cannot be read is reported and skipped.
    """
    repository, _ = store.parse_address(address)
    ending = run.files.record.name.removeprefix(f"model_{run.record.run_id}")
    listed = repositories.listing(repository, commit)
    names = [name for name in sorted(listed) if index.is_record(name) and name.endswith(ending)]
    others = [name for name in names if PurePosixPath(name).name != run.files.record.name]
    if len(others) > _MOST:
        say(f"{repository} has {len(others):,} runs of this size and dataset. The first {_MOST} are compared")
    with tempfile.TemporaryDirectory() as folder:
        for name in others[:_MOST]:
            target = Path(folder) / PurePosixPath(name).name
            repositories.fetch(repository, commit, listed[name], target)
            try:
                yield record.read(target)
            except Explained as error:
                say(f"skipped: {error}")
