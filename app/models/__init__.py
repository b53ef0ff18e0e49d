"""Models: `build` is the only place that reads a config; every constructor takes plain values."""

from __future__ import annotations

from torch import nn

from app.config import RunConfig
from app.models.t2t import T2TViT
from app.models.vit import ViT
from app.tables.models import family_of

_INPUT = ("image", "channels", "classes")
_FAMILIES: dict[str, type[nn.Module]] = {"vit": ViT, "t2t": T2TViT}


def build(config: RunConfig, *, attention_path: str, checkpointing: bool = False) -> nn.Module:
    """The config's model, freshly initialised from torch's global generator on the current default device."""
    family = family_of(config.model)
    shape = {name: getattr(config.shape, name) for name in (*_INPUT, *family.cells)}
    if "attention" in family.cells:
        shape |= {"attention_path": attention_path, "checkpointing": checkpointing}
    return _FAMILIES[family.name](**shape, dropout=config.dropout)


def count(model: nn.Module) -> int:
    """All trainable parameters, embeddings and head included."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
