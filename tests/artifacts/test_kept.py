"""Kept checkpoints: the one with the lowest validation loss, and the deletion of all but it and the last."""

import pytest
from report import made_up_run

from app.artifacts import kept
from app.artifacts.runs import Run
from app.errors import Held, InputError
from app.system import locks

LOSSES = {2: 0.9, 4: 0.5, 6: 0.5, 8: 0.7}  # by epoch


@pytest.fixture
def make(tmp_path):
    """Returns a finished run with kept checkpoints, whose one of an epoch was tested."""

    def make(tested=None, losses=LOSSES):
        plain = made_up_run(tmp_path, steps=1)
        for epoch in losses:
            plain.files.kept_at(epoch).write_bytes(b"x" * epoch)
        about = plain.record.results.test
        numbers = {name: getattr(about, name) for name in ("n", "top1", "top1_interval", "top5", "loss", "per_class",
                                                           "confusion")}  # fmt: skip
        results = {"test": numbers} | ({"test_kept": numbers | {"epoch": tested}} if tested else {})
        saved = [{"epoch": epoch, "step": epoch, "val_loss": loss} for epoch, loss in losses.items()]
        return made_up_run(
            tmp_path, steps=1, record={"kept": saved or None, "results": results, "files": plain.files.sums()}
        )

    return make


def test_the_best_has_the_lowest_validation_loss_and_of_equal_ones_is_the_first(make):
    assert kept.best_of(make()).epoch == 4
    assert kept.best_of(make(losses={3: 0.1, 6: 0.2})).epoch == 3


def test_a_run_is_tested_if_its_best_checkpoint_is(make):
    assert [kept.is_tested(make(tested)) for tested in (None, 8, 4)] == [False, False, True]


@pytest.mark.parametrize("tested", [None, 8])
def test_nothing_is_spare_while_the_best_is_untested(make, tested):
    with pytest.raises(InputError, match=r"epoch 4\) is not tested. Run `study best` first"):
        kept.spare(make(tested))


def test_all_but_the_best_and_the_last_are_deleted_and_the_record_forgets_their_sums(make):
    run = make(4)
    spare = kept.spare(run)
    assert spare == {run.files.kept_at(2): 2, run.files.kept_at(6): 6}
    assert kept.remove(run, spare) == 8
    after = Run.load(run.files.record)
    assert [*after.files.kept()] == [4, 8] and after.record.kept == run.record.kept
    assert {"epoch004", "epoch008", "log"} <= after.record.files.keys() and "epoch002" not in after.record.files
    after.require_whole()
    assert kept.spare(after) == {} and kept.best_of(after).epoch == 4 and kept.is_tested(after)


def test_a_run_in_use_and_one_that_changed_keep_their_checkpoints(make):
    run = make(4)
    with locks.lock(run.files.lock, wait=False), pytest.raises(Held):
        kept.remove(run, kept.spare(run))
    with pytest.raises(InputError, match="changed since it was listed"):
        kept.remove(run, [run.files.kept_at(8)])
    assert [*run.files.kept()] == [2, 4, 6, 8]
