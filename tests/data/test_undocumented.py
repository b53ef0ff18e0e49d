"""What `datasets` does not promise is still where the program looks for it."""

import inspect
import zipfile

import datasets
from datasets import iterable_dataset

from app.data.sources import undocumented

from .pictures import write_images, write_parquet


def test_the_sleep_at_the_end_of_a_read_is_the_one_that_is_removed(monkeypatch):
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 5)
    assert "sleep(config.SLEEP_TIME_ON_THREADS_SHUTDOWN)" in inspect.getsource(iterable_dataset)
    undocumented.end_without_sleep()
    assert datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN == 0


def test_a_builder_of_image_folders_says_its_files_and_gives_them_encoded(tmp_path):
    write_images(tmp_path / "pets", each=2)
    builder = datasets.load_dataset_builder(str(tmp_path / "pets"))
    files, endings, lists = undocumented.image_files(builder)
    assert {split: len(found) for split, found in files.items()} == {"train": 4, "test": 4}
    assert ".png" in endings and "metadata.csv" in lists
    assert builder.config.decode_num_threads > 0
    undocumented.leave_encoded(builder)
    assert builder.config.decode_num_threads == 0


def test_a_builder_opens_the_files_that_its_lists_hold_after_a_change(tmp_path):
    for name, label in (("train", "cat"), ("other", "dog")):
        write_parquet(tmp_path / name / "train.parquet", [label, label])
    builder = datasets.load_dataset_builder(str(tmp_path / "train"))
    (files,) = undocumented.data_files(builder).values()
    files[:] = [file.replace("/train/train", "/other/train") for file in files]
    assert [row["label"] for row in builder.as_streaming_dataset()["train"]] == ["dog", "dog"]


def test_a_builder_of_tables_is_no_image_folder(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", ["cat", "dog"])
    builder = datasets.load_dataset_builder(str(tmp_path / "set"))
    undocumented.leave_encoded(builder)
    assert undocumented.image_files(builder) is None


def test_files_are_opened_where_they_lie_in_an_archive_too(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"plain")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("c.txt", "packed")
    for path, held in ((tmp_path / "a.txt", b"plain"), (f"zip://c.txt::{tmp_path / 'b.zip'}", b"packed")):
        with undocumented.opened(str(path)) as file:
            assert file.read() == held
