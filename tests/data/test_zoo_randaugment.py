"""The zoo's RandAugment on a batch, against Pillow on one image at a time."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from app.data.transforms.zoo_randaugment import OPERATIONS, RANGES, applied, drawn, value, zoo_randaugment

from .pictures import noise

MOVES = {"Rotate", "ShearX", "ShearY", "TranslateXabs", "TranslateYabs"}
ENHANCES = {"Color", "Contrast", "Brightness", "Sharpness"}


def smooth(seed, side):
    """Noise of few large patches and unequal contrast: (S, S, 3)."""
    small = Image.fromarray(noise(seed, size=(4, 4))).resize((side, side))
    return (np.asarray(small) * (0.4 + 0.1 * seed)).astype(np.uint8)


def pillow_s(picture, name, strength, centre):
    """One operation by Pillow, with the zoo's parameters."""
    size = picture.size
    if name in ENHANCES:
        return getattr(ImageEnhance, name)(picture).enhance(strength)
    if name == "SolarizeAdd":
        brighter = np.clip(np.asarray(picture).astype(int) + strength, 0, 255).astype(np.uint8)
        return ImageOps.solarize(Image.fromarray(brighter), 128)
    if name == "CutoutAbs":
        top, left = (int(max(0, share * size[0] - strength / 2)) for share in centre)
        cut = picture.copy()
        box = (left, top, min(size[0], left + strength), min(size[1], top + strength))
        ImageDraw.Draw(cut).rectangle(box, (125, 123, 114))
        return cut
    affine = {"ShearX": (1, strength, 0, 0, 1, 0), "ShearY": (1, 0, 0, strength, 1, 0),
              "TranslateXabs": (1, 0, strength, 0, 1, 0), "TranslateYabs": (1, 0, 0, 0, 1, strength)}  # fmt: skip
    if name in affine:
        return picture.transform(size, Image.Transform.AFFINE, affine[name])
    return {
        "AutoContrast": ImageOps.autocontrast, "Equalize": ImageOps.equalize, "Invert": ImageOps.invert,
        "Rotate": lambda image: image.rotate(strength), "Solarize": lambda image: ImageOps.solarize(image, strength),
        "Posterize": lambda image: ImageOps.posterize(image, max(1, int(strength))),
    }[name](picture)  # fmt: skip


def channels_first(array):
    return torch.from_numpy(np.array(array)).permute(2, 0, 1)


def ours(array, name, *, negative, centre, magnitude):
    which = torch.tensor([OPERATIONS.index(name)])
    where = torch.tensor(centre)[:, None]
    return applied(channels_first(array)[None].float(), which, torch.tensor([int(negative)]), where, magnitude)[0]


@pytest.mark.parametrize("magnitude", [14, 3, 30])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_pillow_s_to_the_last_grey_level(name, magnitude):
    pictures = [noise(1, size=(32, 32)), smooth(2, 32), smooth(5, 45), np.full((8, 8, 3), 77, np.uint8)]
    for array in pictures:
        for negative, centre in ((False, (0.1, 0.9)), (True, (0.5, 0.4))):
            signed = value(name, magnitude) * (-1 if negative and name in MOVES else 1)
            expected = channels_first(pillow_s(Image.fromarray(array), name, signed, centre))
            got = ours(array, name, negative=negative, centre=centre, magnitude=magnitude)
            assert torch.equal(got.to(torch.uint8), expected), (array.shape, negative)


def test_each_example_of_a_batch_has_its_operation_and_two_follow_each_other():
    images = torch.stack([channels_first(noise(i, size=(32, 32))) for i in range(48)])
    examples = torch.arange(48)
    got = zoo_randaugment(images, examples=examples, seed=4, epoch=1)
    layers = [drawn(examples, seed=4, epoch=1, layer=layer) for layer in (0, 1)]
    for i, image in enumerate(images):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        for which, negative, centre in layers:
            name = OPERATIONS[which[i]]
            strength = value(name, 14) * (-1 if negative[i] and name in MOVES else 1)
            picture = pillow_s(picture, name, strength, centre[:, i].tolist())
        assert torch.equal(got[i], channels_first(picture))


def test_about_23_of_100_images_of_32_px_become_one_flat_colour():
    images = torch.stack([channels_first(noise(i, size=(32, 32))) for i in range(8)]).repeat(250, 1, 1, 1)
    got = zoo_randaugment(images, examples=torch.arange(2000), seed=0, epoch=0)
    flat = (got.flatten(2) == got.flatten(2)[:, :, :1]).all(2).all(1).double().mean()
    translated, cut_after = 1 - (14 / 16) ** 2, 2 / 16 * 1 / 16
    share = translated - cut_after  # 22.7 %
    assert abs(flat - share) < 4 * math.sqrt(share / 2000)


def test_draws_are_uniform_and_do_not_depend_on_the_batch():
    many = torch.arange(32_000)
    which, negative, centre = drawn(many, seed=0, epoch=0, layer=0)
    assert (torch.bincount(which, minlength=16) - 2000).abs().max() < 5 * math.sqrt(2000)
    assert 0.48 < negative.double().mean() < 0.52 and 0.49 < centre.mean() < 0.51
    again = drawn(many[5:6], seed=0, epoch=0, layer=0)
    assert (again[0], again[1]) == (which[5:6], negative[5:6]) and torch.equal(again[2], centre[:, 5:6])
    assert len(RANGES) == 16
