"""Training that runs out of memory: the micro-batch is halved, and the run resumes from its last state."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from .. import models
from ..artifacts import checkpoint, parts, record
from ..computing import fitting
from ..errors import OutOfMemory, first_line, is_out_of_memory
from ..system import devices
from .job import Job
from .ledger import Stay, open_place

Answer = TypeVar("Answer")


def survived(job: Job, train: Callable[[Job], Answer]) -> Answer:
    """Return the result of `train` for the job, or for the job with a smaller micro-batch.

    Raises OutOfMemory at micro-batch 1, and immediately for batch statistics, which need each complete batch, and for
    several ranks, which wait for each other within a step and so cannot restart together.
    """
    while True:
        try:
            return train(job)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if final := _why_not_smaller(job):
                raise OutOfMemory(final) from error
            said = first_line(error)
        # here the error is freed, and with it the frames that kept the model and its activations
        gc.collect()
        devices.empty_cache(job.here.device)
        job = _smaller(job, said)


def together(job: Job, train: Callable[[], None]) -> None:
    """Train as one of several ranks. Raises OutOfMemory with a sentence if memory runs out."""
    try:
        train()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(_why_not_smaller(job)) from error


def _why_not_smaller(job: Job) -> str:
    """Return why the run cannot resume with a smaller micro-batch, and what to do, or an empty text if it can."""
    size = job.chosen.micro_batch_size
    smaller = job.chosen.halved().micro_batch_size
    too_small = f"the device's memory is too small for a micro-batch of {size}"
    if models.has_batch_statistics(job.config):
        return (
            f"{too_small}, and {job.config.model} normalises over the batch, which cannot be split. "
            f"Train with --batch-size {smaller}, which is another run"
        )
    if size == 1:
        return f"{too_small}. Use a smaller --size, a smaller --val-batch-size, or a device with more memory"
    if job.here.ranks > 1:
        return (
            f"{too_small} on one of {job.here.ranks} ranks. The ranks cannot restart together. Start them with "
            f"--micro-batch-size {smaller}, which resumes the run"
        )
    return ""


def _smaller(job: Job, said: str) -> Job:
    """Return the job with half the micro-batch, as of the last saved state. The change is recorded and reported."""
    before = job.chosen.micro_batch_size
    fitting.forget_micro_batch(job.config, job.here, at_least=before)
    chosen = job.chosen.halved()
    state = checkpoint.load_state(job.files.state, job.screen.say)
    job.kept.execution = parts.part(parts.Execution, chosen.to_json())
    stay, price = Stay.begin(job.here), job.kept.places[-1].usd_per_hour
    open_place(job.kept, job.here, stay, from_step=state.step if state else 0, usd_per_hour=price)
    record.write(job.files.record, job.kept)
    where = f"step {state.step + 1}" if state else "step 1, because no state is saved yet"
    job.screen.say(
        f"out of memory at micro-batch {before} ({said}). The run resumes at {where} with micro-batch "
        f"{chosen.micro_batch_size}"
    )
    return replace(job, chosen=chosen, state=state, stay=stay)
