"""How each dataset is trained where no flag says otherwise: the original study's protocol, and our choices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One line of the protocol table; `warmup_steps=None` is 10 % of the schedule."""

    image: int  # side in pixels that the model sees
    patch: int
    batch_size: int
    epochs: int
    lr: float
    warmup_steps: int | None = 500
    weight_decay: float  # the study is silent: our choice
    dropout: float
    augment: str
    size: str = "10M"


PROTOCOLS = {
    # The study: resize 224 / patch 8 and resize 512 / patch 16, AdamW, cosine, 500 warm-up steps, dropout 0.2.
    "cifar100": Protocol(
        image=224, patch=8, batch_size=512, epochs=50, lr=1e-4, weight_decay=0.01, dropout=0.2, augment="none"
    ),
    "bach": Protocol(
        image=512, patch=16, batch_size=64, epochs=100, lr=3e-4, weight_decay=0.01, dropout=0.2, augment="none"
    ),
    # Ours.
    "cifar10": Protocol(
        image=32, patch=4, batch_size=512, epochs=200, lr=1e-4, weight_decay=0.01, dropout=0.1, augment="flip_crop"
    ),
    "digits": Protocol(
        image=8, patch=4, batch_size=64, epochs=60, lr=1e-3, warmup_steps=None, weight_decay=0.01, dropout=0.1,
        augment="none", size="1M",
    ),
}  # fmt: skip

UNKNOWN = Protocol(
    image=224, patch=16, batch_size=128, epochs=50, lr=3e-4, weight_decay=0.05, dropout=0.1, augment="flip_crop"
)

AUGMENTS = ("none", "flip_crop", "randaugment")
