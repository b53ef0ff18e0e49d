"""One step on noise finds parameters that a model never uses, and leaves the model as it was."""

import copy

import pytest
import torch
from torch import nn

from app.models import unused
from app.place import Place

CPU = Place(torch.device("cpu"), "fp32")


def model(partly):
    """A net with batch norm, dropout and, if asked, a parameter that no output depends on."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8, 3))
    net.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    if partly:
        net.unused = nn.Parameter(torch.ones(2))
    return net


@pytest.mark.parametrize("partly", [False, True])
def test_a_parameter_without_a_gradient_is_found(partly):
    assert unused.are_there(model(partly), (1, 4, 4), CPU) is partly


def test_the_model_its_mode_and_the_generator_are_as_before():
    net = model(True).eval()
    before, generator = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    unused.are_there(net, (1, 4, 4), CPU)
    assert not net.training and torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
