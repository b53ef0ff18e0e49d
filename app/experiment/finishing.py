"""The end of a run: its final, best and averaged weights are saved, the final ones tested, and the record completed."""

from __future__ import annotations

import shutil
import time
from typing import Any

from torch import nn

from .. import __version__, evaluation
from ..artifacts import checkpoint, parts, provenance, record
from ..artifacts.predictions import Predictions
from ..artifacts.preprocessing import preprocessing
from ..artifacts.record import Record
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..models.attention.lambdas import lambdas_of
from ..system.durable import require_allowed
from . import keeping, ledger
from .job import Job
from .learner import Learner
from .observers import Saving


def finish(job: Job, learner: Learner, saving: Saving) -> Run:
    """Save final, averaged and best weights, test the final ones, and complete the record. Then delete the state."""
    best = saving.best.found
    assert best is not None, "no epoch ended"
    files, kept, text, model = job.files, job.kept, metadata(job.config, job.kept), learner.model
    job.screen.stage(f"testing on {kept.data.rows.test:,} rows")
    checkpoint.save_weights(files.weights, model, text)
    began = time.monotonic()
    predictions = tested(job, model)
    assert predictions, "the first rank has them all"
    evaluation.require_numbers(predictions)
    predictions.save(files.predictions)
    kept.best = parts.Best(val_loss=best.val_loss, correct=best.correct, step=best.step, epoch=best.epoch)
    kept.kept = keeping.listed(files)
    kept.lambdas = None if (found := lambdas_of(model)) is None else found.tolist()
    ledger.enter_test(kept, job.stay, time.monotonic() - began)
    kept.peak_bytes = saving.logging.peak_bytes
    kept.results = parts.Results(test=parts.tested(evaluation.metrics(predictions)))
    if learner.average:
        with learner.average.in_place():
            checkpoint.save_weights(files.ema, model, text)
    checkpoint.load_weights(files.state / best.file, model)
    checkpoint.save_weights(files.best, model, text)
    kept.status, kept.finished, kept.files = "done", provenance.now(), files.sums()
    record.write(files.record, kept)
    require_allowed()
    shutil.rmtree(files.state)
    return Run(files, kept)


def tested(job: Job, model: nn.Module) -> Predictions | None:
    """Return the predictions of the test set, of which every rank computes its share, or None on all but the first."""
    return evaluation.predict(
        model, job.splits.test, task=job.task, batch_size=job.config.val_batch_size, place=job.here
    )


def metadata(config: RunConfig, kept: Record) -> dict[str, Any]:
    """Return the metadata of the weights, from which model and preprocessing can be rebuilt without other files."""
    return {
        "version": __version__,
        "run_id": kept.run_id,
        "config": kept.config,
        "class_names": kept.data.class_names,
        "preprocessing": preprocessing(config, kept.data),
    }
