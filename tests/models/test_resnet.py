"""The ResNets: equal to torchvision's, their counts, their two stems."""

from functools import partial

import pytest
import torch
import torchvision

from app import models, optim
from app.counts import resnet
from app.counts.meta import counted
from app.errors import InputError
from app.models.resnet import ResNet
from app.tables.families import FAMILIES
from app.tables.models import ALIASES, MODELS, model_row

ROWS = ["resnet18", "resnet34", "resnet50", "resnet101"]
CIFAR = dict(zip(ROWS, (11_173_962, 21_282_122, 23_520_842, 42_512_970), strict=True))
SHAPES = [
    {"image": 32, "channels": 3, "classes": 10, "depth": 18, "width": 8},
    {"image": 64, "channels": 1, "classes": 7, "depth": 50, "width": 6},
    {"image": (33, 80), "channels": 3, "classes": 3, "depth": 34, "width": 5},
    {"image": (65, 100), "channels": 3, "classes": 3, "depth": 101, "width": 4},
]


def images_of(cells, count=2):
    image = cells["image"]
    return torch.randn(count, cells["channels"], *((image, image) if isinstance(image, int) else image))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_counts_as_the_zoo_s_at_32_px_and_as_torchvision_s_at_224(row):
    cells = MODELS[row].cells
    with torch.device("meta"):
        small, large = (ResNet(image=image, channels=3, classes=n, **cells) for image, n in ((32, 10), (224, 1000)))
        theirs = getattr(torchvision.models, row)()
    assert models.count(small) == CIFAR[row]
    assert {n: p.shape for n, p in large.state_dict().items()} == {n: p.shape for n, p in theirs.state_dict().items()}
    for image, classes, built in ((32, 10, small), (224, 1000, large)):
        shape = FAMILIES["resnet"].shape({**cells, "image": image, "channels": 3, "classes": classes})
        assert resnet.parameters(shape) == models.count(built)


@pytest.mark.parametrize("row", ["resnet18", "resnet50"])
def test_logits_equal_torchvision_s_with_copied_weights(row):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, row)(num_classes=10).eval()
    ours = ResNet(image=64, channels=3, classes=10, **MODELS[row].cells).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(cells, marks=pytest.mark.slow if cells["depth"] > 100 else (), id=str(cells["image"]))
        for cells in SHAPES
    ],
)
def test_closed_forms_equal_the_built_model(cells):
    shape = FAMILIES["resnet"].shape(cells)
    found = counted(partial(ResNet, **cells), cells["channels"], cells["image"])
    assert (found.parameters, found.tokens) == (resnet.parameters(shape), resnet.tokens(shape))
    assert found.parameters - found.non_embedding == resnet.embedding_parameters(shape)
    assert found.flops == resnet.flops(shape)
    assert resnet.activation_bytes(shape) == pytest.approx(found.activation_bytes, rel=0.02)


@pytest.mark.parametrize("cells", SHAPES, ids=lambda cells: str(cells["image"]))
def test_every_parameter_takes_part_and_a_state_round_trips(cells):
    torch.manual_seed(0)
    model, again, images = ResNet(**cells).train(), ResNet(**cells), images_of(cells)
    model(images).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    again.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images), again.eval()(images))


def test_the_stem_keeps_every_pixel_below_64_px_and_a_sixteenth_from_there_on():
    for image, side in ((63, 63), (64, 16)):
        model = ResNet(image=image, channels=3, classes=2, depth=18, width=4)
        assert model.maxpool(model.conv1(torch.zeros(1, 3, image, image))).shape == (1, 4, side, side)


@pytest.mark.parametrize("depth", [18, 50])
def test_a_block_starts_as_its_shortcut(depth):
    torch.manual_seed(0)
    model = ResNet(image=32, channels=3, classes=2, depth=depth, width=8).eval()
    x = torch.randn(1, 8 * (4 if depth == 50 else 1), 8, 8).relu()
    assert torch.equal(model.layer1[1](x), x)


def test_dropout_acts_before_the_head_in_training_alone():
    torch.manual_seed(0)
    model, images = ResNet(**SHAPES[0], dropout=0.5), images_of(SHAPES[0], 4)
    model.train()
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_kernels_and_the_head_decay_alone():
    decayed, plain = optim.parameter_groups(ResNet(**SHAPES[1]), 0.1)
    assert all(parameter.dim() == 4 or name == "fc.weight" for name, parameter in decayed["params"])
    assert all(parameter.dim() == 1 for _, parameter in plain["params"])


@pytest.mark.parametrize(
    ("wrong", "says"), [({"depth": 20}, "Valid values: 18, 34, 50, 101"), ({"width": 0}, "width=0")]
)
def test_a_shape_that_cannot_be_built_is_refused_with_a_sentence(wrong, says):
    with pytest.raises(InputError, match=says):
        resnet.check(FAMILIES["resnet"].shape({**SHAPES[0], **wrong}))


def test_the_zoo_s_spellings_are_aliases():
    assert [model_row(name).name for name in ("res18", "Res34", "res50", "res101", "vgg19")] == [*ROWS, "vgg"]
    assert all(model_row(name).name == target for name, target in ALIASES.items())
