"""ResNets (arXiv:1512.03385) of torchvision's blocks, at any width, with the stem that fits the image."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from ..counts.resnet import DEPTHS, is_small
from ..tables.shape import Extent


class ResNet(nn.Module):
    """ResNet-18, 34, 50 or 101 with torchvision's names, so that its weights fit (at `width` 64 and from 64 px on).

    images (B, channels, H, W) -> logits (B, classes). `image` is a side or (H, W). Below 64 px the stem is CIFAR's, a 3
    x 3 convolution of stride 1 without max-pool. Convolutions are initialised as torchvision's, He normal over the fan
    out. The last norm of every block starts at zero, so that a block starts as its shortcut (arXiv:1706.02677, section
    5.1; torchvision's `zero_init_residual`, which is off there). Dropout acts on the pooled features before the head.
    Blocks are not recomputed in the backward pass, because their batch statistics would enter the running averages
    twice.
    """

    def __init__(
        self,
        *,
        image: Extent,
        channels: int,
        classes: int,
        depth: int,
        width: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        shape = DEPTHS[depth]
        small = is_small(image)
        kernel = 3 if small else 7
        self.conv1 = nn.Conv2d(channels, width, kernel, stride=1 if small else 2, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = _stages(
            Bottleneck if shape.bottleneck else BasicBlock, shape.blocks, width=width
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width * shape.expansion, classes)
        self.initialise()

    def initialise(self) -> None:
        """Initialise convolutions as He normal over the fan out, norms at 1 and 0, and the head as torch.

        The last norm of every block starts at 0.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (B, width, H / 4, W / 4); CIFAR's stem: H, W
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (B, 8 width expansion, H / 32, W / 32)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


def _stages(block: type[BasicBlock | Bottleneck], depths: tuple[int, ...], *, width: int) -> list[nn.Sequential]:
    """Return four stages, each with twice the channels and half the sides of the one before."""
    stages, channels = [], width
    for stage, blocks in enumerate(depths):
        inner = width * 2**stage
        outer = inner * block.expansion
        layers: list[nn.Module] = []
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            shortcut = _shortcut(channels, outer, stride) if stride > 1 or channels != outer else None
            layers.append(block(channels, inner, stride, shortcut))
            channels = outer
        stages.append(nn.Sequential(*layers))
    return stages


def _shortcut(channels: int, features: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, features, 1, stride=stride, bias=False), nn.BatchNorm2d(features))
