"""Augmentation and the model's input, against torchvision; every draw belongs to its example."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from app import draws
from app.data.transforms import chain
from app.data.transforms.augment import flip_crop
from app.data.transforms.resize import resized, weights
from app.data.transforms.transform import Draws

from .pictures import noise

IMAGES = torch.stack([torch.from_numpy(noise(i, size=(16, 16))).permute(2, 0, 1) for i in range(40)])  # (40, 3, 16, 16)
EXAMPLES = torch.arange(40)


def to_input(images, *, side, mean, std):
    """What a model sees of images that nothing augments."""
    way = chain.of_images("none", stored=images.shape[-1], side=side, mean=mean, std=std)
    return chain.passed(way, images, EXAMPLES, Draws(0, None, EXAMPLES))[0]


def augmented(at=EXAMPLES, *, seed=3, epoch=2):
    return flip_crop(IMAGES[at], examples=at, seed=seed, epoch=epoch)


def test_flip_crop_is_torchvision_s_padded_crop_and_flip_with_the_same_draws():
    top, left, flip = (
        draws.integers(draws.key(draws.AUGMENT, 3, 2, which), EXAMPLES, below) for which, below in enumerate((5, 5, 2))
    )
    for i, got in enumerate(augmented()):
        cropped = tv.crop(tv.pad(IMAGES[i], 2), int(top[i]), int(left[i]), 16, 16)
        assert torch.equal(got, tv.hflip(cropped) if flip[i] else cropped)


def test_crops_reach_every_offset_and_flips_about_half():
    many = torch.arange(10_000)
    top, left, flip = (
        draws.integers(draws.key(draws.AUGMENT, 0, 0, which), many, below) for which, below in enumerate((9, 9, 2))
    )
    assert torch.bincount(top * 9 + left, minlength=81).min() > 60  # 123 expected
    assert 0.47 < flip.double().mean() < 0.53


def test_an_example_is_augmented_alike_in_any_batch_and_order():
    whole = augmented()
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augmented(shuffled), whole[shuffled])
    assert torch.equal(augmented(EXAMPLES[7:8]), whole[7:8])


@pytest.mark.parametrize("other", [{"epoch": 3}, {"seed": 4}])
def test_augmentation_differs_by_epoch_and_by_seed(other):
    same = [torch.equal(a, b) for a, b in zip(augmented(), augmented(**other), strict=True)]
    assert sum(same) < 8  # by chance 1 in 50


def sized(height, width, *, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(height * width)
    return torch.randint(0, 256, (3, 3, height, width), generator=generator).to(dtype)


@pytest.mark.parametrize(("stored", "side"), [(16, 16), (16, 8), (16, 40), (32, 224), (96, 224), (224, 96), (33, 32)])
def test_the_input_is_torchvision_s_resize_and_normalisation(stored, side):
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.25])
    images = sized(stored, stored)
    got = to_input(images, side=side, mean=mean, std=std)
    resized_by = tv.resize(images.float() / 255, [side, side], InterpolationMode.BILINEAR, antialias=True)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, tv.normalize(resized_by, mean.tolist(), std.tolist()), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(20, 33), (64, 16), (24, 50)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_resize_of_any_shape_is_torch_s(height, width, dtype):
    x = sized(height, width, dtype=dtype) / 255
    expected = F.interpolate(x, size=(24, 24), mode="bilinear", antialias=True)
    bound = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(resized(x, 24), expected, atol=bound, rtol=0)


def test_an_image_of_the_side_is_not_resized():
    x = sized(16, 16, dtype=torch.float32)
    assert resized(x, 16) is x


@pytest.mark.parametrize(("stored", "side"), [(32, 224), (224, 32), (28, 28), (1, 5), (7, 1)])
def test_the_weights_of_every_pixel_sum_to_one(stored, side):
    found = weights(stored, side, torch.device("cpu"), torch.float32)
    assert found.shape == (side, stored) and (found >= 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(side), atol=1e-6, rtol=0)


def test_the_images_are_left_as_they_were():
    images = sized(16, 16)
    before = images.clone()
    for side in (8, 16, 32):
        to_input(images, side=side, mean=torch.zeros(3), std=torch.ones(3))
    assert torch.equal(images, before)
