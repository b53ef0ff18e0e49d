"""A ResNet over 1-D signals, made for powder diffraction patterns."""

from __future__ import annotations

from torch import Tensor, nn

from ..counts.resnet1d import POOL, STAGES, STEM_KERNEL, Stage, check_length
from ..tables.shape import Extent


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each sample; (B, C, L) -> (B, C, L)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": ChannelNorm}


class Block(nn.Module):
    """GELU(branch(x) + shortcut(x)), the branch [convolution, norm, GELU, dropout], [convolution, norm, dropout]."""

    def __init__(
        self, channels: int, features: int, *, stage: Stage, stride: int, projects: bool, norm: str, dropout: float
    ) -> None:
        super().__init__()
        kernel, half = stage.kernel, stage.kernel // 2
        self.branch = nn.Sequential(
            nn.Conv1d(channels, features, kernel, stride=stride, padding=half, bias=False),
            NORMS[norm](features),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(features, features, kernel, padding=half, bias=False),
            NORMS[norm](features),
            nn.Dropout(dropout),
        )
        projection = (nn.Conv1d(channels, features, 1, stride=stride, bias=False), NORMS[norm](features))
        self.shortcut = nn.Sequential(*projection) if projects else nn.Identity()
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.branch(x) + self.shortcut(x))  # (B, features, ceil(L / stride))


class ResNet1d(nn.Module):
    """Stem, four stages of two blocks, pooling over the remaining length, a linear head.

    signals (B, channels, L) -> logits (B, classes). No parameter depends on L, so lengths other than the `image=(L,)`
    that it was built for are allowed. The defaults follow the documentation of the original: batch norm, a max-pool of
    7 after the stem's convolution (13 wide, not padded), a projection in the first block of a stage, the mean over all
    samples at the end. With `discriminator` it has the original's second head, of one output over the same features,
    for learning from patterns without a label (`scores`). Training on labels does not use that head. The choices of its
    published ancestor are `norm="layer"` (over channels), `pooling="max"`, `stem_pool=False` and `projection="every"`.
    The ancestor also drops before it normalises, which is not done here. With `stem_dropout` the stem drops as a block
    does, like the ancestor's. Initialisation is torch's default, as theirs. Raises InputError for a signal that is too
    short, and for images.
    """

    def __init__(
        self,
        *,
        image: Extent,
        channels: int,
        classes: int,
        width: int = 32,
        norm: str = "batch",
        pooling: str = "mean",
        stem_pool: bool = True,
        projection: str = "first",
        stem_dropout: bool = False,
        discriminator: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_length(image, stem_pool=stem_pool)
        self.stem = nn.Sequential(
            nn.Conv1d(channels, width, STEM_KERNEL, bias=False),
            NORMS[norm](width),
            nn.GELU(),
            nn.Dropout(dropout if stem_dropout else 0.0),
            nn.MaxPool1d(POOL) if stem_pool else nn.Identity(),
        )
        blocks, before = [], width
        for stage in STAGES:
            for index in range(stage.blocks):
                features, first = stage.features * width, index == 0
                blocks.append(
                    Block(
                        before, features, stage=stage, stride=stage.stride if first else 1,
                        projects=first or projection == "every", norm=norm, dropout=dropout,
                    )
                )  # fmt: skip
                before = features
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveMaxPool1d(1) if pooling == "max" else nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(before, classes)
        self.discriminator = nn.Linear(before, 1) if discriminator else None

    def features(self, signals: Tensor) -> Tensor:
        """Return the features that both heads read: (B, channels, L) -> (B, 2 width)."""
        return self.pool(self.blocks(self.stem(signals))).flatten(1)

    def forward(self, signals: Tensor) -> Tensor:
        features = self.features(signals)
        logits = self.head(features)
        if self.discriminator is None or not self.training:
            return logits
        # labels do not train it, but every process needs a gradient for it, of zeros
        return logits + 0 * self.discriminator(features)

    def scores(self, signals: Tensor) -> Tensor:
        """Return one logit per signal of the second head, before a sigmoid: (B, channels, L) -> (B,)."""
        assert self.discriminator is not None, "it was built without"
        return self.discriminator(self.features(signals)).squeeze(1)
