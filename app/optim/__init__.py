"""Optimisers, their parameter groups and their learning rates."""

from ..config.schedules import learning_rate, warmup
from .groups import parameter_groups
from .muon import matrices
from .optimisers import OPTIMISERS, adamw, of, state_bytes

__all__ = [
    "OPTIMISERS", "adamw", "learning_rate", "matrices", "of", "parameter_groups", "state_bytes", "warmup",
]  # fmt: skip
