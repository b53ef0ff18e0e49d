"""Folders of images: which folder is which split and class, on shapes that exist; what is left out is counted."""

import os
import re

import numpy as np
import pytest

from app import data

from .pictures import encoded, noise, write_images
from .reading import Reading, refused


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def put(root, *folders, each=8):
    """So many pictures, each its own, in each of these folders below the root."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            (root / folder / f"{i:02}.png").write_bytes(encoded(noise(1000 * number + i, size=(8, 8))))
    return root


def classes(*parents, names=("cat", "dog")):
    return [f"{parent}/{name}" if parent else name for parent in parents for name in names]


def understood(folder, **request):
    return data.inspected({"dataset": str(folder), **request}, lambda _: None)


def left_out(found):
    return {(each.what, each.count) for each in found.left_out}


SHAPES = {  # folders -> rows of the source's splits, class names
    "words of one split alone are classes": (["plane", "train", "bus"], {"train": 24}, ["bus", "plane", "train"]),
    "words of one split alone are classes at any depth": (
        classes("plane", "train", "bus", names=("2019", "2020")), {"train": 48}, ["bus", "plane", "train"],
    ),
    "train and test": (classes("train", "test"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "capitals": (classes("Train", "TEST"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "training and testing": (classes("training", "Testing"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "sets": (classes("trainset", "test_set"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "years": (classes("train2017", "val2017"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "camels": (classes("trainImages", "testImages"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "prefixes": (classes("seg_train", "seg_test"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "val is the test set": (classes("train", "val"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "eval is a validation": (classes("Training", "Evaluation"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "val next to a test is unused": (classes("train", "valid", "test"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "one folder deeper": (classes("data/train", "data/test"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "two folders deeper": (classes("a/b/Train", "a/b/Val"), {"train": 16, "test": 16}, ["cat", "dog"]),
    "one split alone": (classes("train"), {"train": 16}, ["cat", "dog"]),
    "classes alone": (classes(""), {"train": 16}, ["cat", "dog"]),
    "folders below classes": (
        classes("train", "test", names=("cat/2019", "cat/2020", "dog/2019")), {"train": 24, "test": 24}, ["cat", "dog"],
    ),
    "uneven depth": (["cat", "cat/more", "cat/more/yet", "dog"], {"train": 32}, ["cat", "dog"]),
    "no word is special below a split": (
        classes("train", "test", names=("cat", "test")), {"train": 16, "test": 16}, ["cat", "test"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_splits_and_classes_follow_from_the_names_of_folders(tmp_path, name):
    folders, rows, names = SHAPES[name]
    reading = Reading(put(tmp_path / "set", *folders))
    assert (reading.manifest["rows"], reading.manifest["class_names"]) == (rows, names)
    found = understood(tmp_path / "set")
    assert found.rows_per_class.keys() == set(names) and found.cached is False  # at another side
    assert sum(found.rows.values()) == sum(rows.values())


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_understood_before_reading_is_what_is_read(tmp_path, name):
    folder = put(tmp_path / "set", *SHAPES[name][0])
    before = understood(folder, limit_train=5, image=16).to_json()
    Reading(folder)
    after = understood(folder, limit_train=5, image=16).to_json()
    assert after.pop("cached") and not before.pop("cached")
    assert after.pop("licence") == before.pop("licence") and after == before
    assert after["splits"]["train"]["rows"] == 5


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (classes("train", "test", "unlabeled"), "next to them unlabeled, .*images: 16.*--split-folders none"),
        (classes("train", "test", "extra"), "next to them extra, .*images: 16.*train=FOLDER,test=FOLDER"),
        ([*classes("seg_train", "seg_test"), "seg_pred"], "next to them seg_pred, .*images: 8"),
        (classes("train", "test", "testing"), "several folders for test: test, testing"),
        (classes("test", "val"), "no split named train. Its splits are test, val"),
        (["train", "test"], "train contains 8 images .00.png. outside of class folders"),
        (["."], r"FOLDER contains 8 images .00.png. outside of class folders.*cat/1.png"),
        ([".", "cat", "dog"], r"FOLDER contains 8 images .00.png. next to folders of images .cat, dog."),
        (["train", *classes("train", "test")], "train contains 8 images .00.png. next to folders of images"),
        (["cat"], "has one class folder, cat. At least two are needed"),
        (classes("pets"), r"one class folder, pets. .* contains 2 folders of images .cat, dog.. Use --dataset "
         r"FOLDER/pets or --class-level 2"),
        (classes("seg_train/seg_train", "seg_test/seg_test"), "one class folder, seg_train. .*Use --class-level 2"),
        ([*classes("train"), "test/cat", "test/emu"], "test split of FOLDER has classes that train lacks: emu"),
        (["cat", "Cat"], "'Cat' and 'cat' .* differ only by blanks or case"),
        (["train/cat", "train/dog", "test/cat", "test/Dog"], "'Dog' and 'dog'"),
        (["cat", "cat ", "dog"], "'cat' and 'cat '"),
        ([*classes("data/train", "data/test"), "assets"],
         r"FOLDER/data has the splits test, train, and next to it FOLDER has other images .assets.*Give FOLDER/data"),
        ([*classes("a/data/Training", "a/data/val"), "a/docs/x"], "Give FOLDER/a/data"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], "2 folders of FOLDER have splits inside .FOLDER/cat"),
        (classes("train", "holdout"), "has train with folders of images .cat, dog., and next to it holdout, which may"),
        (classes("train-images", "t10k-images"), "next to it t10k-images, .*train=FOLDER,test=FOLDER"),
        ([*classes("train"), "unlabeled", "extra"], "next to it extra, unlabeled, .*images: 16.*--split-folders none"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_refused_with_what_to_do(tmp_path, folders, sentence):
    assert re.search(sentence, refused(put(tmp_path / "set", *folders)))


def test_folders_with_splits_inside_are_classes_where_a_command_says_so(tmp_path):
    folder = put(tmp_path / "set", "cat/train", "cat/test", "dog/train", "dog/test")
    assert Reading(folder, split_folders="none").manifest["class_names"] == ["cat", "dog"]


def test_single_letters_are_classes_of_their_own_in_either_case(tmp_path):
    assert Reading(put(tmp_path / "set", "a", "A", "b")).manifest["class_names"] == ["A", "a", "b"]


def test_siblings_without_images_are_ignored_and_reported(tmp_path):
    folder = put(tmp_path / "set", *classes("train", "test"), "__MACOSX/train", each=4)
    for name in ("notes", "notes/deeper", "train/emu", "docs"):
        (folder / name).mkdir()
    for name in ("docs/a.txt", "Thumbs.db", "train/cat/x.xml", "README.md"):
        (folder / name).write_text("x")
    found = understood(folder)
    assert found.rows == {"train": 7, "val": 1, "test": 8}
    assert left_out(found) == {("files", 4), ("class folders", 1), ("folders", 2), ("folders", 1)}
    names = {name for each in found.left_out for name in each.names}
    assert {"train/emu", "notes", "docs", "__MACOSX", "Thumbs.db", "train/cat/x.xml"} <= names
    block = "\n".join(found.lines())
    assert "1 class folder: no readable images inside (train/emu)" in block


LEVELS = classes("lung_set", names=("lung_aca", "lung_n", "lung_scc")) + classes(
    "colon_set", names=("colon_aca", "colon_n")
)


@pytest.mark.parametrize(
    ("level", "names"),
    [("1", ["colon_set", "lung_set"]), ("2", ["colon_aca", "colon_n", "lung_aca", "lung_n", "lung_scc"]),
     ("last", ["colon_aca", "colon_n", "lung_aca", "lung_n", "lung_scc"])],
)  # fmt: skip
def test_the_class_is_the_folder_at_the_level_asked_for_and_both_readings_are_shown(tmp_path, level, names):
    folder = put(tmp_path / "set", *LEVELS)
    reading = Reading(folder, class_level=level)
    assert reading.manifest["class_names"] == names and reading.facts.classes == len(names)
    found = understood(folder, class_level=level)
    assert found.readings == {"1": 2, "2": 5}
    assert "--class-level 1: 2 classes" in "\n".join(found.lines())


def test_a_class_level_is_part_of_the_run_id_and_of_the_cache(tmp_path):
    folder = put(tmp_path / "set", *LEVELS)
    first, second = Reading(folder), Reading(folder, class_level="2")
    assert first.config.run_id != second.config.run_id and first.cached.folder != second.cached.folder
    assert first.config.fingerprint == second.config.fingerprint


def test_classes_of_one_name_in_several_folders_are_one_at_level_2(tmp_path):
    folder = put(tmp_path / "set", *classes("site1", "site2"))
    assert Reading(folder, class_level="2").manifest["class_names"] == ["cat", "dog"]


@pytest.mark.parametrize(("level", "sentence"), [("2", "class-level 2 the class is a folder further below"),
                                                 ("last", "next to folders of images")])  # fmt: skip
def test_a_level_that_some_images_do_not_have_is_refused(tmp_path, level, sentence):
    folder = put(tmp_path / "set", "cat/a", "cat/b", "dog", *([] if level == "2" else ["dog/c"]))
    assert sentence in refused(folder, class_level=level)


@pytest.mark.parametrize(
    ("request_", "rows", "names"),
    [
        ({"split_folders": "train=a,test=b"}, {"train": 16, "test": 16}, ["cat", "dog"]),
        ({"split_folders": "train=a,val=b,test=c"}, {"train": 16, "test": 16, "val": 16}, ["cat", "dog"]),
        ({"split_folders": "train=a, train=b, test=c/"}, {"train": 32, "test": 16}, ["cat", "dog"]),
        ({"split_folders": "train=a,val=b"}, {"train": 16, "test": 16}, ["cat", "dog"]),
        ({"split_folders": "none"}, {"train": 48}, ["a", "b", "c"]),
        ({"split_folders": "none", "class_level": "2"}, {"train": 48}, ["cat", "dog"]),
    ],
)
def test_split_folders_say_which_folder_is_which_split(tmp_path, request_, rows, names):
    folder = put(tmp_path / "set", *classes("a", "b", "c"))
    reading = Reading(folder, **request_)
    assert (reading.manifest["rows"], reading.manifest["class_names"]) == (rows, names)
    assert reading.config.layout_revision == 2


def test_split_folders_that_are_not_used_are_counted(tmp_path):
    found = understood(put(tmp_path / "set", *classes("train", "test", "extra")), split_folders="train=train,test=test")
    assert ("images", 16) in left_out(found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a", "is not in the right form. Use train=FOLDER"),
        ("train=z", "has no folder 'z'. Valid values: a, b"),
        ("test=b", "names no folder for train"),
        ("train=a,test=a/cat", "uses the folder a/cat for two splits"),
        ("train=a,test=empty", "the folder empty of FOLDER contains no readable images"),
    ],
)
def test_split_folders_that_cannot_be_are_refused(tmp_path, text, sentence):
    folder = put(tmp_path / "set", *classes("a", "b"))
    (folder / "empty").mkdir()
    assert sentence in refused(folder, split_folders=text)


def test_val_split_and_test_split_name_the_folders(tmp_path):
    folder = put(tmp_path / "set", *classes("Train", "Val", "Test"))
    reading = Reading(folder, val_split="Val")
    assert reading.splits().record["rows"] == {"train": 16, "val": 16, "test": 16}
    assert reading.splits().record["val_from"] == "val"
    swapped = Reading(folder, val_split="test", test_split="validation")
    assert swapped.manifest["rows"] == {"train": 16, "test": 16, "val": 16}
    assert len({Reading(folder).config.run_id, reading.config.run_id, swapped.config.run_id}) == 3
    assert "--val-split extra: FOLDER has no such split" in refused(folder, val_split="extra")
    assert "--val-split val: FOLDER has no folders for splits" in refused(
        put(tmp_path / "plain", *classes("")), val_split="val"
    ).replace(str(tmp_path / "plain"), "FOLDER")


def test_links_to_folders_are_followed_and_a_folder_met_twice_is_refused(tmp_path):
    folder = put(tmp_path / "set", *classes("train"))
    put(tmp_path / "elsewhere", "cat", "dog")
    (folder / "test").symlink_to(tmp_path / "elsewhere")
    (folder / "train" / "back").symlink_to(folder)
    found = understood(folder)
    assert found.rows == {"train": 14, "val": 2, "test": 16} and ("links", 1) in left_out(found)
    (folder / "test").unlink()
    (folder / "test").symlink_to(folder / "train")
    assert re.search("test and train of FOLDER are the same folder|train and test of", refused(folder))


@pytest.mark.parametrize("made", ["dangling", "fifo"])
def test_an_image_that_is_no_file_is_refused(tmp_path, made):
    folder = put(tmp_path / "set", "cat", "dog")
    path = folder / "cat" / "99.png"
    path.symlink_to("nowhere") if made == "dangling" else os.mkfifo(path)
    says = {"dangling": "cat/99.png of FOLDER would be skipped: it is a link", "fifo": "is a pipe"}
    assert says[made] in refused(folder)


PLAIN = [
    classes(""),
    classes("train", "test"),
    classes("train", "test", "val"),
    classes("train", "dev"),
    classes("test"),
]


@pytest.mark.parametrize("folders", PLAIN, ids=str)
def test_a_plain_folder_is_read_as_the_library_reads_it_and_keeps_its_revision(tmp_path, folders):
    """The same rows in the same order, the same classes: names that sort otherwise as paths and as parts of paths."""
    import datasets

    folder = put(tmp_path / "set", *folders, each=3)
    for number, path in enumerate(sorted(folder.rglob("cat"))):
        beside = path.with_name("cat-2")
        put(beside.parent, "cat-2", each=2)
        (path / "1 (2).PNG").write_bytes(encoded(noise(77 + number, size=(8, 8)), "png"))
    reading = Reading(folder, image=8, patch=4)
    assert reading.config.layout_revision == 1
    options = {"path": str(folder)}
    if folders == PLAIN[0]:
        options = {"path": "imagefolder", "data_files": {"train": [f"{folder}/**"]}}
    theirs = datasets.load_dataset(**options)
    wanted = {"train": "train" if "train" in theirs else "test"}
    if others := [name for name in ("test", "validation") if name in theirs and name != wanted["train"]]:
        wanted["test"] = others[0]
    assert reading.manifest["rows"].keys() == wanted.keys()
    for split, name in wanted.items():
        images = np.stack([np.asarray(row["image"].convert("RGB")).transpose(2, 0, 1) for row in theirs[name]])
        assert np.array_equal(reading.cached.images(split), images)
        assert reading.cached.array(split, "labels").tolist() == theirs[name]["label"]
    assert reading.manifest["class_names"] == theirs[wanted["train"]].features["label"].names


@pytest.mark.parametrize("name", ["capitals", "folders below classes", "one folder deeper", "uneven depth"])
def test_a_folder_that_is_read_otherwise_than_before_has_another_run_id(tmp_path, name):
    folder = put(tmp_path / "set", *SHAPES[name][0])
    config = Reading(folder).config
    assert config.layout_revision == 2 and config.to_json()["layout_revision"] == 2


def test_files_that_are_not_read_change_neither_fingerprint_nor_run_id(tmp_path):
    folder = write_images(tmp_path / "pets")
    first = Reading(folder).config
    for name in ("Thumbs.db", "train/cat/desktop.ini", "notes.txt", "README.md", "train/checksums.md5"):
        (folder / name).write_text("x")
    assert Reading(folder).config == first
    (folder / "train" / "cat" / "99.png").write_bytes(encoded(noise(5)))
    assert Reading(folder).config.fingerprint != first.fingerprint


def test_files_that_come_after_the_cache_is_made_are_left_out_by_name(tmp_path):
    folder = put(tmp_path / "set", "cat", "dog")
    Reading(folder)
    (folder / "cat" / "x.heic").write_bytes(b"x")
    (folder / "emu").mkdir()
    found = understood(folder, image=Reading(folder).config.image)
    assert found.cached and left_out(found) == {("files", 1), ("class folders", 1)}
    (folder / "cat" / "x.heic").unlink()
    assert left_out(understood(folder, image=Reading(folder).config.image)) == {("class folders", 1)}


def test_a_class_without_test_images_is_noted_and_counted_as_such(tmp_path):
    found = understood(put(tmp_path / "set", "train/cat", "train/dog", "test/dog"))
    assert any("classes without test images: cat" in note for note in found.notes)
    assert found.to_json()["rows_per_class_of"]["test"] == {"cat": 0, "dog": 8}
