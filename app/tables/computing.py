"""How a run may be computed where that changes no result: the names of it."""

from __future__ import annotations

PATHS = ("plain", "sdpa", "tiled", "stored", "fused")
KEEPING_MAPS = ("plain", "stored")
COMPILING = ("off", "blocks", "graphs")
GRADIENTS = ("fp32", "bf16")  # as they travel between ranks
