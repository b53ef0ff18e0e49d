"""The Vision Transformer (arXiv:2010.11929) over any attention, with variants of later models."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..counts.vit import check_patches, grid
from ..tables.shape import Extent, extent
from .attention import ATTENTION_CLASSES
from .drop_path import rates
from .layers import EPS, NORMS, PATCHINGS, Block, sincos
from .transformer import Transformer


class ViT(Transformer):
    """Patches plus a cls token and learned positions, pre-norm blocks, a linear head on the normalised cls token.

    images (B, channels, H, W) or signals (B, channels, L) -> logits (B, classes), over square patches or stretches
    of a signal. The last stretch is padded with zeros if the length is not a multiple of `patch`. Dropout acts on
    embeddings, projections and MLPs. `drop_path` is the rate of stochastic depth in the last block. With
    `pooling="mean"` there is no cls token, and the head reads the mean of all tokens. `positions="sincos"` are
    fixed (a cls token has none). `norm` is that of blocks and head, not of shifted patches or of an attention's
    heads. `norm_eps` is that of layer norms, including those of shifted patches. With `checkpointing` the backward
    pass recomputes each block instead of keeping its activations. `residual_precision` is fp32 or bf16, that of the
    residual stream under bf16 autocast.
    """

    positions: Tensor

    def __init__(
        self,
        *,
        image: Extent,
        patch: int,
        channels: int,
        classes: int,
        d_model: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        attention: str = "classic",
        head_width: int | None = None,
        qkv_bias: bool = True, projection_bias: bool = True,
        norm: str = "layer", norm_eps: float = EPS,
        pooling: str = "cls",
        positions: str = "learned", patching: str = "linear",
        dropout: float = 0.0, drop_path: float = 0.0,
        attention_path: str = "sdpa", checkpointing: bool = False, residual_precision: str = "fp32",
    ) -> None:  # fmt: skip
        super().__init__()
        check_patches(image, patch)
        self.checkpointing, self.residual_precision = checkpointing, residual_precision
        axes = len(extent(image))
        of_patches = {"norm_eps": norm_eps} if patching == "shifted" else {}
        self.patches = PATCHINGS[patching](patch=patch, channels=channels, d_model=d_model, axes=axes, **of_patches)
        self.cls = nn.Parameter(torch.empty(1, 1, d_model)) if pooling == "cls" else None
        self.add_positions(grid(image, patch), d_model, positions)
        self.dropout = nn.Dropout(dropout)
        make = partial(
            ATTENTION_CLASSES[attention], d_model=d_model, heads=heads, head_width=head_width, bias=qkv_bias,
            projection_bias=projection_bias, dropout=dropout, path=attention_path,
        )  # fmt: skip
        norms = partial(NORMS[norm], eps=norm_eps)
        block = partial(Block, d_model=d_model, hidden=int(d_model * mlp_ratio), dropout=dropout, norm=norms)
        self.blocks = nn.ModuleList(block(make(layer=i), drop_path=r) for i, r in enumerate(rates(drop_path, depth)))
        self.norm = norms(d_model)
        self.head = nn.Linear(d_model, classes)
        self.initialise(depth)

    def add_positions(self, patches: tuple[int, ...], d_model: int, positions: str) -> None:
        """Add the positions for `patches` along each axis, and for the cls token if there is one: (1, N, D)."""
        first = 0 if self.cls is None else 1
        if positions == "learned":
            self.positions = nn.Parameter(torch.empty(1, first + math.prod(patches), d_model))
        else:
            fixed = F.pad(sincos(*patches, d_model=d_model), (0, 0, first, 0))  # (N, D), a cls token at 0
            self.register_buffer("positions", fixed.unsqueeze(0), persistent=False)

    def initialise(self, depth: int) -> None:
        """Initialise from a truncated normal of 0.02, with zero biases.

        Output projections use 0.02 / sqrt(2 depth) (GPT-2's residual scaling).
        """
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                residual = name.endswith(("attention.projection.weight", "mlp.contract.weight"))
                nn.init.trunc_normal_(parameter, std=0.02 / math.sqrt(2 * depth) if residual else 0.02)

    def embedded(self, images: Tensor) -> Tensor:
        """Return patches and the cls token with their positions: (B, channels, ...) -> (B, N, D)."""
        x = self.patches(images)  # (B, N, D)
        if self.cls is not None:
            x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)  # (B, N + 1, D)
        return self.dropout(x + self.positions)
