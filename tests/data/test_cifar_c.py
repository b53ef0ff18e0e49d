"""The published arrays of CIFAR-C: five blocks, whose labels must be those of the test rows."""

import numpy as np
import pytest

from app.data.cifar_c import Published
from app.errors import InputError

LABELS = np.array([3, 1, 2, 0])
ROWS = np.array([2, 0, 3])


@pytest.fixture
def folder(tmp_path):
    """Five severities of four images of 32 px, whose values are their place."""
    np.save(tmp_path / "labels.npy", np.tile(LABELS, 5).astype(np.uint8))
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    np.save(tmp_path / "fog.npy", images)
    return tmp_path


def test_a_severity_is_a_block_of_the_test_images_in_their_order(folder):
    published = Published.at(folder, ROWS, LABELS[ROWS], side=32)
    assert published.names() == ["fog"]
    block = published.block("fog", 3)
    assert block.shape == (4, 3, 32, 32) and block[:, 0, 0, 0].tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize("labels", [[1, 3, 0], [2, 3, 1]])
def test_other_labels_are_refused(folder, labels):
    with pytest.raises(InputError, match="not those of the test rows"):
        Published.at(folder, ROWS, np.array(labels), side=32)


def test_labels_that_differ_in_a_later_block_are_refused(folder):
    later = np.tile(LABELS, 5)
    later[15:] = 0
    np.save(folder / "labels.npy", later)
    with pytest.raises(InputError, match="not those of the test rows"):
        Published.at(folder, ROWS, LABELS[ROWS], side=32)


def test_a_file_that_is_no_array_is_refused_without_advice_to_execute_it(folder):
    (folder / "labels.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="no complete array of numbers") as refused:
        Published.at(folder, ROWS, LABELS[ROWS], side=32)
    assert "pickle" not in str(refused.value)


def test_an_array_of_another_shape_is_refused(folder):
    np.save(folder / "snow.npy", np.zeros((20, 16, 16, 3), np.uint8))
    with pytest.raises(InputError, match="is expected"):
        Published.at(folder, ROWS, LABELS[ROWS], side=32).block("snow", 1)
