"""Trainings that are computed in memory: each epoch's loss is a formula of the trial's values."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from app.studies.progress import Progress
from app.sweeps import pruning


class Killed(BaseException):
    """What ends the process, as SIGKILL does."""


class Quiet:
    """A screen that prints nothing."""

    def say(self, text): ...

    def reading(self, *about): ...

    def stage(self, text): ...


@dataclass
class World:
    """What is on the disk: the curve of each run and its state; `left` is how many epochs remain until a kill."""

    runs: dict = field(default_factory=dict)  # run ID -> [state, curve]
    left: float = float("inf")
    trained: list = field(default_factory=list)  # run ID of each epoch that was trained
    fails: list = field(default_factory=list)  # the kinds of failures of the next trainings; None: it does not fail

    def epoch(self, config):
        """Train one more epoch of a run."""
        self.left -= 1
        if self.left < 0:
            raise Killed
        state = self.runs.setdefault(config.run_id, ["stopped", []])
        distance = abs(config.lr - 0.013) * 30 + config.dropout
        state[1].append(distance + 1 / (len(state[1]) + 1))
        self.trained.append(config.run_id)
        return state


@dataclass
class Study:
    """The cells of one trial, and what the world has of them."""

    world: World
    cells: list
    remote: None = None

    def progress(self, say, cells=None):
        runs = [(cell, self.world.runs.get(cell.run_id, ["missing", []])[0]) for cell in cells or self.cells]
        return [
            Progress(cell=cell, state="failed", kind=state.removeprefix("failed "), sentence="why", failures=9)
            if state.startswith("failed") else Progress(cell=cell, state=state)
            for cell, state in runs
        ]  # fmt: skip


@dataclass
class Worker:
    """It trains as a process would, and asks the judge of its environment after each epoch but the last."""

    study: Study
    claim_seconds: float = 60.0
    max_minutes: float | None = None
    pruned: dict = field(default_factory=dict)
    not_uploaded: set = field(default_factory=set)
    environment: dict = field(default_factory=dict)
    counted: None = None
    stops: None = None

    def train_missing(self):
        (cell,) = self.study.cells
        if self.study.world.fails and (kind := self.study.world.fails.pop(0)):
            self.study.world.runs[cell.run_id] = [f"failed {kind}", []]
            return
        judge = pruning.Judge(*_parts(self.environment)) if self.environment else None
        while True:
            state = self.study.world.epoch(cell.config)
            if len(state[1]) == cell.config.epochs:
                state[0] = "done"
                return
            passes = [{"loss": loss} for loss in state[1]]
            if judge and (why := judge(passes)):
                self.pruned[cell.run_id] = why
                return

    def progress(self):
        return self.study.progress(None)


def _parts(environment):
    number, *paths = json.loads(environment[pruning.VARIABLE])
    return number, *map(Path, paths)
