"""Train, validation or test by content: for a set that is streamed, whose shuffled rows have no numbers."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Decides by a hash over the image's bytes, or over the group's name where rows belong to groups."""

    split_seed: int
    val_fraction: float  # of what test leaves
    test_fraction: float  # 0: nothing is carved, the source has a test split of its own
    grouped: bool

    def __call__(self, image: Any, group: Any) -> str:
        """`train`, `val` or `test` for one row of the source's train; equal images, or groups, fall into one split."""
        content = str(group).encode() if self.grouped else image
        digest = hashlib.blake2b(content, digest_size=16, salt=self.split_seed.to_bytes(8, "big")).digest()
        test, val = (int.from_bytes(half, "big") / 2**64 for half in (digest[:8], digest[8:]))
        if test < self.test_fraction:
            return "test"
        return "val" if val < self.val_fraction else "train"

    @property
    def share(self) -> float:
        """The share of rows that is held out, as expected."""
        return self.test_fraction + (1 - self.test_fraction) * self.val_fraction

    def without_test(self) -> Membership:
        """The same where test is not carved."""
        return dataclasses.replace(self, test_fraction=0.0)
