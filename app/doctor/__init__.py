"""`doctor`: whether this machine can train, keep what it trained, and reach the Hub; nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from app.doctor import gpu, host, remote
from app.findings import Finding


def examine(checkpoints: Path, root: Path = Path("/")) -> list[Finding]:
    """All lines, in the order in which they are mended: GPU, host, disks, Hub; `root` is the system's, or a test's."""
    answer = remote.ask()
    return [
        *gpu.look(root),
        *host.look(root, checkpoints),
        remote.clock(answer),
        *remote.look(answer),
    ]


__all__ = ["examine"]
