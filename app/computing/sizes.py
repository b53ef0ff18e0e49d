"""The batch sizes that a compiled model computes, which are those of nearly all steps of a run."""

from __future__ import annotations

from .. import models
from ..config.run import RunConfig
from ..models.compiling import Sizes
from ..place import Place
from .choices import Execution


def of(config: RunConfig, place: Place, chosen: Execution, *, train: int, val: int) -> Sizes | None:
    """Return the largest batches on this rank, for `train` and `val` examples; None if the run is not compiled.

    Batches of training keep their sizes if a layer normalises over the batch.
    """
    if chosen.compile == "off":
        return None
    batch = config.batch_size if config.train_batches else min(config.batch_size, train)
    part = min(chosen.micro_batch_size, -(-batch // place.ranks))
    training = None if models.has_batch_statistics(config) else part
    return Sizes(training, evaluation=-(-min(config.val_batch_size, val) // place.ranks))
