"""Folders of pictures: each of them is read, or the first that would not be is named with what to rename."""

import re

import numpy as np
import pytest

from .pictures import encoded, noise, write_images
from .reading import Reading, refused

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (".b/1.png", ".b/1.png of FOLDER would be skipped: names that begin with . or __ are hidden. Rename .b"),
        ("__x__/1.JPG", "__x__/1.JPG of FOLDER would be skipped: names that begin .*. Rename __x__"),
        ("cat/.1.png", "cat/.1.png of FOLDER would be skipped: names that begin .*. Rename .1.png"),
        ("train/.b/1.png", "train/.b/1.png of FOLDER would be skipped: .*. Rename .b"),
        ("train/a\nb/1.png", r"train/a\\nb/1.png of FOLDER would be skipped: .*. Rename a\\nb"),
        ("extra/cat/1.png", r"has the splits test, train, and next to them extra, .*--split-folders"),
    ],
)
def test_a_picture_that_would_be_left_out_is_refused_with_what_to_rename(tmp_path, place, sentence):
    in_splits = place.startswith(("train", "extra"))
    folder = write_images(tmp_path / "pets", splits=("train", "test") if in_splits else ("",))
    (folder / place).parent.mkdir(exist_ok=True, parents=True)
    (folder / place).write_bytes(encoded(noise(0), "png"))
    assert re.search(sentence, refused(folder))


@pytest.mark.parametrize("name", ["cat/._00.png", ".ipynb_checkpoints/00.png", ".git/x/1.png", "__MACOSX/cat/1.png"])
def test_what_the_system_keeps_in_a_folder_is_passed_over_in_silence(tmp_path, name):
    folder = write_images(tmp_path / "pets", splits=("",))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"the system's own")
    reading = Reading(folder)
    assert (reading.manifest["class_names"], reading.manifest["rows"]) == (["cat", "dog"], {"train": 24})
    assert reading.said == []


def test_a_list_of_the_pictures_chooses_among_them(tmp_path):
    folder = write_images(tmp_path / "pets", splits=("",), each=20)
    lines = [f"{name}/{i:02}.png,{name}" for name in ("cat", "dog") for i in range(10)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    assert Reading(folder).manifest["rows"] == {"train": 20}


@pytest.mark.parametrize("name", ["test", "validation"])
def test_a_single_split_of_another_name_is_used_as_train_and_said(tmp_path, name):
    reading = Reading(write_images(tmp_path / "pets", splits=(name,)))
    assert reading.manifest["rows"] == {"train": 24}
    assert [line.replace(str(tmp_path), "") for line in reading.said] == [
        f"/pets has one split, {name}: it is used as train, and validation and test are held out from it"
    ]


def test_a_picture_of_floating_point_numbers_is_refused_by_its_file(tmp_path):
    folder = write_images(tmp_path / "pets", splits=("",))
    (folder / "dog" / "99.tif").write_bytes(encoded(noise(1, channels=1).astype(np.float32), "tiff"))
    assert re.search(r"dog/99.tif \(row 24 of train\): its pixels .* to RGB", refused(folder))


def test_a_file_of_too_many_bytes_is_not_read_to_its_end(tmp_path, monkeypatch):
    folder = write_images(tmp_path / "pets", splits=("",))
    (folder / "cat" / "00.png").write_bytes(encoded(noise(0)) + bytes(10**6))
    monkeypatch.setattr("app.data.store.decode.MOST_BYTES", 10**6)
    assert "cat/00.png (row 0 of train): the encoded image has more than 1 MB. Make it smaller" in refused(folder)
