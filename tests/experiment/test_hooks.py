"""The hooks of the first rank and of the others meet each other in the same order."""

from types import SimpleNamespace

import pytest
import torch

from app.experiment.hooks import Member
from app.experiment.observers import Keeper


class Meetings:
    """A place that notes what its rank asks of the others."""

    def __init__(self):
        self.asked = []

    def total(self, sums):
        self.asked.append("total")
        return sums

    def agree(self, number):
        self.asked.append("agree")
        return number

    def peak_bytes(self):
        return 1

    def fetch(self, sums):
        return sums.tolist


@pytest.mark.parametrize("split", ["train", "val", "val_full"])
def test_every_rank_asks_the_others_the_same_in_the_same_order(split):
    first, other = Meetings(), Meetings()
    log = SimpleNamespace(add=lambda row: None)
    kept = SimpleNamespace(place=first, log=log, peak_bytes=0, _row_at=0.0, _waited=0.0, _images=0)
    row = {"step": 1, "epoch": 1, "examples": 2, "lr": 0.1, "sums": torch.ones(2)}
    Keeper.row(kept, split, **row)
    Member.row(SimpleNamespace(place=other), split, **row)
    assert first.asked == other.asked and "total" in first.asked
