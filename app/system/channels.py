"""The memory format of convolutional networks: channels last, which their kernels compute fastest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_ONEDNN_BLOCK = 8  # channels that its kernels for AVX2 compute at once


def laid_out(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a model in channels last if it is convolutional. Its inputs (B, C, H, W) may have any format.

    A single patch embedding does not make a model convolutional. On a CPU, a model with a convolution that is computed
    incorrectly in this format keeps its format.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if len(convolutions) > 1 and not (device.type == "cpu" and any(map(_overflows, convolutions))):
        model = model.to(memory_format=torch.channels_last)
        model.register_forward_pre_hook(_channels_last)
    return model


def _channels_last(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the inputs of a convolutional network in the channels-last format, converted once."""
    return tuple(each.contiguous(memory_format=torch.channels_last) if _is_images(each) else each for each in inputs)


def _overflows(convolution: nn.Conv2d) -> bool:
    """Return whether oneDNN's gradient of this convolution, channels last, writes beyond its memory without AVX-512.

    It then ends the process or gives wrong weights (github.com/uxlfoundation/oneDNN/issues/6035, in torch 2.15).
    """
    strided = convolution.kernel_size == (1, 1) and max(convolution.stride) > 1
    return strided and convolution.in_channels // convolution.groups < _ONEDNN_BLOCK


def _is_images(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 4
