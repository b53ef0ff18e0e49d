"""Crops, colours, erased parts and TrivialAugment on a batch, against torchvision and their papers."""

import math

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from app.data.transforms import chain, operations
from app.data.transforms.augment import flipped, turned
from app.data.transforms.crops import boxes, central, resized_crop
from app.data.transforms.erasing import cutout_mask, erasing_mask, noise
from app.data.transforms.hue import drawn as hues_drawn
from app.data.transforms.hue import jittered as hue_jittered
from app.data.transforms.jitter import CONTRAST, ORDERS, SATURATION, drawn, jittered
from app.data.transforms.randaugment import TRIVIAL, trivialaugment, trivially_drawn
from app.data.transforms.transform import Draws
from app.tables.augmentations import AUGMENTATIONS

from .pictures import noise as picture

KEYS = {"seed": 3, "epoch": 2}
EXAMPLES = torch.arange(60)
IMAGES = torch.stack([torch.from_numpy(picture(i, size=(24, 24))).permute(2, 0, 1) for i in range(60)])
MANY = torch.arange(20_000)
COUNT = len(MANY)


def near(found, expected, spread, n=COUNT):
    """A mean of n draws within five standard errors."""
    return abs(float(found) - expected) < 5 * spread / math.sqrt(n)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_example_has_the_same_draws_in_any_batch_order_and_number_of_examples(name):
    way = chain.of_images(name, stored=24, side=24, mean=torch.full((3,), 0.5), std=torch.full((3,), 0.25))

    def augmented(at, epoch=2):
        return chain.passed(way, IMAGES[at].clone(), at, Draws(3, epoch, at))[0]

    every, shuffled = augmented(EXAMPLES), torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augmented(shuffled), every[shuffled])
    for size in (1, 7):
        parts = [augmented(part) for part in EXAMPLES.split(size)]
        assert torch.equal(torch.cat(parts), every)
    assert not torch.equal(augmented(EXAMPLES, epoch=3), every)
    validated = chain.passed(way, IMAGES.clone(), EXAMPLES, Draws(3, None, EXAMPLES))[0]
    assert torch.allclose(validated, (IMAGES / 255 - 0.5) / 0.25, atol=1e-5)


@pytest.mark.parametrize("magnitude", [0, 1, 13, 30])
@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_trivialaugment_s_operations_are_torchvision_s(name, magnitude):
    images, which = IMAGES[:4].float() / 255, torch.full((4,), operations.OPERATIONS.index(name))
    space = v2.TrivialAugmentWide._AUGMENTATION_SPACE[name]
    strength = space[0](31, 24, 24)
    original = v2.TrivialAugmentWide()
    for negative in (0, 1):
        value = 0.0 if strength is None else float(strength[magnitude] if strength.ndim else strength)
        signed = -value if negative and space[1] else value
        expected = original._apply_image_or_video_transform(
            images, name, signed, interpolation=original.interpolation, fill=original._fill
        )
        sign = torch.full_like(which, negative)
        strengths = operations.drawn(TRIVIAL, 24, which=which, magnitude=magnitude, negative=sign)
        torch.testing.assert_close(operations.applied(images, which, strengths), expected, atol=1e-5, rtol=0)


def test_trivialaugment_draws_operation_magnitude_and_sign_uniformly():
    which, magnitude, negative = trivially_drawn(MANY, **KEYS)
    for found, kinds in ((which, 14), (magnitude, 31), (negative, 2)):
        expected = len(MANY) / kinds
        assert (torch.bincount(found, minlength=kinds) - expected).abs().max() < 5 * math.sqrt(expected)
    strengths = operations.drawn(TRIVIAL, 24, which=which[:60], magnitude=magnitude[:60], negative=negative[:60])
    expected = operations.applied(IMAGES.float() / 255, which[:60], strengths)
    assert torch.equal(trivialaugment(IMAGES, examples=EXAMPLES, **KEYS), (expected * 255).round().to(torch.uint8))


def test_flips_and_turns_are_torch_s_and_alike_often():
    upside = flipped(IMAGES, examples=EXAMPLES, vertically=True, **KEYS)
    quarters = turned(IMAGES, examples=EXAMPLES, **KEYS)
    for image, flip, turn in zip(IMAGES, upside, quarters, strict=True):
        assert torch.equal(flip, image) or torch.equal(flip, image.flip(1))
        assert any(torch.equal(turn, image.rot90(k, (1, 2))) for k in range(4))
    marks = torch.zeros(len(MANY), 1, 2, 2)
    marks[:, 0, 0, 0] = 1
    corners = turned(marks, examples=MANY, **KEYS).flatten(1).mean(0)
    assert all(near(share, 0.25, 0.433) for share in corners)


def test_a_resized_crop_is_torchvision_s_crop_and_resize():
    top, left, tall, wide = boxes(24, 24, 0.08, examples=EXAMPLES, **KEYS)
    got = resized_crop(IMAGES, 0.08, examples=EXAMPLES, **KEYS)
    for i, image in enumerate(IMAGES.float()):
        box = [int(each[i]) for each in (top, left, tall, wide)]
        expected = tv.resized_crop(image, *box, [24, 24], antialias=True)
        assert (got[i] - expected).abs().max() <= 0.51  # rounded to the nearest grey level


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 90), (90, 20)])
def test_boxes_of_resized_crops_are_distributed_as_torchvision_s(height, width):
    _, left, tall, wide = boxes(height, width, 0.08, examples=MANY, **KEYS)
    original = v2.RandomResizedCrop(8, scale=(0.08, 1))
    torch.manual_seed(0)
    drawn_by = [original.make_params([torch.empty(1, height, width)]) for _ in range(4000)]
    for ours, theirs in ((tall, "height"), (wide, "width"), (left, "left")):
        values = torch.tensor([float(each[theirs]) for each in drawn_by])
        assert near(ours.double().mean(), values.mean(), values.std() + 1e-3, n=4000)
        assert abs(float(ours.double().std()) - float(values.std())) < 0.06 * float(values.std()) + 0.02
    assert (tall * wide).double().div(height * width).max() <= 1 and central(20, 90) == (20, 27)


def test_jitter_is_torchvision_s_operations_in_the_drawn_order():
    factors, order = drawn(0.4, examples=EXAMPLES, **KEYS)
    got = jittered(IMAGES, 0.4, examples=EXAMPLES, **KEYS)
    for i, image in enumerate(IMAGES.float() / 255):
        expected = image
        for which in ORDERS[order[i]]:
            change = {SATURATION: tv.adjust_saturation, CONTRAST: tv.adjust_contrast}.get(which, tv.adjust_brightness)
            expected = change(expected, float(factors[which, i]))
        assert (got[i] - expected * 255).abs().max() <= 0.52
    factors, order = drawn(0.4, examples=MANY, **KEYS)
    assert factors.min() >= 0.6 and factors.max() <= 1.4 and near(factors.mean(), 1, 0.231)
    assert (torch.bincount(order, minlength=6) - len(MANY) / 6).abs().max() < 5 * math.sqrt(len(MANY) / 6)


def test_turned_hues_are_torchvision_s_adjust_hue():
    shares, got = hues_drawn(0.5, examples=EXAMPLES, **KEYS), hue_jittered(IMAGES, 0.5, examples=EXAMPLES, **KEYS)
    grey = IMAGES[:1, :1].expand(1, 3, 24, 24)
    for i, image in enumerate(IMAGES.float() / 255):
        assert (got[i] - tv.adjust_hue(image, float(shares[i])) * 255).abs().max() <= 0.52
    assert torch.equal(hue_jittered(grey, 0.5, examples=EXAMPLES[:1], **KEYS), grey)  # grey has no hue
    shares = hues_drawn(0.1, examples=MANY, **KEYS)
    assert shares.abs().max() <= 0.1 and near(shares.mean(), 0, 0.0577) and near(shares.abs().mean(), 0.05, 0.0289)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 40)])
def test_erased_rectangles_are_distributed_as_torchvision_s(height, width):
    mask = erasing_mask(height, width, 1.0, examples=MANY[:6000], **KEYS)
    original = v2.RandomErasing(p=1.0)
    torch.manual_seed(0)
    made = [original.make_params([torch.empty(1, height, width)]) for _ in range(3000)]
    theirs = torch.tensor([float(each["h"] * each["w"]) if each["v"] is not None else 0.0 for each in made])
    ours = mask.flatten(1).sum(1).double()
    assert near(ours.mean(), theirs.mean(), theirs.std(), n=2000)
    assert near(mask.any(3).sum(2).double().mean(), sum(each["h"] for each in made) / 3000, 6.0, n=2000)
    some = erasing_mask(height, width, 0.25, examples=MANY, **KEYS).flatten(1).any(1).double()
    assert near(some.mean(), 0.25, 0.433)


def test_a_cutout_is_a_square_of_half_the_side_clipped_at_the_edges():
    mask = cutout_mask(32, 32, 0.5, examples=MANY[:5000], **KEYS)
    rows, columns = mask.any(3).sum(2), mask.any(2).sum(2)
    assert mask.flatten(1).sum(1).max() == 256 and rows.min() == columns.min() == 8
    assert torch.equal(mask.flatten(1).sum(1), (rows * columns)[:, 0])
    mean = sum(min(centre + 8, 32) - max(centre - 8, 0) for centre in range(32)) / 32
    assert near(rows.double().mean(), mean, 2.6, n=5000) and near(columns.double().mean(), mean, 2.6, n=5000)


def test_noise_is_standard_normal_and_differs_by_value():
    x = noise(torch.empty(200, 3, 16, 16), examples=torch.arange(200), **KEYS)
    assert near(x.mean(), 0, 1, n=x.numel()) and near(x.square().mean(), 1, math.sqrt(2), n=x.numel())
    assert near(x.pow(4).mean(), 3, math.sqrt(96), n=x.numel()) and x.unique().numel() > 0.9 * x.numel()
