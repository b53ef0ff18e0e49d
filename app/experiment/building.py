"""The model of a run with its optimiser and its average, built from the seed or from a state."""

from __future__ import annotations

import torch
from torch import nn

from .. import models, optim
from ..computing import sizes, trials
from ..computing.scaling import Scaler
from ..models import unused
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
    partly = job.here.ranks > 1 and unused.are_there(model, job.config.input_shape, job.here)
    if job.here.ranks > 1 and job.here.device.type == "cuda":
        models.share_statistics(model)  # before it is compiled, since its batch norms are other modules then
    train, val = len(job.splits.train), len(job.splits.val)
    fixed = sizes.of(job.config, job.here, job.chosen, train=train, val=val)
    model = compiled(model, job.chosen.compile, cache=trials.compiled_programs(), sizes=fixed)
    if job.config.init_sha256 and not job.state:
        initial.load(model, job.config, job.options)
    scaler = Scaler(job.here.device.type) if job.here.precision == "fp16" else None
    learner = Learner(model, optim.of(job.config, model), _average(job, model), scaler, partly)
    if job.state:
        learner.restore(job.state)
    return learner


def spread(job: Job, learner: Learner) -> nn.Module:
    """Return the model for training on this rank."""
    return job.here.spread(learner.model, gradients=job.chosen.gradients, partly_used=learner.partly_used)


def _average(job: Job, model: nn.Module) -> Average | None:
    """Return the average of a run with --ema, whose half-life in steps follows from that in epochs."""
    if job.config.ema is None:
        return None
    return Average(model, half_life=job.config.ema * job.kept.schedule.total_steps / job.config.epochs)
