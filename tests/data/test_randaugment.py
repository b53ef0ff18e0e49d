"""RandAugment on a batch, against torchvision's v2 operations on one image at a time."""

import math

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, RandAugment
from torchvision.transforms.v2 import functional as tv

from app.data.transforms import chain
from app.data.transforms.augment import flip_crop
from app.data.transforms.randaugment import OPERATIONS, applied, drawn, randaugment
from app.data.transforms.transform import Draws

from .pictures import noise

SIDE = 32
NOISE = torch.stack([torch.from_numpy(noise(i, size=(SIDE, SIDE))).permute(2, 0, 1) for i in range(28)])
IMAGES = NOISE.float() / 255 * torch.linspace(0.3, 1, 28)[:, None, None, None]  # (28, 3, S, S), of unequal contrast
SIGNED = OPERATIONS[1:10]
EXAMPLES = torch.arange(28)


def magnitude_9(name, side=SIDE):
    """The magnitude that torchvision's own table gives, None for an operation without one."""
    magnitudes = RandAugment._AUGMENTATION_SPACE[name][0](31, side, side)
    return 0.0 if magnitudes is None else float(magnitudes[9])


def torchvision_s(image, name, *, negative):
    """One operation of the original on one image (C, S, S)."""
    magnitude = magnitude_9(name, image.shape[-1]) * (-1 if negative and name in SIGNED else 1)
    original = RandAugment(interpolation=InterpolationMode.NEAREST, fill=0)
    return original._apply_image_or_video_transform(
        image, name, magnitude, interpolation=original.interpolation, fill=original._fill
    )


def ours(images, name, *, negative=False):
    which = torch.full((len(images),), OPERATIONS.index(name))
    return applied(images, which, torch.full_like(which, int(negative)))


def test_the_operations_are_torchvision_s():
    assert list(OPERATIONS) == list(RandAugment._AUGMENTATION_SPACE)
    assert {name for name, (_, signed) in RandAugment._AUGMENTATION_SPACE.items() if signed} == set(SIGNED)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_torchvision_s(name, negative, channels):
    images = IMAGES[:6, :channels]
    expected = torch.stack([torchvision_s(image, name, negative=negative) for image in images])
    torch.testing.assert_close(ours(images, name, negative=negative), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours(images[:1], name, negative=negative), expected[:1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [8, 15, 96])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_torchvision_s_at_other_sides(name, side):
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(side))
    for negative in (False, True):
        expected = torchvision_s(image, name, negative=negative)
        torch.testing.assert_close(ours(image[None], name, negative=negative)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("level", [0.0, 0.6, 1.0])
def test_an_operation_on_a_flat_image_is_torchvision_s(name, level):
    flat = torch.full((1, 3, 16, 16), level)
    expected = torchvision_s(flat[0], name, negative=False)
    torch.testing.assert_close(ours(flat, name)[0], expected, atol=1e-5, rtol=0)


def test_each_example_of_a_mixed_batch_gets_its_own_operation_and_sign():
    which, negative = EXAMPLES % 14, EXAMPLES // 14
    got = applied(IMAGES, which, negative)
    for i, image in enumerate(IMAGES):
        expected = torchvision_s(image, OPERATIONS[which[i]], negative=bool(negative[i]))
        torch.testing.assert_close(got[i], expected, atol=1e-5, rtol=0)


def test_two_operations_one_after_the_other_are_torchvision_s():
    got = randaugment(NOISE, examples=EXAMPLES, seed=5, epoch=1)
    layers = [drawn(EXAMPLES, seed=5, epoch=1, layer=layer) for layer in (0, 1)]
    for i, image in enumerate(NOISE.float() / 255):
        expected = image
        for which, negative in layers:
            expected = torchvision_s(expected, OPERATIONS[which[i]], negative=bool(negative[i]))
        assert (got[i] - expected * 255).abs().max() <= 0.51  # rounded to the nearest grey level


def test_a_draw_takes_every_operation_alike_often_and_half_of_them_negative():
    many = torch.arange(28_000)
    pairs = [drawn(many, seed=0, epoch=0, layer=layer) for layer in (0, 1)]
    for which, negative in pairs:
        counts = torch.bincount(which, minlength=14)
        assert len(counts) == 14 and (counts - 2000).abs().max() < 5 * math.sqrt(2000)
        assert 0.48 < negative.double().mean() < 0.52
    assert 0.05 < (pairs[0][0] == pairs[1][0]).double().mean() < 0.09  # 1 in 14


def augment(images, *, examples, seed, epoch):
    """The augmentation of `--augment randaugment`, without what makes the model's input of it."""
    way = chain.of_images("randaugment", stored=16, side=16, mean=torch.zeros(3), std=torch.ones(3))[:-2]
    return chain.passed(way, images, examples, Draws(seed, epoch, examples))[0]


def test_an_example_is_augmented_alike_in_any_batch_and_order():
    whole = augment(NOISE, examples=EXAMPLES, seed=3, epoch=2)
    assert whole.dtype == torch.uint8 and whole.shape == NOISE.shape
    shuffled = torch.randperm(28, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augment(NOISE[shuffled], examples=shuffled, seed=3, epoch=2), whole[shuffled])
    assert torch.equal(augment(NOISE[7:8], examples=EXAMPLES[7:8], seed=3, epoch=2), whole[7:8])


@pytest.mark.parametrize("other", [{"epoch": 3}, {"seed": 4}])
def test_it_differs_by_epoch_and_by_seed(other):
    given = {"examples": EXAMPLES, "seed": 3, "epoch": 2}
    pairs = zip(randaugment(NOISE, **given), randaugment(NOISE, **given | other), strict=True)
    assert sum(torch.equal(a, b) for a, b in pairs) < 8  # by chance 1 in 100


def test_the_images_are_cropped_and_flipped_first():
    given = {"examples": EXAMPLES, "seed": 3, "epoch": 2}
    cropped = flip_crop(NOISE, **given)
    assert torch.equal(augment(NOISE, **given), randaugment(cropped, **given))


def test_magnitudes_are_the_ninth_of_thirty_one():
    assert magnitude_9("Rotate") == pytest.approx(9.0) and int(magnitude_9("Posterize")) == 7
    turned = tv.rotate(IMAGES[0], 9.0)
    torch.testing.assert_close(ours(IMAGES[:1], "Rotate")[0], turned, atol=1e-5, rtol=0)
