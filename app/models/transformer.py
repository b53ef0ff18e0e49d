"""A transformer of pre-norm blocks, as models of images have it, and the parts that it is compiled in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import Block, through


class Transformer(nn.Module):
    """Embedded inputs, pre-norm blocks, and a linear head on a norm: images (B, ...) -> logits (B, classes).

    A subclass defines `embedded` and these attributes. The head reads the cls token, or the mean of all tokens without
    one. With `checkpointing` the backward pass recomputes each block instead of keeping its activations. Under bf16
    autocast the residual stream (x in `Block`) is float32. With `residual_precision="bf16"` it is rounded to bf16 after
    the embedding and by both sums of each block. Branches are bf16 there, so that a sum has the stream's precision.
    """

    blocks: nn.ModuleList
    norm: nn.Module
    head: nn.Linear
    cls: nn.Parameter | None
    checkpointing: bool
    residual_precision: str

    def embedded(self, images: Tensor) -> Tensor:
        """Return tokens with their positions: (B, channels, ...) -> (B, N, D)."""
        raise NotImplementedError

    def stream(self, images: Tensor) -> Tensor:
        """Return the input of the first block: (B, channels, ...) -> (B, N, D)."""
        return in_stream(self.embedded(images), self.residual_precision)

    def classified(self, x: Tensor) -> Tensor:
        """Return the logits for the output of the last block: (B, N, D) -> (B, classes)."""
        return self.head(self.norm(x.mean(1) if self.cls is None else x[:, 0]))

    def forward(self, images: Tensor) -> Tensor:
        return self.classified(through(self.blocks, self.stream(images), checkpointing=self.checkpointing))


def in_stream(x: Tensor, precision: str) -> Tensor:
    """Return tokens in the precision of the residual stream: rounded to bf16 if asked for under bf16 autocast, else x.

    So a model that was trained with a bf16 stream computes in float32 without autocast.
    """
    kind = x.device.type
    if precision == "fp32" or not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return x
    mixed = torch.get_autocast_dtype(kind)
    return x.to(mixed) if mixed is torch.bfloat16 else x


def begun(model: Transformer, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the input of the first block and its norm, (B, N, D) each."""
    x = model.stream(images)
    return x, rounded_norm(model.blocks[0].norm_attention, x)  # type: ignore[arg-type]


def step(block: Block, following: nn.Module, x: Tensor, normed: Tensor) -> tuple[Tensor, Tensor]:
    """Return a block's output and the norm that follows it, from the block's input and its norm: (B, N, D) each.

    Triton code may then have one kernel for the last sum of the block and the norm that follows.
    """
    x = block(x, normed)
    return x, rounded_norm(following, x)


def norms_after(model: Transformer) -> list[nn.Module]:
    """Return the norm that follows each block. All have one shape, so that all blocks are one program."""
    return [*(block.norm_attention for block in list(model.blocks)[1:]), model.norm]  # type: ignore[list-item]


def rounded_norm(norm: nn.Module, x: Tensor) -> Tensor:
    """Return the norm in the precision in which a linear map reads it. Autocast would round it to the same numbers."""
    found, kind = norm(x), x.device.type
    return found.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else found
