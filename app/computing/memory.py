"""The memory that training takes in addition to a model and its gradients: the optimiser's state."""

from __future__ import annotations

from .. import models, optim
from ..config.run import RunConfig
from ..counts import meta


def state_bytes(config: RunConfig) -> int:
    """Return the bytes of a run's optimiser state, which a saved state contains too."""
    if config.optimizer != "muon":
        return optim.state_bytes(config)
    model = meta.built(lambda: models.build(config, attention_path="plain"))  # for the names of the matrices
    return optim.state_bytes(config, model)
