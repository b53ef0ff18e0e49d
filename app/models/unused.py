"""Parameters that a model never uses. On several ranks, DDP must know of them, or it waits for their gradients."""

from __future__ import annotations

import torch
from torch import nn

from ..place import Place

_EXAMPLES = 2  # batch norms need two


def are_there(model: nn.Module, shape: tuple[int, ...], place: Place) -> bool:
    """Return whether a trainable parameter gets no gradient in one training step, on noise of (2, *shape).

    The model is as before: its buffers, its mode, and torch's generators. Ranks give the same answer.
    """
    buffers, was_training = [buffer.clone() for buffer in model.buffers()], model.training
    devices = [place.device] if place.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        inputs = torch.randn(_EXAMPLES, *shape, device=place.device)
        with place.autocast():
            outputs = model.train()(inputs)
        outputs.float().sum().backward()
    unused = [each for each in model.parameters() if each.requires_grad and each.grad is None]
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    model.train(was_training)
    return bool(place.agree(len(unused)))
