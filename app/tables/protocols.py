"""The training protocol of each dataset if no option is given: the original study's protocol, and our choices."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .shape import Extent


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One line of the protocol table. `warmup_steps=None` is 10 % of the schedule."""

    image: Extent  # what the model sees: a side, (H, W) in pixels, or a signal's (L,)
    patch: int
    batch_size: int
    epochs: int
    lr: float
    warmup_steps: int | None = 500
    weight_decay: float  # the study does not state it: our choice
    dropout: float
    augment: str
    size: str = "10M"
    val_batch_size: int = 128
    train_batches: int | None = None  # of an epoch; None: every example once
    val_batches: int | None = None
    optimizer: str = "adamw"
    eps: float = 1e-8
    schedule: str = "cosine"


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
    # lanl/CNN-T2TViT-comparison: constant rate; epochs of 3,000 random batches, and 1,000 to validate on. Its CNN takes
    # 250 epochs, its T2T-ViT 500 (OF_FAMILY).
    "nested_cylinder": Protocol(
        image=(1700, 500), patch=50, batch_size=4, val_batch_size=4, epochs=250, train_batches=3000, val_batches=1000,
        lr=1e-3, schedule="constant", warmup_steps=0, weight_decay=0.01, dropout=0.0, augment="none",
    ),
    # usnistgov/semi-supervised-neutron and its 1-D ResNet: Adam at a constant rate; its dropout is 0.05.
    "diffraction": Protocol(
        image=(3042,), patch=26, batch_size=500, epochs=50, lr=5e-4, optimizer="adam", eps=1e-5, schedule="constant",
        warmup_steps=0, weight_decay=0.0, dropout=0.05, augment="none", size="1M",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class OfFamily:
    """A dataset's protocol for one family of models, and the first revision of its rows that follows it."""

    protocol: Protocol
    since: int = 1


OF_FAMILY = {  # (dataset, family), if it differs
    ("nested_cylinder", "t2t"): OfFamily(replace(PROTOCOLS["nested_cylinder"], epochs=500), since=2),
}

UNKNOWN = Protocol(
    image=224, patch=16, batch_size=128, epochs=50, lr=3e-4, weight_decay=0.05, dropout=0.1, augment="flip_crop"
)

SCHEDULES = ("cosine", "cosine_epoch", "linear", "constant", "wsd")
