"""How a run may be computed where that changes no result: the names of it."""

from __future__ import annotations

PATHS_OF = {
    # attention           its paths
    "classic": ("plain", "sdpa", "tiled", "stored"),
    "differential": ("plain", "sdpa", "tiled", "stored", "fused"),
    "differential_v2": ("plain", "sdpa"),
    "lsa": ("plain", "sdpa"),
}
PATHS = ("plain", "sdpa", "tiled", "stored", "fused")
KEEPING_MAPS = ("plain", "stored")
COMPILING = ("off", "blocks", "graphs")
GRADIENTS = ("fp32", "bf16")  # as they travel between ranks
