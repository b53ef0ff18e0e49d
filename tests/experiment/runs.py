"""A run of seconds: the whole program on a cut of digits, for tests to make, stop and compare."""

import os
import signal

from app import log
from app.artifacts.runs import Run
from app.experiment import run as experiment

TINY = {"dataset": "digits", "size": "100K", "d_model": 64, "epochs": 2, "limit_train": 160, "limit_val": 40,
        "limit_test": 60, "batch_size": 32, "val_batch_size": 16}  # fmt: skip


class Quiet:
    """A screen that remembers."""

    def __init__(self, after=None):
        self.said, self.steps, self._after = [], [], after

    def say(self, text):
        self.said.append(text)

    def stage(self, text):
        pass

    def reading(self, *_):
        pass

    def step(self, step, of, last, images_per_second):
        self.steps.append(step)
        if self._after:
            self._after(step)


def train(folder, screen=None, *, options=None, **request) -> Run:
    """Trains the tiny run into a folder; the request's cells replace its own."""
    screen = screen or Quiet()
    config = experiment.plan(TINY | request, screen)
    return experiment.train_run(config, experiment.Options(checkpoints=folder, **(options or {})), screen)


def interrupted(at):
    """A screen that sends the process SIGTERM at a step."""
    return Quiet(after=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == at else None)


def rows(run):
    """The rows of a run's log without what was measured."""
    measured = ("seconds", "wait_ms", "peak_bytes")
    return [{name: row[name] for name in row if name not in measured} for row in log.read(run.files.log)[1]]
