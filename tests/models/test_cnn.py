"""LANL's CNN: its counts, its shapes, its closed forms."""

from functools import partial

import pytest
import torch

from app import models, optim
from app.counts import cnn
from app.counts.meta import counted
from app.errors import InputError
from app.models.cnn import CNN, ConvolutionBlock
from app.tables.families import FAMILIES
from app.tables.models import MODELS

LANL = {"image": (1700, 500), "channels": 1, "classes": 1}
SHAPES = [
    {**LANL, "depth": 3, "features": 12},
    {"image": 32, "channels": 3, "classes": 10, "depth": 3, "features": 12},
    {"image": (40, 64), "channels": 3, "classes": 10, "depth": 1, "features": 5},
    {"image": 8, "channels": 1, "classes": 10, "depth": 4, "features": 7},
]


@pytest.mark.parametrize(("model", "count"), [("cnn", 59_345), ("cnn_6", 70_253), ("cnn_12", 92_069)])
def test_a_row_has_exactly_lanl_s_parameters(model, count):
    cells = MODELS[model].cells
    with torch.device("meta"):
        built = CNN(**LANL, **cells)
    assert models.count(built) == cnn.parameters(FAMILIES["cnn"].shape({**LANL, **cells})) == count


def test_one_block_has_3636_parameters():
    assert models.count(ConvolutionBlock(12, 12)) == 3_636


def test_the_reduction_takes_1700_by_500_to_8_by_8_in_nine_layers():
    assert [layer.sides for layer in cnn.reductions((1700, 500))] == [
        (850, 250), (427, 127), (216, 66), (110, 35), (57, 20), (31, 12), (18, 8), (11, 8), (8, 8),
    ]  # fmt: skip
    with torch.device("meta"):
        model, x = CNN(**LANL, depth=3, features=12), torch.empty(2, 12, 1700, 500)
        for layer, block in zip(cnn.reductions((1700, 500)), model.reduction, strict=True):
            x = block(x)
            assert x.shape == (2, 12, *layer.sides)
        assert model(torch.empty(2, 1, 1700, 500)).shape == (2, 1)


def test_the_reduction_ends_for_every_side():
    for side in range(1, 600):
        *before, last = cnn.reductions((side, 3))
        assert max(last.sides) <= 8 and all(max(layer.sides) > 8 for layer in before)


@pytest.mark.parametrize("cells", SHAPES, ids=lambda cells: str(cells["image"]))
def test_closed_forms_equal_the_built_model(cells):
    shape = FAMILIES["cnn"].shape(cells)
    found = counted(partial(CNN, **cells), cells["channels"], cells["image"])
    assert (found.parameters, found.tokens) == (cnn.parameters(shape), cnn.tokens(shape))
    assert found.parameters - found.non_embedding == cnn.embedding_parameters(shape)
    assert found.flops == cnn.flops(shape)
    assert cnn.activation_bytes(shape) == pytest.approx(found.activation_bytes, rel=0.01)


@pytest.mark.parametrize("cells", SHAPES[1:], ids=lambda cells: str(cells["image"]))
def test_every_parameter_takes_part_and_a_state_round_trips(cells):
    torch.manual_seed(0)
    model, again = CNN(**cells).train(), CNN(**cells)
    image = cells["image"]
    images = torch.randn(3, cells["channels"], *((image, image) if isinstance(image, int) else image))
    model(images).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    again.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(images), again.eval()(images))


def test_a_dropout_that_was_asked_for_has_effect_in_training_alone():
    torch.manual_seed(0)
    model, images = CNN(**SHAPES[1], dropout=0.5), torch.randn(4, 3, 32, 32)
    model.train()
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_kernels_and_linear_maps_decay_alone():
    decayed, plain = optim.parameter_groups(CNN(**SHAPES[1]), 0.1)
    assert {name.split(".")[-2] for name, _ in decayed["params"]} == {"convolution", "expand", "head"}
    assert all(parameter.dim() == 1 for _, parameter in plain["params"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"depth": 0}, "depth=0 is out of range. Use a number above 0"),
        ({"features": -1}, "features=-1 is out of range. Use a number above 0"),
        ({"features": None}, "the config has no features"),
        ({"image": 0}, "image=0 is out of range. Use a side above 0"),
        ({"image": (8, 8, 8)}, "is not an input size"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused_with_a_sentence(wrong, says):
    with pytest.raises(InputError, match=says):
        cnn.check(FAMILIES["cnn"].shape({**SHAPES[1], **wrong}))
