"""The scale of the loss in fp16: torch's, its skipped steps, and its state."""

import pytest
import torch
from torch import nn

from app import loop
from app.computing.scaling import Scaler, ScalerState


def stepped(scaler, parameter, optimizer, gradient, clip_norm=None):
    """The result of a step on a loss with this gradient, computed as the loop does."""
    scaler.scaled((parameter * gradient).sum()).backward()
    return loop._stepped(nn.ParameterList([parameter]), optimizer, clip_norm, scaler)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW], ids=["plain", "fused"])
def test_a_step_with_infinite_gradients_is_skipped_and_halves_the_scale(kind):
    parameter, scaler = nn.Parameter(torch.ones(3)), Scaler("cpu")
    optimizer = kind([parameter], lr=0.1, **({"fused": True} if kind is torch.optim.AdamW else {}))
    assert stepped(scaler, parameter, optimizer, 2.0) == (None, 65536.0)
    moved, state = parameter.detach().clone(), {k: v.clone() for k, v in optimizer.state[parameter].items()}
    assert moved[0] < 1
    assert stepped(scaler, parameter, optimizer, float("inf"))[1] == -65536.0
    assert torch.equal(parameter, moved) and parameter.grad is None and scaler.skipped == 1
    assert all(torch.equal(value, state[name]) for name, value in optimizer.state[parameter].items())
    assert stepped(scaler, parameter, optimizer, 2.0)[1] == 32768.0 and scaler.state() == ScalerState(32768.0, 1)


def test_gradients_are_clipped_at_their_true_size():
    parameter, scaler = nn.Parameter(torch.zeros(4)), Scaler("cpu")
    norm, _ = stepped(scaler, parameter, torch.optim.SGD([parameter], lr=1.0), 3.0, clip_norm=1.0)
    assert norm.item() == pytest.approx(6) and parameter.detach().norm().item() == pytest.approx(1, rel=1e-5)


def test_a_saved_scale_continues_and_doubles_after_2_000_steps():
    scaler, parameter = Scaler("cpu"), nn.Parameter(torch.zeros(1))
    scaler.load(ScalerState(1024.0, 1999))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    assert scaler.state() == (1024.0, 1999) and stepped(scaler, parameter, optimizer, 1.0)[1] == 1024.0
    assert scaler.state() == (2048.0, 0)
