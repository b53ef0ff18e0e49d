"""Distractors and corrupted training images: the same bytes in any batch, and known places."""

import numpy as np
import pytest
import torch

from app.data.splits import noisy
from app.data.transforms import distractors
from app.data.transforms.corruptions.applied import corrupted
from app.errors import InputError

from .pictures import write_hub, write_images
from .reading import Reading

ROWS = torch.arange(200)


def inputs(split, size, *, epoch=None):
    """All inputs of a split, from batches of a size."""
    return torch.cat(
        [split.batch(part, epoch=epoch)[0] for part in np.split(np.arange(len(split)), range(size, len(split), size))]
    )


@pytest.fixture(params=["digits", "folder", "cifar"])
def dataset(request, tmp_path, cache_folder):
    """Images of one channel, of a folder, and of tables in the layout of CIFAR-10; stored at 8 and 16 px."""
    if request.param == "folder":
        return write_images(tmp_path / "photos", each=40)
    names = ["airplane", "automobile", "bird"]
    labels = {"train": [row % 3 for row in range(90)], "test": [row % 3 for row in range(30)]}
    return "digits" if request.param == "digits" else write_hub(tmp_path / "cifar", labels, names)


def test_batches_of_1_7_and_64_have_the_same_inputs_under_all_noise(dataset):
    noise = {
        "distractors": 4,
        "test_distractors": 3,
        "corrupt_train": "gaussian_noise:3",
        "label_noise": "symmetric:0.4",
    }
    limits = {"limit_train": 70, "limit_val": 9, "limit_test": 20}
    made = Reading(dataset, **noise, **limits).splits()
    for split, epoch in ((made.train, 1), (made.val, None), (made.test, None)):
        at_once = inputs(split, 64, epoch=epoch)
        assert all(torch.equal(inputs(split, size, epoch=epoch), at_once) for size in (1, 7))
    assert not torch.equal(inputs(made.train, 64, epoch=0), inputs(made.train, 64, epoch=1))


def test_patches_are_in_different_cells_of_the_border_and_the_centre_is_free():
    at = distractors.cells(8, seed=1, epoch=None, rows=ROWS)
    assert at.shape == (200, 8) and all(len({*row}) == 8 for row in at.tolist())
    assert {*at.flatten().tolist()} == {*range(16)} - {5, 6, 9, 10}
    covered = distractors.covered(at, 30, 16)
    assert covered.flatten(1).sum(1).tolist() == [8 * 7 * 4] * 200 and not covered[:, 8:22, 4:12].any()
    assert torch.equal(distractors.cells(3, seed=1, epoch=None, rows=ROWS), at[:, :3])  # fewer are among more


def test_a_patch_is_a_part_of_an_image_of_another_class():
    images = torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1).expand(12, 2, 8, 8).contiguous() + 100
    pool = distractors.Pool(images, torch.tensor([0, 3, 3]), torch.tensor([3, 0, 9]))
    labels = torch.arange(200) % 3
    found = distractors.pasted(
        torch.zeros(200, 2, 8, 8, dtype=torch.uint8), labels, pool, 4, seed=0, epoch=0, rows=ROWS
    )
    at = distractors.cells(4, seed=0, epoch=0, rows=ROWS)
    assert torch.equal(found[:, 0] > 0, distractors.covered(at, 8, 8)) and torch.equal(found[:, 0], found[:, 1])
    seen = [{*image[image > 0].tolist()} for image in found]
    assert set.union(*seen[0::3]) == {*range(103, 112)} and set.union(*seen[2::3]) == {100, 101, 102}
    assert set.union(*seen[1::3]) == {*range(100, 112)}  # a class without images


def test_training_images_are_corrupted_once_per_row_and_not_as_test_images_of_robust(cache_folder):
    read = Reading("digits", corrupt_train="gaussian_noise:5", limit_train=40)
    clean, made = Reading("digits", limit_train=40).splits(), read.splits()
    first, again = (inputs(made.train, 64, epoch=epoch) for epoch in (0, 3))
    assert torch.equal(first, again) and not torch.equal(first, inputs(clean.train, 64))
    assert torch.equal(inputs(made.test, 64), inputs(clean.test, 64))
    stored = made.train.images[torch.from_numpy(made.train.members)]
    robust = corrupted(stored, "gaussian_noise", 5, seed=0, rows=torch.from_numpy(made.train.rows))
    change = made.train.transforms[0]
    own = corrupted(stored, "gaussian_noise", 5, seed=change.seed, rows=torch.from_numpy(made.train.rows))
    assert not torch.equal(own, robust)


def test_test_images_do_not_depend_on_the_seed_of_the_run_and_training_images_do(cache_folder):
    noise = {"distractors": 4, "test_distractors": 4, "limit_train": 40}
    one, other = (Reading("digits", seed=seed, **noise).splits() for seed in (0, 1))
    assert torch.equal(inputs(one.test, 64), inputs(other.test, 64)) and torch.equal(
        inputs(one.val, 64), inputs(other.val, 64)
    )
    assert not torch.equal(inputs(one.train, 64, epoch=0), inputs(other.train, 64, epoch=0))


def test_the_pool_has_images_of_all_classes_and_a_limit_that_no_machine_decides(cache_folder, monkeypatch):
    monkeypatch.setattr(noisy, "_IMAGES", 25)
    made = Reading("digits", distractors=1).splits()
    pool = made.train.transforms[0].pool
    assert len(pool.images) == 25 and sorted(pool.counts.tolist()) == [2] * 5 + [3] * 5


def test_images_of_one_class_have_no_distractors(cache_folder):
    with pytest.raises(InputError, match="--distractors needs images of two classes, and the val images have one"):
        Reading("digits", distractors=2, limit_val=1).splits()
