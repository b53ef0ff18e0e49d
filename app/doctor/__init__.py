"""`doctor`: whether this machine can train, store the results, and reach the Hub. It leaves no files behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..system.findings import Finding
from . import gpu, host, remote


def examine(checkpoints: Path, root: Path = Path("/")) -> Iterator[Finding]:
    """Yield all lines as they are found, in the order in which to fix them: GPU, host, disks, Hub.

    `root` is the root of the file system, or a test's folder.
    """
    yield from gpu.look(root)
    yield from host.look(root, checkpoints)
    answer = remote.ask()
    yield remote.clock(answer)
    yield from remote.look(answer)


__all__ = ["examine"]
