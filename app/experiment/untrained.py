"""A run of 0 epochs: the weights of `--init` or `--pretrained`, validated and tested as they are."""

from __future__ import annotations

import shutil
import time
from contextlib import closing

from torch import nn

from .. import evaluation, log
from ..artifacts import checkpoint, parts, provenance, record
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..system.durable import require_allowed
from . import building, finishing, ledger, objective
from .job import Job


def finish(job: Job) -> Run:
    """Save the weights that a run starts from as its final and best ones, test them, and complete the record.

    The log has a header and no rows. The best epoch is 0.
    """
    files, kept = job.files, job.kept
    job.screen.stage("building the model")
    model = building.built(job).model
    with closing(log.TrainingLog(files.log, header=objective.log_header(job.config))):
        pass
    about = finishing.metadata(job.config, kept)
    for path in (files.weights, files.best):
        checkpoint.save_weights(path, model, about)
    began = time.monotonic()
    validated_on = validated(job, model)
    assert validated_on, "the first rank has them all"
    validation = time.monotonic() - began
    kept.best = parts.Best(val_loss=float(evaluation.metrics(validated_on)["loss"]), step=0, epoch=0)
    kept.seconds = parts.Seconds(training=0.0, validation=round(validation, 1))
    _test(job, model)
    kept.status, kept.finished, kept.files = "done", provenance.now(), files.sums()
    record.write(files.record, kept)
    require_allowed()
    shutil.rmtree(files.state, ignore_errors=True)
    return Run(files, kept)


def validated(job: Job, model: nn.Module) -> Predictions | None:
    """Return the predictions of the validation split, or None on all ranks but the first."""
    return evaluation.predict(
        model, job.splits.val, task=job.task, batch_size=job.config.val_batch_size, place=job.here
    )


def _test(job: Job, model: nn.Module) -> None:
    job.screen.stage(f"testing on {job.kept.data.rows.test:,} rows")
    began = time.monotonic()
    predictions = finishing.tested(job, model)
    assert predictions, "the first rank has them all"
    metrics = evaluation.metrics(predictions)
    predictions.save(job.files.predictions)
    ledger.enter_test(job.kept, job.stay, time.monotonic() - began)
    job.kept.results = parts.Results(test=parts.tested(metrics))
