"""The average of the weights: its equation, batch norm's statistics, and the weights that come back in their bits."""

import pytest
import torch
from torch import nn

from app.optim.average import Average


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()


def moved(model, step):
    """Give the model other weights, statistics and a count, which depend on the step."""
    with torch.no_grad():
        for place, tensor in enumerate(model.state_dict().values()):
            tensor.fill_(step**2 + place) if tensor.is_floating_point() else tensor.fill_(step)


@pytest.mark.parametrize("half_life", [0.5, 3, 1000])
def test_a_weight_s_share_halves_every_half_life_and_the_initial_ones_have_none(half_life):
    model, decay = network(), 2 ** (-1 / half_life)
    average = Average(model, half_life=half_life)
    for step in range(1, 13):
        moved(model, step)
        average.take(step)
    shares = torch.tensor([decay ** (12 - step) for step in range(1, 13)], dtype=torch.float64)
    mean = (shares * torch.arange(1.0, 13) ** 2).sum() / shares.sum()
    for place, (name, tensor) in enumerate(average.tensors.items()):
        expected = 12 if name == "1.num_batches_tracked" else mean + place
        torch.testing.assert_close(tensor.double(), torch.full(tensor.shape, expected, dtype=torch.float64))


def test_the_first_average_is_the_weights_after_the_first_step():
    model = network()
    average = Average(model, half_life=100)
    moved(model, 7)
    average.take(1)
    assert all(torch.equal(average.tensors[name], tensor) for name, tensor in model.state_dict().items())


def test_the_model_computes_with_the_average_inside_the_context_and_with_its_bits_after_it():
    model = network().eval()
    average, inputs = Average(model, half_life=1), torch.randn(2, 3, dtype=torch.float64)
    for step in (1, 2):
        moved(model, step)
        average.take(step)
    before, other = {name: tensor.clone() for name, tensor in model.state_dict().items()}, network().eval()
    other.load_state_dict(average.tensors)
    with pytest.raises(RuntimeError, match="inside"), average.in_place():
        assert torch.equal(model(inputs), other(inputs))
        raise RuntimeError("inside")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(torch.equal(average.tensors[name], tensor) for name, tensor in other.state_dict().items())


def test_an_average_that_was_saved_is_copied_and_continues_alike():
    model = network()
    whole, cut = Average(model, half_life=2), Average(model, half_life=2)
    for step in (1, 2, 3):
        moved(model, step)
        whole.take(step)
        if step == 2:
            cut.load(whole.tensors)
        if step == 3:
            cut.take(step)
    assert all(torch.equal(cut.tensors[name], tensor) for name, tensor in whole.tensors.items())
