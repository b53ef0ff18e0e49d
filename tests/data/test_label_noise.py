"""Wrong labels: drawn by a rule from the split seed and the row, or read from a file that fits the dataset."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from app.artifacts import split_rows
from app.artifacts.paths import RunFiles
from app.data.labels import filed, given
from app.data.labels.filed import Labels
from app.errors import InputError
from app.tables import label_noise
from app.tables.label_noise import LabelNoise, next_classes

from .pictures import write_images
from .reading import Reading

ROWS = np.arange(20_000)
TRUE = ROWS % 10
NAMES = [f"class {number}" for number in range(10)]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def drawn(rule, rate, *, names=NAMES, rows=ROWS, labels=TRUE, seed=0):
    return given.drawn(LabelNoise(rule, rate=rate), labels, rows, names, seed=seed)


def test_a_symmetric_error_has_its_rate_and_all_other_classes_are_equally_likely():
    found = drawn("symmetric", 0.4)
    wrong = found != TRUE
    assert abs(wrong.mean() - 0.4) < 4 * (0.24 / len(ROWS)) ** 0.5
    away = np.bincount((found - TRUE)[wrong] % 10, minlength=10)
    assert away[0] == 0 and np.abs(away[1:] / wrong.sum() - 1 / 9).max() < 0.01


def test_an_asymmetric_error_turns_the_classes_of_cifar10_into_their_pairs():
    found = drawn("asymmetric", 0.4, names=CIFAR10)
    changed = {(CIFAR10[a], CIFAR10[b]) for a, b in zip(TRUE, found, strict=True) if a != b}
    assert changed == {*label_noise.PAIRS.items()} and len(changed) == 5
    assert abs((found != TRUE)[TRUE == 3].mean() - 0.4) < 0.05 and abs((found != TRUE).mean() - 0.2) < 0.02


def test_the_next_class_of_cifar100_is_in_its_superclass_and_of_others_the_next_number():
    names = [f"c{number}" for number in range(100)]
    for name, at in (
        ("aquarium_fish", 1),
        ("lawn_mower", 41),
        ("pickup_truck", 58),
        ("sweet_pepper", 83),
        ("worm", 99),
    ):
        names[at] = name
    found = next_classes(names)
    assert sorted(found) == [*range(100)] and (found[4], found[30], found[55], found[72], found[95]) == (
        30,
        55,
        72,
        95,
        4,
    )
    assert next_classes(["cat", "dog", "fox"]) == [1, 2, 0] and next_classes([*reversed(CIFAR10)])[0] == 8


def test_a_label_depends_on_the_split_seed_and_its_row_alone_and_smaller_rates_are_nested():
    some, few = ROWS[::7], drawn("symmetric", 0.2)
    many = drawn("symmetric", 0.4)
    assert np.array_equal(drawn("symmetric", 0.4, rows=some, labels=TRUE[::7]), many[::7])
    assert np.array_equal(few[few != TRUE], many[few != TRUE]) and not np.array_equal(
        drawn("symmetric", 0.4, seed=1), many
    )


@pytest.mark.parametrize("ending", ["parquet", "csv", "npy"])
def test_a_file_of_labels_is_read_in_three_formats_and_found_again_by_its_sha256(tmp_path, cache_folder, ending):
    labels, path = (TRUE[:50] + 1) % 10, tmp_path / f"labels.{ending}"
    table = pa.table({"row": np.arange(50)[::-1].copy(), "label": labels[::-1].copy()})
    writers = {"parquet": lambda: pq.write_table(table, path), "csv": lambda: pyarrow.csv.write_csv(table, path)}
    writers.get(ending, lambda: np.save(path, labels))()
    request = filed.asked({"label_noise": str(path), "lr": 1})
    rule = label_noise.parsed(request["label_noise"])
    path.unlink()
    found = given.fitted(filed.of_digest(rule.digest), np.arange(50), NAMES, published=50)
    assert np.array_equal(found, labels) and found.dtype == np.int64 and request["lr"] == 1


@pytest.mark.parametrize(
    ("labels", "rows", "says"),
    [
        ([1, 2], None, "has 2 labels, and 1 of 3 training rows have none, first row 2"),
        ([1, 2, 3, 4], None, "has a label for row 3, and the training rows are 0 to 2"),
        ([1, 2, 10], None, "has the class 10, and the dataset has the classes 0 to 9"),
        ([1, 2, 3, 3], [0, 1, 2, 2], "has a row twice"),
        (["class 1", "class 2", "dog"], None, "label 3 of .* has the class dog, which the dataset lacks"),
        (["class 1", "", "class 2"], None, "label 2 of .* has no class"),
    ],
)
def test_a_file_that_does_not_fit_the_dataset_is_refused_in_a_sentence(labels, rows, says):
    found = Labels(np.array(labels), None if rows is None else np.array(rows))
    with pytest.raises(InputError, match=says):
        given.fitted(found, np.arange(3), NAMES, published=3)


def test_numbers_in_a_table_are_names_if_all_classes_have_other_numbers_as_names():
    names = [str(number) for number in sorted(range(1, 12), key=str)]  # 1, 10, 11, 2, ...: as folders are read
    found = given.fitted(Labels(np.array([2, 10, 1]), np.arange(3)), np.arange(3), names, published=3)
    assert [names[at] for at in found] == ["2", "10", "1"]
    with pytest.raises(InputError, match="has the class 12, which the dataset lacks"):
        given.fitted(Labels(np.array([2, 12, 1]), np.arange(3)), np.arange(3), names, published=3)
    with pytest.raises(InputError, match=r"numbers as names \(1, 10, 11"):
        given.fitted(Labels(np.array([2, 10, 1]), None), np.arange(3), names, published=3)
    places = [str(number) for number in range(10)]
    assert given.fitted(Labels(np.array([7, 0, 1]), None), np.arange(3), places, published=3).tolist() == [7, 0, 1]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"row,class\n0,1\n"), ("a.csv", b"row,label\n0,1\n1,\n"), ("b.npy", b"x"), ("c.parquet", b"")],
)
def test_a_file_without_labels_is_refused_and_pickled_objects_are_not_read(tmp_path, name, content):
    (path := tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"column `label`|cannot be read|an empty cell"):
        filed.keep(path)
    np.save(tmp_path / "d.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        filed.keep(tmp_path / "d.npy")


def test_train_and_validation_have_given_labels_and_the_test_has_the_published_ones(cache_folder, tmp_path):
    clean, made = Reading("digits").splits(), Reading("digits", label_noise="symmetric:0.4").splits()
    for name in ("train", "val", "test"):
        one, other = getattr(clean, name), getattr(made, name)
        assert np.array_equal(one.rows, other.rows) and np.array_equal(one.targets, made.published[name])
        assert bool((one.targets != other.targets).mean() > 0.3) is (name != "test")
    noise = made.record["label_noise"]
    assert noise["train"] == (clean.train.targets != made.train.targets).sum() and noise["rule"] == "symmetric:0.4"
    assert made.record["split_fingerprint"] == clean.record["split_fingerprint"]
    assert made.record["class_rows"]["train"] == np.bincount(made.train.targets, minlength=10).tolist()
    files = RunFiles(tmp_path, "run")
    split_rows.save(files, made)
    stored = split_rows.given(files, "train", "val")
    assert np.array_equal(stored.labels[: len(made.train)], made.train.targets)
    assert np.array_equal(split_rows.of_test(files), made.test.rows)
    assert pq.read_table(files.splits).column_names == ["split", "row", "given_label", "true_label"]


def test_the_given_labels_of_a_folder_come_from_a_file_by_class_name_or_from_the_run_itself(tmp_path, cache_folder):
    folder, path = write_images(tmp_path / "photos", each=10), tmp_path / "labels.csv"
    path.write_text("row,label\n" + "\n".join(f"{row},{'dog' if row < 15 else 'cat'}" for row in range(20)))
    request = filed.asked({"label_noise": str(path)})
    read = Reading(folder, **request)
    made = read.splits()
    assert all((split.targets == (split.rows < 15)).all() for split in (made.train, made.val))
    split_rows.save(files := RunFiles(tmp_path, "run"), made)
    digest = request["label_noise"].partition(":")[2]
    (cache_folder / "labels" / f"{digest}.csv").unlink()
    with pytest.raises(InputError, match="are not in the cache of this machine"):
        read.splits()
    again = given.of(read.config, read.cached, split_rows.given(files, "train", "val"))
    assert np.array_equal(again[made.train.members], made.train.targets)
