"""The Vision Transformer (arXiv:2010.11929) over any attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from app.models.attention import ATTENTION_CLASSES
from app.models.layers import Block, PatchEmbedding, through


class ViT(nn.Module):
    """Patches plus a cls token and learned positions, pre-norm blocks, a linear head on the normalised cls token.

    images (B, channels, image, image) -> logits (B, classes). Dropout acts on embeddings, projections and MLPs.
    With `checkpointing` the backward pass computes each block again instead of keeping what is inside.
    """

    def __init__(
        self,
        *,
        image: int,
        patch: int,
        channels: int,
        classes: int,
        d_model: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        attention: str = "classic",
        dropout: float = 0.0,
        attention_path: str = "sdpa",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if image % patch:
            raise ValueError(f"image={image} is not a multiple of patch={patch}")
        tokens = (image // patch) ** 2 + 1
        self.checkpointing = checkpointing
        self.patches = PatchEmbedding(patch=patch, channels=channels, d_model=d_model)
        self.cls = nn.Parameter(torch.empty(1, 1, d_model))
        self.positions = nn.Parameter(torch.empty(1, tokens, d_model))
        self.dropout = nn.Dropout(dropout)
        make = ATTENTION_CLASSES[attention]
        self.blocks = nn.ModuleList(
            Block(
                make(d_model=d_model, heads=heads, layer=layer, dropout=dropout, path=attention_path),
                d_model=d_model,
                hidden=int(d_model * mlp_ratio),
                dropout=dropout,
            )
            for layer in range(depth)
        )
        self.norm = nn.LayerNorm(d_model, eps=1e-6)
        self.head = nn.Linear(d_model, classes)
        self.initialise(depth)

    def initialise(self, depth: int) -> None:
        """Truncated normal 0.02, zero biases; output projections 0.02 / sqrt(2 depth) (GPT-2's residual scaling)."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                residual = name.endswith(("attention.projection.weight", "mlp.contract.weight"))
                nn.init.trunc_normal_(parameter, std=0.02 / math.sqrt(2 * depth) if residual else 0.02)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images)  # (B, N, D)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.positions  # (B, N + 1, D)
        x = self.dropout(x)
        x = through(self.blocks, x, checkpointing=self.checkpointing)
        return self.head(self.norm(x[:, 0]))
