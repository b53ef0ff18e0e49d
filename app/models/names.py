"""The names of a ViT's tensors in timm and in transformers, and our names of timm's tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

Names = tuple[tuple[str, str], ...]  # ours, theirs; a name also renames those that begin with it and a dot

_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_TIMM: Names = (("cls", "cls_token"), ("positions", "pos_embed"), ("patches.projection", "patch_embed.proj"))
_TIMM_POOLED: Names = (*_TIMM, ("norm", "fc_norm"))  # timm normalises the pooled tokens there
_TIMM_BLOCK: Names = (
    ("norm_attention", "norm1"), ("norm_mlp", "norm2"), ("mlp.expand", "mlp.fc1"), ("mlp.contract", "mlp.fc2"),
    ("attention.norm", "attn.sub_norm"), ("attention.projection", "attn.proj"), ("attention", "attn"),
)  # fmt: skip
_TRANSFORMERS: Names = (
    ("cls", "vit.embeddings.cls_token"), ("positions", "vit.embeddings.position_embeddings"),
    ("patches.projection", "vit.embeddings.patch_embeddings.projection"), ("norm", "vit.layernorm"),
    ("head", "classifier"),
)  # fmt: skip
_TRANSFORMERS_BLOCK: Names = (
    ("norm_attention", "layernorm_before"), ("norm_mlp", "layernorm_after"), ("mlp.expand", "intermediate.dense"),
    ("mlp.contract", "output.dense"), ("attention.projection", "attention.output.dense"),
    ("attention", "attention.attention"),
)  # fmt: skip
_QKV = re.compile(r"(.*\.)attention\.qkv\.(weight|bias)")
_OF_TIMM = ("patch_embed.proj.weight", "pos_embed", "cls_token")  # one of them tells timm's names from ours


def in_timm(name: str, *, pooled: bool = False) -> str:
    """Return timm's name of a tensor of our ViT. `pooled` is for models that average their tokens."""
    return _renamed(name, _TIMM_POOLED if pooled else _TIMM, _TIMM_BLOCK)


def from_timm(name: str, *, pooled: bool = False) -> str:
    """Return our name of a tensor of timm's ViT, the inverse of `in_timm`. Other names are returned unchanged."""
    return _renamed(name, _turned(_TIMM_POOLED if pooled else _TIMM), _turned(_TIMM_BLOCK))


def are_of_timm(names: Iterable[str]) -> bool:
    """Return whether tensors have the names of timm's ViT."""
    return any(name in _OF_TIMM for name in names)


def in_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of our classic ViT as those of `ViTForImageClassification`.

    The names are those of transformers 4, which version 5 reads too. Queries, keys and values are separate there:
    (3 D, ...) -> 3 times (D, ...).
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if split := _QKV.fullmatch(name):
            for part, each in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[_in_transformers(f"{split[1]}attention.{part}.{split[2]}")] = each
        else:
            found[_in_transformers(name)] = tensor
    return found


def _in_transformers(name: str) -> str:
    within = _BLOCK.fullmatch(name)
    if within is None:
        return _renamed(name, _TRANSFORMERS, ())
    return f"vit.encoder.layer.{within[1]}.{_replaced(within[2], _TRANSFORMERS_BLOCK)}"


def _renamed(name: str, outside: Names, inside: Names) -> str:
    within = _BLOCK.fullmatch(name)
    if within is None:
        return _replaced(name, outside)
    return f"blocks.{within[1]}.{_replaced(within[2], inside)}"


def _replaced(name: str, names: Names) -> str:
    for known, other in names:
        if name == known or name.startswith(f"{known}."):
            return other + name[len(known) :]
    return name


def _turned(names: Names) -> Names:
    return tuple((theirs, ours) for ours, theirs in names)
