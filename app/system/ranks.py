"""The rank of this process among those that `torchrun` started, known before torch is imported."""

import os


def rank() -> int:
    """Return the number of this process among those that `torchrun` started, or 0 without it."""
    return int(os.environ.get("RANK", "0"))
