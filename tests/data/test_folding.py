"""Folds: each labelled row in one of them, classes dealt evenly, groups complete, keyed by split seed and repeat."""

import dataclasses

import numpy as np
import pytest

from app import data
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.config.settings import Data
from app.data.splits import folding, holdout
from app.errors import InputError
from app.tables.datasets import DATASETS

from . import measured
from .pictures import write_parquet
from .reading import Reading
from .test_fields import opened

RNG = np.random.default_rng(0)
LABELS = RNG.choice(5, 403, p=[0.5, 0.25, 0.15, 0.07, 0.03])
PATIENTS = RNG.integers(0, 60, 403)
GROUPED = pytest.mark.parametrize("groups", [None, PATIENTS], ids=["rows", "groups"])


def settings(folds=5, fold=0, **more):
    return Data(**{"dataset": "x", "classes": 5, "folds": folds, "fold": fold} | more)


def members(config, groups=None, labels=LABELS):
    return holdout.members(config, labels=labels, groups=groups, test_rows=None)


def config(name="digits", **request):
    return resolve({"dataset": name, **request}, dataset_facts(DATASETS[name]))


@GROUPED
@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_every_row_is_tested_in_one_fold_and_never_trained_on_there(groups, folds):
    found = [members(settings(folds, fold), groups) for fold in range(folds)]
    assert np.array_equal(np.sort(np.concatenate([each.test for each in found])), np.arange(403))
    for each in found:
        assert np.array_equal(np.sort(np.concatenate(each[:3])), np.arange(403)) and min(map(len, each[:3])) > 0
        assert each.test_from == each.val_from == "train"


@pytest.mark.parametrize("folds", [2, 3, 7, 12])
def test_the_rows_of_a_class_in_two_folds_differ_by_at_most_one_and_so_do_all(folds):
    found = folding.of_rows(settings(folds), LABELS, None)
    counts = np.array([np.bincount(LABELS[found == fold], minlength=5) for fold in range(folds)])
    assert np.ptp(counts, axis=0).max() <= 1 and np.ptp(counts.sum(1)) <= 1
    expected = [folding.counted(settings(folds, fold), 403) for fold in range(folds)]
    assert counts.sum(1).tolist() == expected


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_a_group_is_in_one_split_and_classes_stay_close_to_even(folds):
    for fold in range(folds):
        sides = [set(PATIENTS[rows]) for rows in members(settings(folds, fold), PATIENTS)[:3]]
        assert not (sides[0] & sides[2] or sides[1] & sides[2] or sides[0] & sides[1])
    found = folding.of_rows(settings(folds), LABELS, PATIENTS)
    assert np.ptp(np.bincount(found)) <= 8  # of about 7 rows a group
    shares = np.array([np.bincount(LABELS[found == fold], minlength=5) for fold in range(folds)]) / np.bincount(LABELS)
    assert np.abs(shares[:, :2] - 1 / folds).max() < 0.03


@GROUPED
def test_the_partition_is_keyed_by_the_split_seed_and_the_repeat_alone(groups):
    def found(**more):
        return folding.of_rows(settings(**more), LABELS, groups).tolist()

    first = found()
    assert found(fold=3) == found(val_fraction=0.4) == found(limit_train=9) == found(augment="flip_crop") == first
    others = [found(repeat=1), found(repeat=2), found(split_seed=1)]
    assert len({tuple(each) for each in [first, *others]}) == 4


def test_the_partition_is_the_same_on_every_machine_and_version():
    labels, groups = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2]), np.array([3, 3, 5, 5, 5, 7, 8, 8, 9])
    assert folding.of_rows(settings(2), labels, None).tolist() == [1, 0, 0, 1, 0, 1, 0, 0, 1]
    assert folding.of_rows(settings(2), labels, groups).tolist() == [1, 1, 0, 0, 0, 0, 1, 1, 0]
    assert folding.of_rows(settings(2, repeat=1), labels, groups).tolist() == [1, 1, 0, 0, 0, 1, 0, 0, 1]


def test_folds_are_named_in_the_run_id_and_runs_without_them_keep_theirs():
    plain = config()
    assert plain.run_id == dataclasses.replace(plain, repeat=0).run_id and (plain.folds, plain.fold) == (None, None)
    ids = {config(folds=5, fold=fold, repeat=repeat).run_id for fold in range(5) for repeat in range(2)}
    assert len(ids | {config(folds=4, fold=0).run_id, plain.run_id}) == 12
    assert config(folds=5, fold=1, seed=1).run_id != config(folds=5, fold=1).run_id
    assert config(folds=5, fold=0).test_fraction is None  # digits' row holds out 20 %
    assert RunConfig.from_json(config(folds=5, fold=0).to_json()) == config(folds=5, fold=0)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"folds": 1, "fold": 0}, "folds.*1"),
        ({"folds": 0, "fold": 0}, "folds.*0"),
        ({"folds": 5, "fold": 5}, "fold=5 does not exist in 5 folds. Use fold=0 to fold=4"),
        ({"folds": 5, "fold": -1}, "fold.*-1"),
        ({"fold": 1}, "fold=1 has no effect without folds"),
        ({"repeat": 1}, "repeat=1 has no effect without folds"),
        ({"folds": 5}, "folds=5 names no fold"),
        ({"folds": 5, "fold": 0, "test_fraction": 0.2}, "both choose the test rows"),
        ({"folds": 5, "fold": 0, "repeat": -1}, "repeat.*-1"),
    ],
)
def test_a_bad_fold_is_refused(request_, message):
    with pytest.raises(InputError, match=message):
        config(**request_)


def test_too_many_folds_are_refused_with_what_is_allowed():
    few = np.array([0] * 9 + [1] * 3)
    with pytest.raises(
        InputError, match=r"folds=4 is more than the 3 rows of the rarest class in train. Use at most 3"
    ):
        members(settings(4), labels=few)
    with pytest.raises(InputError, match=r"folds=3 is more than the 2 groups in train. Use at most 2"):
        members(settings(3), np.array([0, 1] * 6), few)
    with pytest.raises(InputError, match="folds=13 is more than the 12 rows in train"):
        members(settings(13, task="regression"), labels=np.zeros(12, np.int64))


def test_as_many_folds_as_groups_have_one_partition():
    groups = np.repeat(np.arange(4), 3)
    labels = np.tile([0, 1, 2], 4)
    assert sorted(folding.of_rows(settings(4), labels, groups).tolist()) == sorted(groups.tolist())
    with pytest.raises(InputError, match="repeat=1 has the folds of repeat=0"):
        folding.of_rows(settings(4, repeat=1), labels, groups)


def test_every_fold_has_a_group_however_uneven_they_are():
    groups = np.repeat(np.arange(9), [50, 1, 1, 1, 1, 1, 1, 1, 1])
    for repeat in range(20):
        found = folding.of_rows(settings(9 - 1, repeat=repeat), np.zeros(58, np.int64), groups)
        assert len(set(found.tolist())) == 8


def test_uneven_classes_of_groups_are_reported_and_even_ones_are_not():
    groups, labels = np.repeat(np.arange(4), 5), np.repeat([0, 1, 1, 1], 5)
    (rule, told) = folding.notes(settings(2, classes=2), ["benign", "malignant"], labels, groups)
    assert "not used" in rule and "benign 5, 0" in told.replace("0, 5", "5, 0") and "malignant" in told
    assert len(folding.notes(settings(5), "abcde", LABELS, None)) == 1
    assert folding.notes(Data(dataset="x", classes=5)) == ()


@pytest.mark.usefixtures("cache_folder")
def test_the_block_of_what_was_understood_names_the_fold_and_counts_its_rows():
    found = data.understood(config("cifar100", folds=7, fold=3), data.ask_of(
        config("cifar100", folds=7, fold=3).to_json(), path=None), lambda _: None)  # fmt: skip
    lines = "\n".join(found.lines())
    assert found.rows["test"] == len(range(3, 50_000, 7)) and found.carved_test
    assert "fold 3 of the 7 folds of train, repeat 0" in lines and "it is not used" in lines
    inspected = data.inspected({"dataset": "digits", "folds": 4, "fold": 1}, lambda _: None)
    assert inspected.rows["test"] == 449
    with pytest.raises(InputError, match="names no fold"):
        data.inspected({"dataset": "digits", "folds": 4}, lambda _: None)


@pytest.mark.usefixtures("cache_folder")
def test_a_test_split_of_the_source_is_not_read_and_groups_of_a_column_stay_complete(tmp_path):
    patients = [f"patient {i // 4}" for i in range(40)]
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", [0, 1] * 20, patient=patients)
    tested = []
    for fold in range(3):
        reading = Reading(tmp_path / "set", group_column="patient", folds=3, fold=fold)
        splits = reading.splits()
        assert splits.record["test_from"] == "train" and reading.manifest["rows"] == {"train": 40}
        sides = [{patients[row] for row in split.rows} for split in (splits.train, splits.val, splits.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 10
        tested += splits.test.rows.tolist()
    assert sorted(tested) == [*range(40)]
    lines = "\n".join(data.described(reading.config, reading.cached, splits).lines())
    assert "fold 2 of the 3 folds of train" in lines and "it is not used" in lines
    assert Reading(tmp_path / "set").splits().record["test_from"] == "test"


def test_the_frames_of_a_simulation_are_in_one_fold(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    folder = measured.fields(tmp_path / "f", simulations=9, frames=3)
    tested = []
    for fold in range(3):
        splits = opened(folder, folds=3, fold=fold)[1]
        names = [set(split.names) for split in (splits.train, splits.val, splits.test)]
        assert sum(map(len, names)) == 9 and len(names[2]) == 3
        tested += splits.test.rows.tolist()
    assert sorted(tested) == [*range(27)]
