"""Held-out rows: by class, by group, by the split seed; never by chance and never twice."""

import numpy as np
import pytest

from app.data.splits.holdout import held_out, limited
from app.errors import InputError

from .reading import Reading

pytestmark = pytest.mark.usefixtures("cache_folder")

RNG = np.random.default_rng(0)
UNEVEN = RNG.choice(5, 400, p=[0.5, 0.25, 0.15, 0.07, 0.03])
FRACTIONS = pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.5, 0.9])


@FRACTIONS
def test_every_class_gives_its_share_within_one_row_and_the_total_is_exact(fraction):
    out = held_out(UNEVEN, None, fraction=fraction, stream=1)
    given, counts = np.bincount(UNEVEN[out], minlength=5), np.bincount(UNEVEN)
    assert (abs(given - counts * fraction) < 1).all()
    assert out.sum() == round(400 * fraction)


def test_a_class_of_one_row_stays_and_of_two_gives_at_most_one():
    labels = np.array([0] * 20 + [1] + [2, 2])
    given = [np.bincount(labels[held_out(labels, None, fraction=0.9, stream=s)], minlength=3) for s in range(20)]
    assert {tuple(counts[1:]) for counts in given} == {(0, 1)}


def test_the_choice_changes_with_the_stream_and_only_with_it():
    chosen = [held_out(UNEVEN, None, fraction=0.25, stream=s) for s in (1, 1, 2)]
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


@FRACTIONS
def test_groups_are_never_divided_and_the_share_is_met(fraction):
    groups = RNG.integers(0, 80, 400)
    out = held_out(UNEVEN, groups, fraction=fraction, stream=1)
    assert not set(groups[out]) & set(groups[~out])
    assert abs(out.mean() - fraction) < 0.05


def test_limits_draw_rows_in_their_old_order():
    rows = np.arange(100, 200)
    cut = limited(rows, 30, stream=1)
    assert len(cut) == len(set(cut)) == 30
    assert set(cut) <= set(rows)
    assert (np.diff(cut) > 0).all()
    assert cut[-1] > 130  # drawn, not the first ones
    for enough in (None, 100, 500):
        assert np.array_equal(limited(rows, enough, stream=1), rows)


def test_the_split_of_digits_is_the_same_on_every_machine_and_version():
    record = Reading("digits").splits().record
    assert record["rows"] == {"train": 1294, "val": 144, "test": 359}
    assert record["split_fingerprint"] == "4f7c46532ad897cd"
    assert record["test_from"] == "train"


def test_every_row_of_digits_is_in_exactly_one_split():
    splits = Reading("digits").splits()
    rows = np.concatenate([splits.train.rows, splits.val.rows, splits.test.rows])
    assert np.array_equal(np.sort(rows), np.arange(1797))


def test_the_run_s_seed_and_model_do_not_move_the_split_but_the_split_seed_does():
    first = Reading("digits").splits().record["split_fingerprint"]
    for same in ({"seed": 1}, {"model": "vit_classic", "augment": "flip_crop", "batch_size": 7}):
        assert Reading("digits", **same).splits().record["split_fingerprint"] == first
    assert Reading("digits", split_seed=1).splits().record["split_fingerprint"] != first


def test_limits_cut_each_split_and_leave_the_others():
    whole = Reading("digits").splits()
    cut = Reading("digits", limit_train=64, limit_test=30).splits()
    assert cut.record["rows"] == {"train": 64, "val": 144, "test": 30}
    assert np.array_equal(cut.val.rows, whole.val.rows)
    assert set(cut.test.rows) <= set(whole.test.rows)


def test_fractions_are_respected():
    record = Reading("digits", test_fraction=0.5, val_fraction=0.25).splits().record
    assert record["rows"] == {"train": 674, "val": 225, "test": 898}


def test_a_fraction_that_leaves_nothing_is_refused():
    with pytest.raises(InputError, match=r"1,438 labelled rows are too few to hold out a share of 0.0001"):
        Reading("digits", val_fraction=0.0001).splits()
