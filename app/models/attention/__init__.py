"""Attention by name: classic, differential and its variants, and locality self-attention.

Every class has the constructor of `layer.Attention` and maps (B, N, D) -> (B, N, D). A class is defined in the file
with its name, and by its row of `ATTENTIONS` in counts/vit.py: counts, paths, and whether a token attends to itself.
"""

from __future__ import annotations

from .classic import ClassicAttention
from .differential import DifferentialAttention
from .differential_grouped import GroupedDifferentialAttention
from .differential_v2 import DifferentialAttentionV2
from .dint import DintAttention
from .layer import Attention
from .lsa import LocalityAttention

ATTENTION_CLASSES: dict[str, type[Attention]] = {
    one.kind: one
    for one in (
        ClassicAttention,
        DifferentialAttention,
        DifferentialAttentionV2,
        GroupedDifferentialAttention,
        DintAttention,
        LocalityAttention,
    )
}
