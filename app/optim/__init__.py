"""Optimisers, their parameter groups and their learning rates."""

from ..config.schedules import learning_rate, warmup
from .groups import parameter_groups
from .optimisers import OPTIMISERS, Optimiser, adam, adamw, of, state_bytes

__all__ = [
    "OPTIMISERS", "Optimiser", "adam", "adamw", "learning_rate", "of", "parameter_groups", "state_bytes", "warmup",
]  # fmt: skip
