"""The layers that models share: patch embedding, MLP, pre-norm block."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class PatchEmbedding(nn.Module):
    """Cuts an image into square patches and projects each to d_model (arXiv:2010.11929, section 3.1)."""

    def __init__(self, *, patch: int, channels: int, d_model: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, d_model, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(images).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, N, D)


class MLP(nn.Module):
    """Two linear maps with a GELU between, dropout after each; (B, N, D) -> (B, N, D)."""

    def __init__(self, *, d_model: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(d_model, hidden)
        self.activation = nn.GELU()
        self.contract = nn.Linear(hidden, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.contract(self.dropout(self.activation(self.expand(x)))))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); any attention of the law (B, N, D) -> (B, N, D)."""

    def __init__(self, attention: nn.Module, *, d_model: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model, eps=1e-6)
        self.attention = attention
        self.norm_mlp = nn.LayerNorm(d_model, eps=1e-6)
        self.mlp = MLP(d_model=d_model, hidden=hidden, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + self.mlp(self.norm_mlp(x))


def through(blocks: Iterable[nn.Module], x: Tensor, *, checkpointing: bool) -> Tensor:
    """The blocks in turn; with checkpointing the backward pass is left their inputs alone (arXiv:1604.06174)."""
    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False) if checkpointing and torch.is_grad_enabled() else block(x)
    return x
