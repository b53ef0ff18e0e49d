"""A run with stochastic depth is the same under micro-batches and interruptions, for images and signals."""

import pytest

from app.errors import Stopped
from tests.experiment import kinds
from tests.experiment.runs import interrupted, rows

pytestmark = pytest.mark.usefixtures("cache_folder")
SIGNALS = {"model": "vit", "patch": 26, "d_model": 32, "depth": 2, "heads": 2, "width": None}
CASES = {"images": {}, "signals": SIGNALS}
MIXED = {
    "images": {"mixup": 0.5, "cutmix": 1.0, "mix_mode": "element", "label_smoothing": 0.1},
    "signals": {"mixup": 0.5, "loss": "bce", "label_smoothing": 0.1},
    "fields": {"model": "vit", "patch": 4, "d_model": 32, "depth": 2, "heads": 2, "features": None,
               "cutmix": 0.5},
}  # fmt: skip


def require_the_same(kind, tmp_path, more):
    """The same bits after a stop, and the same losses in micro-batches, which differ from those without drop path."""
    more = more | {"dropout": 0, "drop_path": 0.5}
    whole = kinds.train(kind, tmp_path, "whole", **more)
    with pytest.raises(Stopped):
        kinds.train(kind, tmp_path, "cut", interrupted(4), **more)
    ended = kinds.train(kind, tmp_path, "cut", **more)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes() and rows(ended) == rows(whole)
    parts = kinds.train(kind, tmp_path, "parts", options={"micro_batch_size": 3}, **more)
    plain = kinds.train(kind, tmp_path, "plain", **more | {"drop_path": 0})
    losses = [[row["loss"] for row in rows(run) if row["split"] == "train"] for run in (whole, parts, plain)]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3) and losses[2][0] != pytest.approx(losses[0][0], rel=1e-4)


@pytest.mark.parametrize("kind", CASES)
def test_it_ends_in_the_same_bits_after_a_stop_and_in_the_same_losses_in_micro_batches(tmp_path, kind):
    require_the_same(kind, tmp_path, CASES[kind])


@pytest.mark.parametrize(
    "kind", ["images", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("signals", "fields"))]
)
def test_with_mixed_examples_it_ends_in_the_same_bits_after_a_stop_and_in_the_same_losses_in_micro_batches(
    tmp_path, kind
):
    require_the_same(kind, tmp_path, CASES.get(kind, {}) | MIXED[kind])
