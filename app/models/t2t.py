"""The Tokens-to-Token Vision Transformer (arXiv:2101.11986) over any attention."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ..counts.t2t import TOKENIZERS
from ..tables.shape import Extent, plane
from .attention import ATTENTION_CLASSES
from .drop_path import rates
from .layers import EPS, Block
from .tokens_to_token import TokensToToken
from .transformer import Transformer


def sinusoids(tokens: int, d_model: int) -> Tensor:
    """Return sin(n / 10000^(i / d_model)) in even columns i, and cos in the next column, as (tokens, D).

    (arXiv:1706.03762, section 3.5.)
    """
    even = torch.arange(d_model, dtype=torch.float64) // 2 * 2  # 0, 0, 2, 2, ...
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * 10_000 ** -(even / d_model)
    return torch.where(torch.arange(d_model) % 2 == 0, angles.sin(), angles.cos()).float()


class T2TViT(Transformer):
    """Tokens of soft splits plus a cls token and frozen sinusoids, pre-norm blocks, a head on the normed cls token.

    images (B, channels, H, W) -> logits (B, classes). `image` is (H, W) in pixels, or the side of a square.
    `tokenizer` is a name of `app.counts.t2t.TOKENIZERS`. With `value_skip` a block computes x + v +
    attention(norm(x)), where v are its values, as in LANL's form. `drop_path` is the rate of stochastic depth in
    the last block. Dropout acts on embeddings, projections and MLPs, and with `token_dropout` also on those of the
    tokens-to-token module. The authors' performer always drops 0.1 there, and their transformer nothing. Here a run
    at dropout 0 has no random dropout. Raises ValueError for an image too small. With `checkpointing` the backward
    pass recomputes each block and stage instead of keeping its activations. `residual_precision` is fp32 or bf16, that
    of the blocks' residual stream under bf16 autocast.
    """

    positions: Tensor

    def __init__(
        self,
        *,
        image: Extent,
        channels: int,
        classes: int,
        d_model: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 2.0,
        attention: str = "classic",
        qkv_bias: bool = False,
        tokenizer: str = "performer", value_skip: bool = False,
        norm_eps: float = EPS,
        dropout: float = 0.0, drop_path: float = 0.0, token_dropout: bool = True,
        attention_path: str = "sdpa", checkpointing: bool = False, residual_precision: str = "fp32",
    ) -> None:  # fmt: skip
        super().__init__()
        sides = plane(image)
        rows, columns = (ways := TOKENIZERS[tokenizer]).grids(sides)[-1]
        if min(rows, columns) < 1:
            raise ValueError(f"image={image} is too small for tokenizer={tokenizer}. Use {ways.least()} px or more")
        self.checkpointing, self.residual_precision = checkpointing, residual_precision
        self.tokens_to_token = TokensToToken(
            ways, image=sides, channels=channels, d_model=d_model, norm_eps=norm_eps,
            dropout=dropout if token_dropout else 0.0, checkpointing=checkpointing,
        )  # fmt: skip
        self.cls: nn.Parameter = nn.Parameter(torch.empty(1, 1, d_model))
        self.register_buffer("positions", sinusoids(rows * columns + 1, d_model)[None], persistent=False)  # (1, N, D)
        self.dropout = nn.Dropout(dropout)
        make = partial(
            ATTENTION_CLASSES[attention], d_model=d_model, heads=heads, dropout=dropout, path=attention_path,
            bias=qkv_bias, value_skip=value_skip,
        )  # fmt: skip
        norms = partial(nn.LayerNorm, eps=norm_eps)
        block = partial(Block, d_model=d_model, hidden=int(d_model * mlp_ratio), dropout=dropout, norm=norms)
        self.blocks = nn.ModuleList(block(make(layer=i), drop_path=r) for i, r in enumerate(rates(drop_path, depth)))
        self.norm = norms(d_model)
        self.head = nn.Linear(d_model, classes)
        self.initialise()

    def initialise(self) -> None:
        """Initialise the cls token and linear maps from a truncated normal of 0.02, biases at 0, as the authors."""
        nn.init.trunc_normal_(self.cls, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def embedded(self, images: Tensor) -> Tensor:
        """Return tokens and the cls token with their positions: (B, channels, H, W) -> (B, N, D)."""
        x = self.tokens_to_token(images)  # (B, N, D)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.positions  # (B, N + 1, D)
        return self.dropout(x)
