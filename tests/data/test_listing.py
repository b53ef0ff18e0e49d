"""CSV files that list images, tables in any spelling, and folders that are no dataset: what they are read as."""

import csv
import io
import re
import tarfile
import zipfile

import numpy as np
import pytest

from app import data

from .pictures import encoded, noise, write_images, write_parquet
from .reading import Reading, refused
from .test_tree import classes, put, understood

NAMES = ("ant", "bee", "cat")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def write_csv(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def listed(root, *, where="images", value="{}.png", rows=30, name="train.csv", header=("image_id", "label"), first=0):
    """Pictures in one folder, and a CSV file next to it."""
    (root / where).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(first, first + rows):
        (root / where / f"{number}.png").write_bytes(encoded(noise(number, size=(8, 8))))
        lines.append((value.format(number), NAMES[number % 3]))
    write_csv(root / name, header, lines)
    return root


@pytest.mark.parametrize(
    ("where", "value", "header"),
    [
        ("images", "{}.png", ("image_id", "label")),
        ("images", "{}", ("id", "breed")),  # without its ending
        ("images", "images/{}.png", ("path", "class")),
        ("images", "./images/{}.png", ("file", "target")),
        ("images/a/b", "{}.png", ("name", "category")),
        ("train_images", "{}.png", ("Image", "Label")),
        (".", "{}.png", ("image", "label")),
    ],
)
def test_images_next_to_a_csv_file_that_lists_them_are_read(tmp_path, where, value, header):
    reading = Reading(listed(tmp_path / "set", where=where, value=value, header=header))
    assert (reading.manifest["class_names"], reading.manifest["rows"]) == (list(NAMES), {"train": 30})
    assert reading.cached.array("train", "labels").tolist() == [0, 1, 2] * 10
    assert np.array_equal(Reading(tmp_path / "set", image=8, patch=4).cached.images("train")[11],
                          noise(11, size=(8, 8)).transpose(2, 0, 1))  # fmt: skip
    assert reading.config.layout_revision == 2


def test_a_csv_file_for_each_split_gives_the_splits(tmp_path):
    root = listed(tmp_path / "set", where="train")
    listed(root, where="test", name="Test.csv", rows=9)  # the same names in another folder
    listed(root, where="val", name="valid.csv", rows=6, first=500)
    assert Reading(root).manifest["rows"] == {"train": 30, "test": 9}
    assert Reading(root, val_split="valid").manifest["rows"] == {"train": 30, "test": 9, "val": 6}
    found = understood(root)
    assert {(each.what, each.count) for each in found.left_out} == {("images", 6)}


def test_a_list_without_labels_is_counted_and_test_is_held_out(tmp_path):
    root = listed(tmp_path / "set", where="train")
    listed(root, where="test", rows=9, first=100, name="both.csv")
    (root / "both.csv").unlink()
    write_csv(root / "test.csv", ["image_id"], [[f"{number}.png"] for number in range(100, 109)])
    write_csv(root / "sample_submission.csv", ["image_id", "label"], [[f"{n}.png", "ant"] for n in range(100, 109)])
    found = understood(root)
    assert found.rows == {"train": 22, "val": 2, "test": 6}
    assert any(each.count == 9 and "without labels" in each.why for each in found.left_out)
    assert any("sample_submission.csv" in each.names for each in found.left_out)


def test_images_that_no_list_names_are_counted_and_change_no_fingerprint(tmp_path):
    root = listed(tmp_path / "set")
    first = Reading(root).config
    (root / "images" / "more.png").write_bytes(encoded(noise(7)))
    (root / "notes.txt").write_text("x")
    assert Reading(root).config == first
    assert {(each.what, each.count) for each in understood(root).left_out} == {("images", 1), ("files", 1)}


@pytest.mark.parametrize("labels", [["0", "1", "2"], ["0.0", "1.0", "2.0"], ["10", "9", "8"]])
def test_labels_that_are_whole_numbers_are_in_their_order(tmp_path, labels):
    root = listed(tmp_path / "set")
    write_csv(root / "train.csv", ["file", "label"], [(f"{n}.png", labels[n % 3]) for n in range(30)])
    names = Reading(root).manifest["class_names"]
    assert names == [str(int(float(label))) for label in sorted(labels, key=float)]


@pytest.mark.parametrize(
    ("labels", "names"),
    [(["007", "12", "3"], ["007", "12", "3"]), (["0_1", "1_0", "2"], ["0_1", "1_0", "2"]),
     (["1", "1.0", "0"], ["0", "1"]),
     (["inf", "1", "2"], ["1", "2", "inf"])],
)  # fmt: skip
def test_labels_that_only_look_like_numbers_keep_their_names_and_one_number_is_one_class(tmp_path, labels, names):
    root = listed(tmp_path / "set")
    write_csv(root / "train.csv", ["id", "label"], [(f"{n}.png", labels[n % 3]) for n in range(30)])
    assert Reading(root).manifest["class_names"] == names
    assert list(understood(root).class_names) == names


@pytest.mark.parametrize("header", ["split", "Set", "part"])
def test_a_column_of_a_list_that_says_the_splits_is_read_as_the_splits(tmp_path, header):
    root = listed(tmp_path / "set")
    rows = [(f"{n}.png", ("ant", "bee")[n % 2], "Train" if n < 20 else "VAL" if n < 24 else "test") for n in range(30)]
    write_csv(root / "train.csv", ["file", "label", header], rows)
    assert Reading(root).manifest["rows"] == {"train": 20, "test": 6}
    found = understood(root)
    assert ("images", 4) in {
        (each.what, each.count) for each in found.left_out
    } and "rows of test in column" in found.to_json()["splits"]["test"]["place"]
    assert Reading(root, val_split="val").manifest["rows"] == {"train": 20, "val": 4, "test": 6}
    assert understood(root, test_split="val").rows == {"train": 18, "val": 2, "test": 4}


def test_a_column_of_splits_and_other_values_is_refused(tmp_path):
    root = listed(tmp_path / "set")
    rows = [(f"{n}.png", ("ant", "bee")[n % 2], ("train", "test", "unused")[n % 3]) for n in range(30)]
    write_csv(root / "train.csv", ["file", "label", "split"], rows)
    assert "column split of FOLDER/train.csv has splits and other values: unused" in refused(root)


def test_a_list_with_hidden_test_labels_has_its_validation_as_the_test_set(tmp_path):
    root = listed(tmp_path / "set", rows=20)
    listed(root, name="val.csv", rows=6, first=20)
    listed(root, name="test.csv", rows=6, first=26)
    write_csv(root / "test.csv", ["image_id", "label"], [(f"{n}.png", ("", "-1")[n % 2]) for n in range(26, 32)])
    assert Reading(root).manifest["rows"] == {"train": 20, "test": 6}
    assert any("val.csv is the test set" in note for note in understood(root).notes)


def test_an_empty_label_is_no_label(tmp_path):
    root = listed(tmp_path / "set")
    write_csv(root / "train.csv", ["file", "label"], [(f"{n}.png", NAMES[n % 3] if n % 5 else " ") for n in range(30)])
    reading = Reading(root)
    assert (reading.manifest["unlabelled"], reading.manifest["rows"]) == ({"train": 6}, {"train": 24})
    assert any(each.count == 6 and "empty" in each.why for each in understood(root).left_out)


def test_groups_of_a_list_stay_together(tmp_path):
    root = listed(tmp_path / "set")
    rows = [(f"{n}.png", NAMES[n % 3], f"p{n // 3}") for n in range(30)]
    write_csv(root / "train.csv", ["file", "label", "patient"], rows)
    splits = Reading(root, group_column="patient").splits()
    groups = [{rows[row][2] for row in split.rows} for split in (splits.train, splits.val, splits.test)]
    assert sum(map(len, groups)) == 10 and all(groups)


def rewritten(text, old, new):
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace(",", ";"), "has semicolons between its values. Write commas.*image_id,label"),
        (lambda text: text.replace("7.png", "gone.png"), r"3 of the 30 files in column image_id .* not below"),
        (lambda text: text + "0.png,bee\n", "0.png of FOLDER is listed twice. Keep one row per image"),
        (lambda text: text + "0.png\n", "line 32 of FOLDER/train.csv has 1 values, but its first line has 2. Fix"),
        (lambda text: re.sub(",bee", ",Ant", text), "'Ant' and 'ant' in column label of FOLDER differ"),
        (lambda text: re.sub(r"(\d+).png,\w+", r"\1.png,x\1", text), "gives 30 classes for 30 rows .*looks like an ID"),
        (lambda text: re.sub(r",\w+\n", ",0.5\n", text), "one class per row|1 class"),
        (lambda text: re.sub(r",\w+\n", ',"0,5"\n', text), "decimal commas, such as '0,5'. Write points"),
        (lambda text: text.replace(",", "\t"), "has tabs between its values. Write commas.*image_id,label"),
        (lambda text: text.replace(",", "|"), "has bars between its values"),
        (lambda text: text.partition("\n")[2], r"first line of FOLDER/train.csv names an image .0.png. and no columns"),
        (lambda text: re.sub(r"(\d)\.png", r"\1.jpg", text), "one class folder, images.*train.csv lists none of these"),
        (lambda _: "image_id,label\n", "train.csv lists none of these images"),
        (lambda text: text.replace("ant", "7").replace("bee", "007").replace("cat", "3"), "'007' and '7' .*same n"),
        (lambda text: re.sub(r",\w+\n", ",cat\n", text), "has 1 class. At least 2 are needed. All labels are cat"),
        (lambda text: text.replace("ant", "-1").replace("bee", "1").replace("cat", "1"), "If -1 is a class and not"),
    ],
)  # fmt: skip
def test_a_list_that_is_doubtful_is_refused_with_what_is_wrong(tmp_path, change, sentence):
    root = listed(tmp_path / "set")
    path = root / "train.csv"
    path.write_text(change(path.read_text().replace("\r\n", "\n")))
    assert re.search(sentence, refused(root))


def test_a_label_column_is_named_where_it_is_not_clear(tmp_path):
    root = listed(tmp_path / "set")
    rows = [(f"{n}.png", NAMES[n % 3], ("f", "m")[n % 2]) for n in range(30)]
    write_csv(root / "train.csv", ["file", "kind", "sex"], rows)
    assert "which column is the label is not clear. Name it with --label-column. Valid values: kind, sex" in refused(
        root
    )
    assert Reading(root, label_column="sex").manifest["class_names"] == ["f", "m"]
    assert "has no column 'knd'. Did you mean `kind`?" in refused(root, label_column="knd")


def test_a_list_that_agrees_with_class_folders_changes_nothing_and_one_that_does_not_is_refused(tmp_path):
    folder = put(tmp_path / "set", "part_1", "part_2")
    plain = Reading(folder).config
    rows = [(f"part_{k}/{n:02}.png", f"part_{k}") for k in (1, 2) for n in range(8)]
    write_csv(folder / "list.csv", ["file", "label"], rows)
    assert Reading(folder).config.fingerprint == plain.fingerprint
    write_csv(folder / "list.csv", ["file", "label"], [(file, NAMES[n % 2]) for n, (file, _) in enumerate(rows)])
    assert "lists the same images with other classes in its column label. Use --label-column label" in refused(folder)
    assert Reading(folder, label_column="label").manifest["class_names"] == ["ant", "bee"]
    assert Reading(folder, split_folders="none").manifest["class_names"] == ["part_1", "part_2"]


def test_a_csv_file_that_lists_nothing_is_no_matter(tmp_path):
    folder = put(tmp_path / "set", *classes("train", "test"))
    first = Reading(folder).config
    (folder / "stats.csv").write_text("a;b\n1;2;3\nx\n")
    (folder / "classes.csv").write_text("index,name\n0,cat\n1,dog\n")
    assert Reading(folder).config.fingerprint == first.fingerprint


def of_npy(root):
    (root / "cat").mkdir(parents=True)
    np.save(root / "cat" / "0.npy", np.zeros((4, 4)))


def of_zip(root):
    root.mkdir()
    with zipfile.ZipFile(root / "data.zip", "w") as archive:
        archive.writestr("cat/0.png", encoded(noise(0)))


def of_text(root):
    root.mkdir()
    (root / "notes.txt").write_text("x")


def of_gz(root):
    root.mkdir()
    (root / "images.tar.gz").write_bytes(b"x")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (of_npy, r"no images that can be read. It has other files: 1 .npy. Save numpy arrays as images"),
        (of_zip, r"Archives are not read: unpack data.zip and give the folder"),
        (of_gz, r"unpack images.tar.gz"),
        (of_text, r"1 .txt .such as notes.txt.. Put a folder of images per class there, or parquet files"),
    ],
)
def test_a_folder_without_images_is_told_what_it_has(tmp_path, make, sentence):
    make(tmp_path / "set")
    assert re.search(sentence, refused(tmp_path / "set"))


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def shard(path, rows, first=0):
    """A WebDataset's file: a picture and its class for each row."""
    numbers = range(first, first + rows)
    members = [
        member for n in numbers for member in ((f"{n:05}.png", encoded(noise(n))), (f"{n:05}.cls", str(n % 2).encode()))
    ]
    write_tar(path, members)


@pytest.mark.parametrize("card", ["", "# A set\n"])
@pytest.mark.parametrize(
    ("names", "rows"),
    [(("000.tar", "001.tar"), {"train": 30}), (("train-0.tar", "test-0.tar"), {"train": 20, "test": 10}),
     (("Train-0.tar", "TEST-0.tar"), {"train": 20, "test": 10})],
)  # fmt: skip
def test_tar_files_are_read_as_a_webdataset_with_a_card_and_without(tmp_path, card, names, rows):
    shard(tmp_path / "set" / names[0], 20)
    shard(tmp_path / "set" / names[1], 10, first=100)
    if card:
        (tmp_path / "set" / "README.md").write_text(card)
    reading = Reading(tmp_path / "set")
    assert (reading.manifest["rows"], reading.manifest["class_names"]) == (rows, ["0", "1"])


def test_tar_files_with_texts_as_classes_are_to_be_unpacked(tmp_path):
    (tmp_path / "set").mkdir()
    members = [
        (f"{n}.{ending}", value) for n in range(4) for ending, value in (("png", encoded(noise(n))), ("cls", b"ant"))
    ]
    write_tar(tmp_path / "set" / "a.tar", members)
    assert "a .cls file in it contains 'ant' and no whole number). Unpack the files" in refused(tmp_path / "set")


def test_tar_files_of_class_folders_are_to_be_unpacked(tmp_path):
    write_tar(tmp_path / "set" / "a.tar", [(f"{name}/0.png", encoded(noise(1))) for name in NAMES])
    assert re.search("contain png and no label.*Unpack them and give the folder", refused(tmp_path / "set"))


@pytest.mark.parametrize(
    ("train", "test", "revision"),
    [("train-0.parquet", "test-0.parquet", 1), ("data/train-0.parquet", "data/test-0.parquet", 1),
     ("train/0.parquet", "test/0.parquet", 1),
     ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", 1),
     ("Train.parquet", "Test.parquet", 2), ("trainset.parquet", "testset.parquet", 2),
     ("X_TRAIN.parquet", "X_TEST.parquet", 2), ("a/Training/0.parquet", "a/Testing/0.parquet", 2)],
)  # fmt: skip
def test_tables_have_their_splits_from_names_in_any_case_and_spelling(tmp_path, train, test, revision):
    write_parquet(tmp_path / "set" / train, ["cat", "dog"] * 10)
    write_parquet(tmp_path / "set" / test, ["cat", "dog"] * 3, first=500)
    reading = Reading(tmp_path / "set")
    assert reading.manifest["rows"] == {"train": 20, "test": 6} and reading.config.layout_revision == revision
    first = reading.config.fingerprint
    for name in ("Thumbs.db", "README.md", "notes.txt"):
        (tmp_path / "set" / name).write_text("x")
    assert Reading(tmp_path / "set").config.fingerprint == first


def test_tables_of_no_split_next_to_others_are_counted(tmp_path):
    for number, name in enumerate(("train", "test", "extra")):
        write_parquet(tmp_path / "set" / f"{name}.parquet", ["cat", "dog"] * 10, first=100 * number)
    found = understood(tmp_path / "set")
    assert found.rows == {"train": 18, "val": 2, "test": 20}
    assert [(each.what, each.names) for each in found.left_out] == [("files", ("extra.parquet",))]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_that_metadata_does_not_list_are_counted(tmp_path, ending):
    folder = write_images(tmp_path / "pets", splits=("",), each=20)
    files = [f"{name}/{i:02}.png" for name in ("cat", "dog") for i in range(10)]
    labels = [file[:3] for file in files]
    if ending == "csv":
        write_csv(folder / "metadata.csv", ["file_name", "label"], list(zip(files, labels, strict=True)))
    elif ending == "jsonl":
        lines = [f'{{"file_name": "{file}", "label": "{label}"}}' for file, label in zip(files, labels, strict=True)]
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"file_name": files, "label": labels}), folder / "metadata.parquet")
    reading = Reading(folder)
    assert reading.manifest["rows"] == {"train": 20} and reading.manifest["class_names"] == ["cat", "dog"]
    assert ("images", 20) in {(each.what, each.count) for each in understood(folder).left_out}
    first = reading.config.fingerprint
    (folder / "cat" / "19.png").write_bytes(encoded(noise(1)))  # not listed
    assert Reading(folder).config.fingerprint == first


@pytest.mark.parametrize("name", ["metadata.csv", "train/metadata.csv", "test/metadata.csv"])
def test_metadata_that_is_not_about_every_split_is_refused(tmp_path, name):
    folder = write_images(tmp_path / "pets", splits=("train", "test"), each=4)
    base = name.rpartition("/")[0]
    files = [path for path in sorted(folder.rglob("*.png")) if path.is_relative_to(folder / base)]
    write_csv(
        folder / name, ["file_name", "label"], [(path.relative_to(folder / base), path.parts[-2]) for path in files]
    )
    assert re.search("is not about the split (train|test), whose images are in", refused(folder))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("file_name,label\ncat/00.png,cat\ncat/00.png,dog\n", "lists cat/00.png more than once"),
     ("", "lists no files. It needs a column file_name"), ("file_name,label\n", "lists no files"),
     ("name,label\ncat/00.png,cat\n", "lists no files"),
     ("file_name,label,split\ncat/00.png,cat,train\ndog/00.png,dog,train\ncat/01.png,cat,test\n", "several splits")],
)  # fmt: skip
def test_metadata_that_is_doubtful_is_refused(tmp_path, text, sentence):
    folder = write_images(tmp_path / "pets", splits=("",), each=4)
    (folder / "metadata.csv").write_text(text)
    assert sentence in refused(folder)


@pytest.mark.parametrize("line", ["[1, 2]", "3", '"cat"', "null", "{"])
def test_metadata_lines_that_are_no_objects_are_refused(tmp_path, line):
    folder = write_images(tmp_path / "pets", splits=("",), each=4)
    (folder / "metadata.jsonl").write_text(line)
    assert "one object per line" in refused(folder)


def test_metadata_without_images_is_told_so(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "metadata.csv").write_text("file_name,label\na.png,cat\n")
    assert "contains no images that can be read" in refused(tmp_path / "set")


def test_a_column_of_tables_that_says_several_splits_is_refused_and_their_files_are_named(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "set" / "x.parquet"
    write_parquet(path, ["cat", "dog"] * 10)
    assert understood(tmp_path / "set").to_json()["splits"]["train"]["place"] == "split train (x.parquet)"
    table = parquet.read_table(path)
    for values, wrong in ((["train", "Test"] * 10, True), (["train"] * 20, False), (["fold 1", "test"] * 10, False)):
        parquet.write_table(table.append_column("split", pa.array(values)), path)
        if wrong:
            assert "column split of FOLDER says that rows are of several splits (Test, train)" in refused(
                tmp_path / "set"
            )
        else:
            assert Reading(tmp_path / "set").manifest["rows"] == {"train": 20}


def test_files_that_no_config_of_a_card_names_are_counted(tmp_path):
    for name in ("train", "other"):
        write_parquet(tmp_path / "set" / f"{name}.parquet", ["cat", "dog"] * 10)
    card = "---\nconfigs:\n- config_name: default\n  data_files: train.parquet\n---\n"
    (tmp_path / "set" / "README.md").write_text(card)
    found = data.inspected({"dataset": str(tmp_path / "set")}, lambda _: None)
    assert any(each.names == ("other.parquet",) for each in found.left_out)
