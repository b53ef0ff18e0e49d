"""Optimisers, their parameter groups and their learning rates."""

from .groups import parameter_groups
from .optimisers import OPTIMISERS, Optimiser, adam, adamw, of, state_bytes
from .schedules import learning_rate, warmup

__all__ = [
    "OPTIMISERS", "Optimiser", "adam", "adamw", "learning_rate", "of", "parameter_groups", "state_bytes", "warmup",
]  # fmt: skip
