"""The memory that training takes besides a model and its gradients, and that its saved states contain."""

from __future__ import annotations

from .. import models, optim
from ..config.run import RunConfig
from ..counts import meta

_FLOAT = 4  # bytes


def average_bytes(config: RunConfig) -> int:
    """Return the bytes of the average of the weights, which a run with --ema keeps."""
    return _FLOAT * config.parameters if config.ema else 0


def state_bytes(config: RunConfig) -> int:
    """Return the bytes of a run's optimiser state."""
    if config.optimizer != "muon":
        return optim.state_bytes(config)
    model = meta.built(lambda: models.build(config, attention_path="plain"))  # for the names of the matrices
    return optim.state_bytes(config, model)
