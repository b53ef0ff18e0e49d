"""`--keep-every`: weights after every nth epoch, with their validation loss, and none of a later epoch on resuming."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from app.artifacts import checkpoint, kept
from app.artifacts.paths import RunFiles
from app.errors import InputError
from app.experiment import keeping
from app.loop import Batch, EpochEnd, StepEnd


@pytest.fixture
def files(tmp_path):
    return RunFiles(tmp_path, "model_x")


def keep(files, epochs, every):
    """Ends epochs of three steps, in which the weight is the epoch."""
    model = nn.Linear(1, 1, bias=False)
    log = SimpleNamespace(last={}, drain=lambda: 0)
    observer = keeping.KeepingEpochs(files, model, log, every, {"run_id": "x"})
    for epoch in epochs:
        log.last = {"val_full": {"loss": 1 / epoch}}
        torch.nn.init.constant_(model.weight, epoch)
        observer(Batch("val_full", 3 * epoch, epoch, 1, 0.1, None))
        observer(EpochEnd(3 * epoch, epoch))
        observer(StepEnd(3 * epoch))


def test_weights_of_every_nth_epoch_are_kept_with_their_validation_loss(files):
    keep(files, range(1, 8), every=3)
    assert [*files.kept()] == [3, 6]
    assert [load_file(path)["weight"].item() for path in files.kept().values()] == [3, 6]
    listed = keeping.listed(files)
    assert [(each.epoch, each.step, each.val_loss) for each in listed] == [(3, 9, 1 / 3), (6, 18, 1 / 6)]
    assert checkpoint.metadata(files.kept_at(3))["run_id"] == "x"


def test_the_best_kept_weights_follow_what_the_run_chooses_by(files):
    log = SimpleNamespace(last={}, drain=lambda: 0)
    for by, best in (("accuracy", 2), ("loss", 1)):
        observer = keeping.KeepingEpochs(files, nn.Linear(1, 1), log, 1, {"run_id": "x"}, by)
        for epoch, (loss, correct) in enumerate([(0.1, 0), (0.3, 9), (0.4, 9)], 1):
            log.last = {"val_full": {"loss": loss, "correct": correct}}
            observer(EpochEnd(epoch, epoch))
        run = SimpleNamespace(record=SimpleNamespace(kept=keeping.listed(files)))
        assert kept.best_of(run).epoch == best and len(run.record.kept) == 3


def test_a_run_that_resumes_drops_what_is_later_and_writes_it_once_more(files):
    keep(files, range(1, 5), every=1)
    keeping.drop_later(files, 9, steps_per_epoch=3)  # at the end of the third epoch
    assert [*files.kept()] == [1, 2, 3]
    keeping.drop_later(files, 8, steps_per_epoch=3)  # within it
    assert [*files.kept()] == [1, 2]
    keep(files, range(3, 5), every=2)
    assert [*files.kept()] == [1, 2, 4]
    keeping.drop_later(files, 0, steps_per_epoch=3)
    assert files.kept() == {} and keeping.listed(files) is None


def test_a_file_that_is_no_checkpoint_is_not_listed(files):
    keep(files, [1], every=1)
    files.kept_at(2).write_bytes(b"damaged")
    checkpoint.save_weights(files.kept_at(3), nn.Linear(1, 1), {"run_id": "x"})
    assert [each.epoch for each in keeping.listed(files)] == [1]


def test_an_interval_longer_than_the_run_is_refused_and_the_room_is_counted():
    with pytest.raises(InputError, match=r"--keep-every 9 keeps nothing of 5 epochs. Use at most 5, or omit it"):
        keeping.require_effect(9, 5)
    keeping.require_effect(5, 5)
    keeping.require_effect(None, 5)
    assert (keeping.room(100, epochs=7, every=3), keeping.room(100, epochs=7, every=None)) == (800, 0)
