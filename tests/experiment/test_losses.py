"""A run's training loss may be smoothed or binary. Its validation and its test are those of any other run."""

import pytest
import torch
from torch.nn import functional as F

from app import log, task
from app.artifacts.predictions import Predictions
from tests.experiment import kinds
from tests.experiment.runs import rows

pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.mark.parametrize("kind", ["images", "signals"])
@pytest.mark.parametrize("more", [{"label_smoothing": 0.2}, {"loss": "bce"}, {"loss": "bce", "mixup": 0.5}], ids=str)
def test_the_test_and_the_validation_are_plain_cross_entropies(tmp_path, kind, more):
    run = kinds.train(kind, tmp_path, "runs", dropout=0, lr=1e-2, **more)
    found = Predictions.load(run.files.predictions)
    plain = F.cross_entropy(torch.from_numpy(found.logits), torch.from_numpy(found.labels)).item()
    assert run.record.test.loss == pytest.approx(plain, rel=1e-5)
    first = {row["split"]: row["loss"] for row in reversed(rows(run))}
    guess = task.classes.guess_loss(run.config.classes)
    assert first["val"] > 0.3 * guess and ("loss" not in more or first["train"] < 0.9)
    losses = log.read(run.files.log)[0]["losses"]
    assert losses["val_full"] == "cross-entropy" and losses["train"] != "cross-entropy"


def test_smoothing_raises_the_training_loss_of_a_sure_model_only(tmp_path):
    runs = [kinds.train("images", tmp_path, f"{s}", dropout=0, lr=1e-2, epochs=6, label_smoothing=s) for s in (0, 0.4)]
    plain, smoothed = ([row["loss"] for row in rows(run) if row["split"] == "train"] for run in runs)
    assert smoothed[-1] > plain[-1] + 0.2
