"""A split: its order, its batches, and the numbers that normalise them."""

import dataclasses

import numpy as np
import pytest
import torch

from app.data.splits.resident import Split, channel_statistics
from app.data.transforms import chain
from app.data.transforms.normalise import AsFloat

from .pictures import noise
from .reading import Reading

IMAGES = np.stack([noise(i, size=(8, 8)).transpose(2, 0, 1) for i in range(50)])  # (50, 3, 8, 8)


def made(members=range(50), *, augment="none", side=8, **cells):
    """A split of the noise images, whose labels are their numbers."""
    members = np.array(members)
    way = chain.of_images(augment, stored=8, side=side, mean=torch.zeros(3), std=torch.ones(3))
    cells = {"transforms": way, "send": lambda tensor: tensor} | cells
    return Split(
        images=torch.from_numpy(IMAGES), labels=torch.arange(50), members=members, rows=members + 1000, **cells
    )


def moments(images):
    wide = images.reshape(*images.shape[:2], -1).astype(np.int64)
    return np.stack([wide.sum(2), (wide**2).sum(2)], axis=2)


def test_channel_statistics_equal_numpy_s_over_float64():
    mean, std = channel_statistics(moments(IMAGES), 8 * 8)
    pixels = IMAGES.astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-12)


def test_a_channel_without_variation_is_divided_by_one():
    flat = np.full((5, 3, 8, 8), 77, np.uint8)
    mean, std = channel_statistics(moments(flat), 8 * 8)
    np.testing.assert_allclose(mean, 77 / 255)
    assert (std == 1).all()


def test_a_run_is_normalised_by_its_training_rows_alone(cache_folder):
    splits = Reading("digits").splits()
    pixels = splits.train.images[torch.from_numpy(splits.train.members)].double() / 255
    assert splits.record["mean"] == [round(float(pixels.mean()), 6)]
    assert splits.record["std"] == [round(float(pixels.std(correction=0)), 6)]
    assert len(splits.train) < len(splits.train.images)


def test_an_epoch_s_order_is_a_permutation_keyed_by_seed_and_epoch():
    first = made().order(0)
    assert np.array_equal(np.sort(first), np.arange(50))
    assert np.array_equal(made().order(0), first)
    assert not np.array_equal(made().order(1), first)
    assert not np.array_equal(made(seed=1).order(0), first)


def test_an_order_of_another_size_is_of_one_permutation_after_the_other():
    order = made(seed=3).order(2, 120)
    assert np.array_equal(order[:50], made(seed=3).order(2)) and np.array_equal(np.sort(order[50:100]), np.arange(50))
    assert not np.array_equal(order[50:100], order[:50])
    assert len(set(made(seed=3).order(2, 7))) == 7 and np.array_equal(made(seed=3).order(2, 7), order[:7])


def test_inputs_without_statistics_are_given_as_they_are_stored():
    inputs, _ = made(transforms=(AsFloat(),)).batch(np.arange(3), epoch=0)
    assert inputs.dtype == torch.float32 and torch.equal(inputs, torch.from_numpy(IMAGES[:3]).float())


def test_an_image_that_is_no_square_is_squashed_cropped_and_flipped_along_each_axis():
    split = made(augment="flip_crop", side=(6, 16))
    assert split.batch(np.arange(3), epoch=0)[0].shape == (3, 3, 6, 16)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(IMAGES[:3]).float() / 255, size=(6, 16), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(split.batch(np.arange(3))[0], wanted, rtol=0, atol=1e-6)


def test_a_batch_is_the_same_examples_whatever_the_batch_size():
    split = made(range(10, 40), augment="flip_crop", side=12)
    order = split.order(4)
    inputs, targets = split.batch(order, epoch=4)
    assert (inputs.shape, inputs.dtype, targets.tolist()) == ((30, 3, 12, 12), torch.float32, (order + 10).tolist())
    for size in (1, 7):
        parts = [split.batch(order[start : start + size], epoch=4) for start in range(0, 30, size)]
        torch.testing.assert_close(torch.cat([x for x, _ in parts]), inputs, rtol=0, atol=1e-6)
        assert torch.equal(torch.cat([y for _, y in parts]), targets)


def test_only_training_batches_are_augmented():
    split, plain, every = made(augment="flip_crop"), made(), np.arange(50)
    assert torch.equal(split.batch(every)[0], plain.batch(every)[0])
    assert not torch.equal(split.batch(every, epoch=0)[0], plain.batch(every)[0])


@pytest.mark.parametrize("batch_size", [1, 16, 50, 99])
def test_a_pass_shows_every_example_once_and_in_order(batch_size):
    seen, inputs, targets = zip(*made(range(5, 45)).batches(batch_size), strict=True)
    assert np.concatenate(seen).tolist() == list(range(40))
    assert torch.cat(targets).tolist() == list(range(5, 45))
    torch.testing.assert_close(torch.cat(inputs), torch.from_numpy(IMAGES[5:45]).float() / 255)


class Mixed:
    """Each example mixed with the next one, its label with that one's: what is appended to the list comes last."""

    in_training_only = True

    def __call__(self, inputs, targets, draws):
        share = draws.examples.float()[:, None] / 100
        hot = torch.nn.functional.one_hot(targets, 50).float()  # (B, K)
        x = share[..., None, None] * inputs + (1 - share[..., None, None]) * inputs.roll(1, 0)
        return x, share * hot + (1 - share) * hot.roll(1, 0)


def test_a_transform_is_appended_to_the_list_and_may_make_targets_floats_of_every_class():
    plain, mixed = made(augment="flip_crop"), made(augment="flip_crop")
    mixed = dataclasses.replace(mixed, transforms=(*mixed.transforms, Mixed()))
    examples = np.array([7, 3, 40])
    (x, y), (inputs, targets) = plain.batch(examples, epoch=1), mixed.batch(examples, epoch=1)
    assert targets.shape == (3, 50) and targets.dtype == torch.float32 and y.dtype == torch.int64
    torch.testing.assert_close(inputs[0], 0.07 * x[0] + 0.93 * x[2])
    torch.testing.assert_close(targets.sum(1), torch.ones(3))
    assert targets[0, 7] == 0.07 and mixed.batch(examples)[1].tolist() == [7, 3, 40]  # outside of training: as it is


def test_the_smaller_of_stored_and_seen_images_is_normalised():
    def names(stored, side):
        way = chain.of_images("randaugment", stored=stored, side=side, mean=torch.zeros(3), std=torch.ones(3))
        return [type(one).__name__ for one in way]

    assert names(32, 224) == ["FlipCrop", "RandAugment", "Normalise", "Resize"]
    assert names(224, 32) == ["FlipCrop", "RandAugment", "Resize", "Normalise"]
