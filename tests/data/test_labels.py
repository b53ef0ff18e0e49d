"""Labels and splits of tables: what is no label is counted, what is doubtful refused, and a hidden test replaced."""

import json
import re

import pytest

from app import data
from app.config.command import Command
from app.data.store import manifest as manifests
from app.errors import InputError

from .pictures import write_hub, write_images, write_parquet
from .reading import Reading, refused
from .test_tree import understood

HALF = ["cat", "dog"] * 10


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def counted(found):
    return {(each.what, each.why.partition("(")[0].strip()): each.count for each in found.left_out}


@pytest.mark.parametrize("read_before", [False, True], ids=["before reading", "from the cache"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, -1, 1, None] * 6, {("rows of train", "label -1"): 6, ("rows of train", "no label"): 6}),
        (["cat", "", "dog", " "] * 6, {("rows of train", "empty label"): 12}),
        (["cat", None, "dog"] * 6, {("rows of train", "no label"): 6}),
        ([0.0, 1.0, float("nan"), -1.0] * 6, {("rows of train", "no label"): 6,
                                              ("rows of train", "label -1"): 6}),
    ],
    ids=["numbers", "empty", "none", "floats"],
)  # fmt: skip
def test_rows_without_a_label_are_counted_and_named_with_the_reason(tmp_path, labels, expected, read_before):
    folder = tmp_path / "set"
    write_parquet(folder / "train.parquet", labels)
    if read_before:
        reading = Reading(folder)
        assert reading.manifest["unlabelled"] == {"train": sum(expected.values())} and reading.facts.classes == 2
    found = understood(folder, image=16)
    assert (counted(found), found.cached) == (expected, read_before)
    assert all(name.startswith("row ") for each in found.left_out for name in each.names)
    assert sum(found.rows.values()) == len(labels) - sum(expected.values())


def test_a_cache_of_an_earlier_version_still_says_which_rows_have_no_label(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", [0, -1, 1, None] * 6)
    reading = Reading(tmp_path / "set")
    manifest = manifests.read(reading.cached.folder)
    manifest.layout = None
    manifests.write(reading.cached.folder, manifest)
    (left,) = understood(tmp_path / "set", image=16).left_out
    assert (left.count, left.names[:3]) == (12, ("row 1", "row 3", "row 5"))


def test_empty_labels_are_another_reading_with_another_run_id_and_no_earlier_cache_is_used(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", HALF)
    plain = Reading(tmp_path / "set")
    assert plain.config.layout_revision == 1
    manifest = manifests.read(plain.cached.folder)  # as an earlier version made it of a set with an empty label
    manifest.class_names = ["", "dog"]
    manifests.write(plain.cached.folder, manifest)
    assert Reading(tmp_path / "set").was_read
    write_parquet(tmp_path / "other" / "train.parquet", [*HALF, "", "x", "x"])
    other = Reading(tmp_path / "other")
    assert other.config.layout_revision == 2 and other.manifest["class_names"] == ["cat", "dog", "x"]
    assert not Reading(tmp_path / "other").was_read


def test_a_run_that_took_an_empty_label_for_a_class_is_not_read_again(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", [*HALF, ""])
    reading = Reading(tmp_path / "set")
    fields = {name: value for name, value in reading.config.to_json().items() if name != "layout_revision"}
    ask = data.ask_of(fields, path=str(tmp_path / "set"))
    with pytest.raises(InputError, match=r"took for a class.*layout revision 1.*stored predictions"):
        data.prepare(ask, print, print, version=reading.config.fingerprint)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([*HALF, "Cat"], "the classes 'Cat' and 'cat' in column label of FOLDER differ only by blanks or case"),
        ([*HALF, "dog "], "'dog' and 'dog '"),
        ([f"patient {number}" for number in range(30)], "gives 30 classes for 30 rows (patient 0, "),
        ([f"{number // 2}" for number in range(31)], "gives 16 classes for 31 rows"),
        ([0.0, 1.5] * 10, "column label of FOLDER contains 1.5 (float), not one class per row"),
    ],
)
def test_labels_that_are_doubtful_are_refused(tmp_path, labels, sentence):
    write_parquet(tmp_path / "set" / "train.parquet", labels)
    assert sentence in refused(tmp_path / "set")
    with pytest.raises(InputError) as refusal:
        understood(tmp_path / "set")
    assert sentence in str(refusal.value).replace(str(tmp_path / "set"), "FOLDER")


def test_letters_are_classes_in_either_case_and_whole_numbers_may_be_floats(tmp_path):
    write_parquet(tmp_path / "letters" / "train.parquet", ["a", "A", "b"] * 8)
    assert Reading(tmp_path / "letters").manifest["class_names"] == ["A", "a", "b"]
    write_parquet(tmp_path / "floats" / "train.parquet", [10.0, 9.0] * 10)
    assert Reading(tmp_path / "floats").manifest["class_names"] == ["9", "10"]


def hidden(folder, nothing=-1, *, val=True):
    labels = {"train": [0, 1] * 10, "test": [nothing] * 7}
    return write_hub(folder, labels | ({"validation": [0, 1] * 4} if val else {}), ["a", "b"])


@pytest.mark.parametrize("nothing", [-1, None])
def test_a_labelled_validation_is_the_test_set_where_the_test_labels_are_hidden(tmp_path, nothing):
    folder = hidden(tmp_path / "set", nothing)
    before = understood(folder, image=16)
    reading = Reading(folder)
    assert reading.manifest["rows"] == {"train": 20, "test": 8}
    assert any("the split test of" in line and "has no labels" in line for line in reading.said)
    assert reading.splits().record["rows"] == before.rows == {"train": 18, "val": 2, "test": 8}
    assert ("rows of test", "none has a label") in counted(before) and counted(before)[
        ("rows of test", "none has a label")
    ] == 7
    assert not Reading(folder).was_read and understood(folder, image=16).notes == before.notes


def test_hidden_test_labels_without_a_validation_are_refused_until_test_is_held_out(tmp_path):
    folder = hidden(tmp_path / "set", val=False)
    assert "has no labels: none of its 7 rows has one. --test-fraction 0.2" in refused(folder)
    assert Reading(folder, test_fraction=0.2).splits().record["rows"] == {"train": 14, "val": 2, "test": 4}


def three(folder):
    return write_hub(folder, {"train": [0, 1] * 10, "validation": [0, 1] * 4, "test": [0, 1] * 3}, ["a", "b"])


@pytest.mark.parametrize(
    ("request_", "rows"),
    [
        ({}, {"train": 18, "val": 2, "test": 6}),
        ({"val_split": "validation"}, {"train": 20, "val": 8, "test": 6}),
        ({"val_split": "Validation", "test_split": "test"}, {"train": 20, "val": 8, "test": 6}),
        ({"test_split": "validation"}, {"train": 18, "val": 2, "test": 8}),
        ({"val_split": "test", "test_split": "validation"}, {"train": 20, "val": 6, "test": 8}),
        ({"val_split": "validation", "test_fraction": 0.2}, {"train": 16, "val": 8, "test": 4}),
    ],
)
def test_the_validation_and_the_test_set_are_the_splits_that_are_named(tmp_path, request_, rows):
    folder = three(tmp_path / "set")
    before = understood(folder, image=16, **request_)
    reading = Reading(folder, **request_)
    assert reading.splits().record["rows"] == before.rows == rows
    assert request_ == {} or reading.config.run_id != Reading(folder).config.run_id
    unused = [each.what for each in before.left_out]
    assert bool(unused) == (request_ in ({}, {"test_split": "validation"}) or "test_fraction" in request_)
    assert all(each.count in (6, 8) for each in before.left_out)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"val_split": "validatio"}, "--val-split validatio: FOLDER has no such split. Did you mean `validation`"),
        (
            {"val_split": "test", "test_split": "test"},
            "--val-split and --test-split are both test. Name two different splits",
        ),
        ({"test_split": "test", "test_fraction": 0.2}, "--test-split and --test-fraction both choose the test rows"),
        ({"val_split": "test", "val_fraction": 0.2}, "--val-split and --val-fraction both choose the val rows"),
        ({"class_level": "2"}, "--class-level has no effect on FOLDER, which is read by its tables"),
        ({"split_folders": "none"}, "--split-folders has no effect on FOLDER"),
        ({"val_split": "train"}, "--val-split train of FOLDER leaves no split for training"),
    ],
)
def test_splits_that_cannot_be_are_refused(tmp_path, request_, sentence):
    assert re.search(sentence, refused(three(tmp_path / "set"), **request_))


@pytest.mark.parametrize("option", ["class_level", "split_folders", "val_split", "test_split"])
@pytest.mark.parametrize("dataset", ["digits", "diffraction", "nested_cylinder"])
def test_settings_of_image_folders_are_refused_elsewhere(dataset, option):
    value = "2" if option == "class_level" else "none"
    with pytest.raises(InputError, match=f"--{option.replace('_', '-')} has no effect on the dataset {dataset}"):
        Command.of({"dataset": dataset, "data": ".", option: value} if dataset != "digits" else
                   {"dataset": dataset, option: value})  # fmt: skip


@pytest.mark.parametrize("option", ["class_level", "split_folders"])
def test_settings_of_folders_are_refused_on_the_hub(option):
    with pytest.raises(InputError, match="has no effect on the dataset alice/set"):
        Command.of({"dataset": "alice/set", option: "2" if option == "class_level" else "none"})


def test_a_name_that_is_a_folder_here_and_a_dataset_on_the_hub_is_refused_with_both_forms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", splits=("train",))
    with pytest.raises(
        InputError, match=r"\./photos/train for the folder, or https://huggingface.co/datasets/photos/tr"
    ):
        Command.of({"dataset": "photos/train"})
    assert Reading("./photos/train").manifest["rows"] == {"train": 24}
    (tmp_path / "uoft-cs" / "cifar10").mkdir(parents=True)
    assert Command.of({"dataset": "uoft-cs/cifar10"}).config.dataset == "cifar10"  # a name of the table


def test_a_test_split_of_a_dataset_with_a_row_takes_the_place_of_what_is_held_out():
    config = Command.of({"dataset": "bach", "test_split": "validation"}).config
    assert (config.test_split, config.test_fraction) == ("validation", None)
    assert config.run_id != Command.of({"dataset": "bach"}).config.run_id


def test_the_object_for_machines_is_json(tmp_path):
    found = understood(three(tmp_path / "set")).to_json()
    assert json.loads(json.dumps(found)) == found
    assert found["splits"]["test"] == {
        "place": "split test (data/test-00000-of-00001.parquet)",
        "rows": 6,
        "held_out": False,
    }
    assert found["rows_per_class_of"]["test"] == {"a": 3, "b": 3} and found["majority"]["test_share"] == 0.5
