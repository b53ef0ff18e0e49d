"""The user's own folders as datasets: columns found or named, content as identity, refusals in a sentence."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import InputError

from .pictures import encoded, noise, write_hub, write_images, write_parquet
from .reading import Reading, refused

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
HALF = [0, 1] * 10


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def test_an_image_folder_has_its_classes_and_splits_from_its_folders(tmp_path):
    reading = Reading(write_images(tmp_path / "pets"))
    assert (reading.config.dataset, reading.manifest["class_names"]) == ("local/pets", ["cat", "dog"])
    assert reading.manifest["rows"] == {"train": 24, "test": 24}
    stored = reading.cached.images("train")
    assert np.array_equal(stored[0], noise(0).transpose(2, 0, 1))
    assert np.array_equal(stored[-1], noise(1011).transpose(2, 0, 1))


def test_a_folder_of_images_alone_gets_its_test_split_carved(tmp_path):
    folder = write_images(tmp_path / "pets", splits=("",), each=20)
    splits = Reading(folder).splits()
    assert splits.record["rows"] == {"train": 29, "val": 3, "test": 8}
    assert np.bincount(splits.test.labels[splits.test.members]).tolist() == [4, 4]


def test_a_folder_of_parquet_is_read_whole_and_in_order(tmp_path):
    for part in range(3):
        write_parquet(tmp_path / "set" / f"train-{part}-of-3.parquet", [part, part + 1] * 5, first=10 * part)
    reading = Reading(tmp_path / "set")
    images = np.stack([noise(i).transpose(2, 0, 1) for i in range(30)])
    assert np.array_equal(reading.cached.images("train"), images)
    assert reading.manifest["class_names"] == ["0", "1", "2", "3"]


def test_the_same_folder_is_read_once(tmp_path):
    folder = write_images(tmp_path / "pets")
    assert [Reading(folder).was_read, Reading(folder).was_read] == [True, False]


def test_images_may_be_plain_bytes(tmp_path):
    images = [encoded(noise(i)) for i in range(20)]
    write_parquet(tmp_path / "set" / "train.parquet", HALF, image=images)
    reading = Reading(tmp_path / "set", image_column="image", label_column="label")
    assert np.array_equal(reading.cached.images("train")[3], noise(3).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("labels", "names"),
    [(["dog", "cat"], ["cat", "dog"]), ([7, 3], ["3", "7"]), ([True, False], ["False", "True"])],
    ids=["text", "numbers", "truth"],
)
def test_labels_without_a_list_of_names_are_classes_in_sorted_order(tmp_path, labels, names):
    write_parquet(tmp_path / "set" / "train.parquet", labels * 10)
    reading = Reading(tmp_path / "set")
    assert (reading.facts.classes, reading.manifest["class_names"]) == (2, names)
    assert reading.cached.array("train", "labels").tolist() == [1, 0] * 10


def test_rows_without_a_label_are_left_out_and_counted(tmp_path):
    labels = {"train": [0, -1, 1, None] * 10, "test": [0, 1, None]}
    reading = Reading(write_hub(tmp_path / "set", labels, ["a", "b"]))
    assert reading.manifest["rows"] == {"train": 20, "test": 2}
    assert reading.manifest["unlabelled"] == {"train": 20, "test": 1}
    assert reading.cached.array("train", "rows").tolist() == list(range(0, 40, 2))
    assert np.array_equal(reading.cached.images("train")[1], noise(2).transpose(2, 0, 1))
    assert set(reading.splits().train.rows) <= set(range(0, 40, 2))


@pytest.mark.parametrize("nothing", [-1, None])
def test_a_test_split_without_labels_is_refused_until_test_is_carved(tmp_path, nothing):
    folder = write_hub(tmp_path / "set", {"train": HALF, "test": [nothing] * 4}, ["a", "b"])
    assert refused(folder) == (
        "the test split of local/set has no labels: none of its 4 rows has one. "
        "--test-fraction 0.2 holds out a test set from train instead"
    )
    assert Reading(folder, test_fraction=0.2).splits().record["rows"] == {"train": 14, "val": 2, "test": 4}


def test_a_class_in_test_that_train_lacks_is_refused(tmp_path):
    folder = write_hub(tmp_path / "set", {"train": HALF, "test": [0, 2]}, ["a", "b", "rare"])
    assert refused(folder).startswith("the test split of local/set has classes that train lacks: rare. --test-fraction")


def test_an_unknown_text_label_in_test_is_refused(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", ["cat", "dog"] * 10)
    write_parquet(tmp_path / "set" / "test.parquet", ["cat", "emu"])
    assert "classes that train lacks: emu" in refused(tmp_path / "set")


def test_an_empty_dataset_is_refused(tmp_path):
    folder = write_hub(tmp_path / "set", {"train": []}, ["a", "b"])
    assert refused(folder).endswith("(a parquet file in it has no rows). Remove the file, or add rows")


def test_a_dataset_without_a_labelled_row_is_refused(tmp_path):
    folder = write_hub(tmp_path / "set", {"train": [None, -1] * 3}, ["a", "b"])
    assert "the train split of local/set has no labels: none of its 6 rows has one. Name another" in refused(folder)


def test_one_class_is_too_few(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", [0] * 20)
    assert "has 1 class. At least 2 are needed" in refused(tmp_path / "set")


def test_a_config_of_other_classes_than_the_cache_holds_is_refused(tmp_path):
    reading = Reading(write_images(tmp_path / "pets"))
    reading.config = dataclasses.replace(reading.config, classes=3)
    with pytest.raises(InputError, match=r"local/pets has 2 classes now, not 3. Run the command again"):
        reading.splits()


def test_too_few_rows_to_hold_some_out_are_refused(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", [0, 1])
    assert refused(tmp_path / "set") == (
        "2 labelled rows are too few to hold out a share of 0.2. Add rows, or give --test-fraction another share"
    )


def test_an_unreadable_image_names_its_row(tmp_path):
    folder = write_images(tmp_path / "pets", splits=("train",))
    (folder / "train" / "dog" / "01.png").write_bytes(b"not a picture")
    assert "train/dog/01.png (row 13 of train): the bytes are not a readable image" in refused(folder)


def test_a_row_without_an_image_is_refused(tmp_path):
    image = {"bytes": encoded(noise(0)), "path": None}
    write_parquet(tmp_path / "set" / "train.parquet", HALF, image=[image] * 19 + [None])
    assert "1 of 20 images of local/set cannot be read: row 19 of train: there is no image" in refused(tmp_path / "set")


SCAN = {"image_column": "scan"}
UNPLAIN = "image (image), scan (image), kind (string), form (string), score (float64), parts (List)"


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({}, f"which column of FOLDER is the image. Name it with --image-column. Valid values: {UNPLAIN}"),
        (SCAN, f"which column of FOLDER is the label. Name it with --label-column. Valid values: {UNPLAIN}"),
        (SCAN | {"label_column": "knd"}, "FOLDER has no column 'knd'. Did you mean `kind`?"),
        (SCAN | {"label_column": "score"}, "score of FOLDER contains 0.5 (float), not one class per row. Name another"),
        (SCAN | {"label_column": "parts"}, "column parts of FOLDER contains List, not one class per row. Name another"),
        (SCAN | {"label_column": "image"}, "contains image, not one class per row. Name another with --label-column"),
        ({"image_column": "pixels"}, "FOLDER has no column 'pixels'. Valid values: image, scan, kind, form"),
        ({"image_column": "form", "label_column": "kind"}, "contains string, not images. Name another with --image"),
        ({"group_column": "fom"}, "FOLDER has no column 'fom'. Did you mean `form`?"),
        ({"dataset_config": "b"}, "FOLDER has no config 'b'. Name one with --dataset-config. Valid values: default"),
        ({"revision": "v2"}, "--revision has no effect on the dataset FOLDER. Omit it"),
        ({"image": 0}, "image=0 is out of range. Use a side above 0 (224), height x width (1700x500) or a"),
    ],
)  # fmt: skip
def test_a_column_that_is_wrong_or_not_plain_is_named_with_what_there_is(tmp_path, request_, sentence):
    image = [{"bytes": encoded(noise(i)), "path": None} for i in range(2)]
    values = {"kind": ["x", "y"], "form": ["s", "l"], "score": [0.5, 1.0], "parts": [[1], [2]]}
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"image": image, "scan": image, **values}), tmp_path / "set" / "train.parquet")
    assert sentence in refused(tmp_path / "set", **request_)


def test_several_configs_are_named_until_one_is_chosen(tmp_path):
    for name in ("large", "small"):
        write_parquet(tmp_path / "set" / name / "train.parquet", HALF)
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/*.parquet\n" for name in ("large", "small"))
    (tmp_path / "set" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    several = "FOLDER has several configs. Name one with --dataset-config. Valid values: large, small"
    assert refused(tmp_path / "set") == several
    assert refused(tmp_path / "set", dataset_config="smal").endswith("Did you mean `small`?")
    assert Reading(tmp_path / "set", dataset_config="small").manifest["rows"] == {"train": 20}


def test_groups_are_never_divided_between_the_splits(tmp_path):
    patients = [f"patient {i // 4}" for i in range(40)]
    write_parquet(tmp_path / "set" / "train.parquet", [0, 1] * 20, patient=patients)
    splits = Reading(tmp_path / "set", group_column="patient").splits()
    groups = [{patients[row] for row in split.rows} for split in (splits.train, splits.val, splits.test)]
    assert sum(map(len, groups)) == 10
    assert all(groups)
    whole = Reading(tmp_path / "set").splits()
    assert whole.record["split_fingerprint"] != splits.record["split_fingerprint"]


def test_a_group_in_train_and_test_is_refused_until_test_is_carved(tmp_path):
    groups = {"train": [i // 2 for i in range(20)], "test": [9, 10, 11, 12]}
    folder = write_hub(
        tmp_path / "set", {"train": HALF, "test": [0, 1, 0, 1]}, ["a", "b"],
        more_features=[("patient", "int64")], patient=groups,
    )  # fmt: skip
    assert refused(folder, group_column="patient").startswith("1 group is in both train and test. To fix it, hold out")
    assert Reading(folder, group_column="patient", test_fraction=0.2).splits()


def test_too_few_groups_are_told(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", HALF, patient=["one"] * 20)
    refusal = refused(tmp_path / "set", group_column="patient")
    assert refusal.startswith("20 labelled rows in 1 groups are too few to hold out a share of 0.2")


def test_a_split_that_is_not_named_test_serves_as_test_and_is_said(tmp_path):
    labels = {"train": HALF, "validation": [0, 1], "extra": [0, 1]}
    reading = Reading(write_hub(tmp_path / "set", labels, ["a", "b"]))
    assert reading.manifest["rows"] == {"train": 20, "test": 2}
    assert [line.replace(str(tmp_path), "") for line in reading.said] == [
        "/set has no split named test: validation is the test set",
        "not used of /set: extra (validation is held out from train)",
    ]


def test_no_split_named_train_is_refused(tmp_path):
    folder = write_hub(tmp_path / "set", {"one": HALF, "two": HALF}, ["a", "b"])
    assert (
        refused(folder)
        == "FOLDER has no split named train. Its splits are one, two. Rename one, or give another dataset"
    )


@pytest.mark.parametrize("content", [{}, {".hidden": ""}, {"notes.txt": "no pictures"}, {"train.parquet": "PAR1"}])
def test_a_folder_that_is_no_dataset_is_refused(tmp_path, content):
    (tmp_path / "set").mkdir()
    for name, text in content.items():
        (tmp_path / "set" / name).write_text(text)
    assert "FOLDER" in refused(tmp_path / "set")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert refused(tmp_path / "none") == (
        "the folder FOLDER does not exist. Give --dataset a folder of parquet files or of images"
    )


def test_a_folder_s_run_is_named_by_its_content_not_by_its_place(tmp_path):
    folder = write_images(tmp_path / "here" / "pets")
    first = Reading(folder).config
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Reading(tmp_path / "there" / "pets")
    assert (moved.config.run_id, moved.was_read) == (first.run_id, False)
    (tmp_path / "there" / "pets" / "train" / "cat" / "00.png").write_bytes(encoded(noise(99)))
    changed = Reading(tmp_path / "there" / "pets")
    assert changed.config.run_id != first.run_id
    assert changed.was_read


def test_hidden_files_are_no_content(tmp_path):
    folder = write_images(tmp_path / "pets")
    first = Reading(folder).config.fingerprint
    (folder / ".DS_Store").write_text("seen")
    assert Reading(folder).config.fingerprint == first


@pytest.mark.parametrize("option", ["dataset_config", "revision", "image_column", "label_column", "group_column"])
def test_an_option_without_effect_on_the_bundled_digits_is_refused(option):
    sentence = f"--{option.replace('_', '-')} has no effect on the dataset digits"
    with pytest.raises(InputError, match=sentence):
        Reading("digits", **{option: "x"})


def test_a_run_s_name_for_a_folder_is_no_path():
    with pytest.raises(InputError, match=r"give its path, such as ./folder"):
        Reading("local/pets")


def test_an_image_folder_without_folders_for_splits_is_all_train_whatever_its_files_are_called(tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    from app import data

    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            kind = "test" if number < 3 else "picture"
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / "set" / name / f"{kind}_{number}.png")
    ask = data.ask_of({"dataset": "local/set", "image": 8}, path=str(tmp_path / "set"))
    cached = data.prepare(ask, lambda text: None, lambda *_: None)
    assert cached.manifest.rows == {"train": 12} and cached.manifest.class_names == ["cat", "dog"]
