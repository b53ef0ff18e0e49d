"""Arrays of a Python program: written as a folder that a run reads, named by content; those of a cached dataset."""

import errno
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

import app as isoscale
from app.errors import InputError, RunFailed

pytestmark = pytest.mark.usefixtures("cache_folder")
DRAWN = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(12) % 11  # two digits, so that names are padded


def test_the_folder_has_each_image_unchanged_below_its_class_in_the_order_of_the_labels(tmp_path):
    folder = isoscale.write_images(DRAWN, LABELS, tmp_path / "images")
    assert [path.name for path in sorted(folder.iterdir()) if path.is_dir()] == [f"{label:02d}" for label in range(11)]
    for number, label in enumerate(LABELS):
        assert np.array_equal(np.asarray(Image.open(folder / f"{label:02d}" / f"{number:07d}.png")), DRAWN[number])


def test_equal_arrays_are_one_folder_and_others_another(tmp_path):
    first = isoscale.write_images(DRAWN, LABELS)
    assert isoscale.write_images(DRAWN.copy(), [*LABELS]) == first
    assert isoscale.write_images(DRAWN, LABELS[::-1]) != first
    with pytest.raises(InputError, match="does not contain these arrays"):
        isoscale.write_images(DRAWN[:, ::-1], LABELS, first)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (DRAWN.astype(np.float32), LABELS, "float32"),
        (DRAWN[0, 0], LABELS, "shape"),
        (DRAWN, LABELS[:3], "12 images and 3 labels"),
        (DRAWN, LABELS - 1, "label -1"),
        (DRAWN, LABELS / 2, "whole numbers"),
        (DRAWN, ["a/b"] * 12, "'a/b'"),
        (DRAWN, ["train", "test"] * 6, "'train'"),
        (DRAWN, ["Cat", "cat"] * 6, "'Cat' and 'cat' differ in case only"),
        (DRAWN, ["é" * 150] * 12, "has 300 bytes. Use at most 255"),
        (DRAWN, [[0], [1, 2]], "whole numbers"),
        ([np.zeros((4, 4), np.uint8), np.zeros((5, 4), np.uint8)], [0, 1], "differ in size"),
    ],
)
def test_other_arrays_are_refused_and_nothing_is_written(tmp_path, images, labels, says):
    with pytest.raises(InputError, match=says):
        isoscale.write_images(images, labels, tmp_path / "images")
    assert not [*tmp_path.glob("images*")]


def test_a_folder_below_a_file_is_refused_and_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*Not a directory"):
        isoscale.write_images(DRAWN, LABELS, tmp_path / "file" / "images")
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(RunFailed, match="no space left"):
        isoscale.write_images(DRAWN, LABELS, tmp_path / "images")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_dataset_gives_the_arrays_of_its_source_memory_mapped():
    digits = isoscale.dataset("digits")
    rows = digits["train"]
    assert isinstance(rows.images, np.memmap) and rows.images.shape == (1797, 1, 8, 8)
    assert digits.class_names == tuple("0123456789") and np.bincount(rows.labels).sum() == 1797
    with pytest.raises(InputError, match="Its splits: train"):
        digits["test"]


def test_settings_of_train_say_how_a_dataset_is_read_and_a_wrong_one_is_refused():
    assert isoscale.dataset("digits", image=4)["train"].images.shape == (1797, 1, 4, 4)
    with pytest.raises(InputError, match="imagee"):
        isoscale.dataset("digits", imagee=4)
    with pytest.raises(InputError, match=r"epochs has no effect on how a dataset is read.*image"):
        isoscale.dataset("digits", epochs=3)
    with pytest.raises(InputError, match="3 parts"):
        isoscale.train(dataset=(DRAWN, LABELS, ["a"]))
