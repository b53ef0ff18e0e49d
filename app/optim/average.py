"""An exponential moving average of the weights, with the bias correction of Adam's moments (arXiv:1412.6980)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from . import foreach


class Average:
    """The average of a model's weights after steps 1 to t, in which a weight's share halves every `half_life` steps.

    With d = 2^(-1 / half_life), the average after step t is sum_i d^(t - i) w_i / sum_i d^(t - i). The initial weights
    w_0 have no share. It is kept by average += (1 - d) / (1 - d^t) (w_t - average). Floating-point buffers, such as
    batch norm's running statistics, are averaged too, as by timm's `ModelEmaV3`. Counters are copied.
    """

    def __init__(self, model: nn.Module, *, half_life: float) -> None:
        assert half_life > 0
        self._model, self._rate = model, math.log(2) / half_life
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy an average that was saved."""
        assert tensors.keys() == self.tensors.keys(), "the state is of the same model"
        for name, tensor in tensors.items():
            self.tensors[name].copy_(tensor)

    @torch.no_grad()
    def take(self, step: int) -> None:
        """Add the weights after a step, which counts from 1."""
        share = math.expm1(-self._rate) / math.expm1(-self._rate * step)
        own = self._model.state_dict()
        floats = [name for name, tensor in own.items() if tensor.is_floating_point()]
        foreach.lerp_([self.tensors[name] for name in floats], [own[name] for name in floats], share)
        for name in own.keys() - {*floats}:
            self.tensors[name].copy_(own[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model compute with the average inside the context, and with its weights, to the bit, after it."""
        own = self._model.state_dict()
        weights = {name: tensor.detach().clone() for name, tensor in own.items()}
        try:
            self._copy(self.tensors, own)
            yield
        finally:
            self._copy(weights, own)

    @staticmethod
    @torch.no_grad()
    def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
        for name, tensor in source.items():
            target[name].copy_(tensor)
