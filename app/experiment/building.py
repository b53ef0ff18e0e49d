"""The model of a run with its optimiser and its average, built from the seed or from a state."""

from __future__ import annotations

import torch
from torch import nn

from .. import models, optim
from ..computing import trials
from ..computing.scaling import Scaler
from ..models.compiling import compiled
from ..optim.average import Average
from . import initial
from .job import Job
from .learner import Learner


def built(job: Job) -> Learner:
    """Return the model, its optimiser and its average, from the state or from the seed."""
    torch.manual_seed(job.config.seed)
    job.here.forget_peak()
    pretrained = job.config.pretrained and not job.state
    model = job.here.laid_out(
        models.build(job.config, **job.chosen.of_the_model, pretrained=pretrained).to(job.here.device)
    )
    model = compiled(model, job.chosen.compile, cache=trials.compiled_programs())
    if job.config.init_sha256 and not job.state:
        initial.load(model, job.config, job.options)
    scaler = Scaler(job.here.device.type) if job.here.precision == "fp16" else None
    learner = Learner(model, optim.of(job.config, model), _average(job, model), scaler)
    if job.state:
        learner.restore(job.state)
    return learner


def _average(job: Job, model: nn.Module) -> Average | None:
    """Return the average of a run with --ema, whose half-life in steps follows from that in epochs."""
    if job.config.ema is None:
        return None
    return Average(model, half_life=job.config.ema * job.kept.schedule.total_steps / job.config.epochs)
