"""The observers of a run, one for each purpose: log, best weights, screen, stopping, state, push."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ..artifacts import checkpoint
from ..artifacts.paths import RunFiles
from ..artifacts.states import BestWeights, Facts
from ..errors import PRUNED, Stopped
from ..events import Batch, EpochEnd, Event, StepEnd
from ..log import Row, TrainingLog
from ..place import Place
from .learner import Learner
from .stopping import SAVE, STOP_IN_TIME, Reason, wish_of


class Speed(NamedTuple):
    """The speed of this process's training."""

    images_per_second: float
    waiting: float  # fraction of the time in which steps waited for their inputs


class Screen(Protocol):
    """The interface through which a run reports its progress."""

    def say(self, text: str) -> None: ...

    def stage(self, text: str) -> None: ...

    def reading(self, split: str, rows: int, of: int | None, read: int) -> None: ...

    def step(self, step: int, of: int, last: dict[str, dict[str, Any]], speed: Speed) -> None: ...


@dataclass
class Begun:
    """Ask from the first batch on whether the run should stop, since a step's end then has something to save."""

    stop_asked: Callable[[], Reason | None]

    def __call__(self, event: Event) -> None:
        if isinstance(event, Batch):
            self.stop_asked()


@dataclass
class Logging:
    """Add a row to the training log for each batch, with its time and the wait for its inputs."""

    log: TrainingLog
    place: Place
    peak_bytes: int = 0  # of any rank; this and the next two in all processes of the run
    waiting: float = 0.0  # seconds for inputs
    validation: float = 0.0  # seconds
    lambdas: Callable[[], Tensor | None] = lambda: None  # of each layer, (layers,), logged with each epoch
    _row_at: float = field(default_factory=time.monotonic)

    @classmethod
    def after(cls, log: TrainingLog, place: Place, facts: Facts | None) -> Logging:
        """Return the observer of a new run, or of one that resumes from a state with these facts."""
        known = (facts.peak_bytes, facts.waiting, facts.validation) if facts else (None, None, None)
        peak_bytes, waiting, validation = (each or 0 for each in known)
        return cls(log, place, int(peak_bytes), waiting, validation)

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Batch):
            return
        now = time.monotonic()
        fields: dict[str, Any] = {"step": event.step, "epoch": event.epoch, "split": event.split, "lr": event.lr}
        fields |= {"examples": event.examples, "seconds": round(now - self._row_at, 6)}
        if event.peak_bytes is not None:
            fields["peak_bytes"] = event.peak_bytes
            self.peak_bytes = max(self.peak_bytes, event.peak_bytes)
        if event.loss_scale is not None:
            fields["loss_scale"] = abs(event.loss_scale)
            fields |= {"skipped": True} if event.loss_scale < 0 else {}
        if event.split == "train":
            fields["wait_ms"] = round(1000 * event.waited, 3)
            self.waiting += event.waited
        else:
            self.validation += now - self._row_at
        self._row_at = now
        lambdas = self.lambdas() if event.split == "val_full" else None
        later = {} if lambdas is None else {"lambdas": self.place.fetch(lambdas)}
        self.log.add(Row(fields, self.place.fetch(event.sums), later))


@dataclass
class Best:
    """Keep the weights of the epoch with the lowest full validation loss, or of the first one of equal losses.

    By accuracy it is the epoch with the most correct examples, of equal ones the one with the lowest loss.
    """

    files: RunFiles
    model: nn.Module
    log: TrainingLog
    found: BestWeights | None = None
    by: str = "loss"  # loss | accuracy

    def __call__(self, event: Event) -> None:
        if not isinstance(event, EpochEnd):
            return
        self.log.drain()
        row = self.log.last["val_full"]
        loss, correct = row["loss"], row["correct"] if self.by == "accuracy" else None
        if self._is_better(loss, correct):
            name = f"best-{event.step}.safetensors"
            checkpoint.save_weights(self.files.state / name, self.model, {"run_id": self.files.stem})
            self.found = BestWeights(val_loss=loss, correct=correct, step=event.step, epoch=event.epoch, file=name)

    def _is_better(self, loss: float, correct: int | None) -> bool:
        found = self.found
        return found is None or (-(correct or 0), loss) < (-(found.correct or 0), found.val_loss)


@dataclass
class Diverging:
    """Report an epoch, from the second on, in which no training batch had a loss below 1.1 times that of a guess.

    A model that knows nothing, and answers with equal probabilities for K classes, has a cross-entropy of ln K.
    """

    place: Place
    say: Callable[[str], None]
    guess: float  # the loss of equal probabilities for all classes
    steps_per_epoch: int
    _steps: int = 0  # of this epoch, in this process
    _lowest: Tensor | None = None  # loss of a training batch in them

    def __call__(self, event: Event) -> None:
        if isinstance(event, Batch) and event.split == "train":
            loss, self._steps = event.sums[0] / event.examples, self._steps + 1
            self._lowest = loss if self._lowest is None else torch.minimum(self._lowest, loss)
        elif isinstance(event, EpochEnd) and self._lowest is not None:
            [lowest], complete = self.place.fetch(self._lowest.reshape(1))(), self._steps == self.steps_per_epoch
            self._lowest, self._steps = None, 0
            if event.epoch > 1 and complete and lowest > 1.1 * self.guess:
                self._warn(event.epoch)

    def _warn(self, epoch: int) -> None:
        self.say(
            f"warning: the run is diverging. In epoch {epoch} every training loss was above {1.1 * self.guess:.2f}, "
            f"but equal probabilities for all classes give {self.guess:.2f}. Stop it, then train another run "
            "with a lower --lr or with --clip-norm 1"
        )


@dataclass
class Progress:
    """Show each step on the screen, with the speed of this process's training."""

    screen: Screen
    log: TrainingLog
    total_steps: int
    _images: int = 0
    _waited: float = 0.0  # seconds
    _began: float = field(default_factory=time.monotonic)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Batch) and event.split == "train":
            self._images += event.examples
            self._waited += event.waited
        elif isinstance(event, StepEnd):
            seconds = max(time.monotonic() - self._began, 1e-9)
            speed = Speed(self._images / seconds, min(1.0, self._waited / seconds))
            self.screen.step(event.step, self.total_steps, self.log.last, speed)


class Keeper(Protocol):
    """The interface of an observer that may need a state at a step's end."""

    def due(self, step: int) -> bool:
        """Return whether a state is needed now."""

    def keep(self, step: int, wish: int) -> None:
        """Act on the ranks' common decision."""


@dataclass
class Stopping:
    """Agree with the other ranks at each step's end, let the keepers act, and stop the run if a rank wishes it.

    It is the only observer that waits for other ranks, so every rank has one. All ranks follow the largest wish of any
    rank. Raises Stopped.
    """

    place: Place
    stop_asked: Callable[[], Reason | None]
    total_steps: int
    keepers: Sequence[Keeper] = ()  # in the order in which they act

    def __call__(self, event: Event) -> None:
        if not isinstance(event, StepEnd):
            return
        reason = self.stop_asked()
        due = [keeper.due(event.step) for keeper in self.keepers]
        wish = self.place.agree(max(wish_of(reason), SAVE * any(due)))
        for keeper in self.keepers:
            keeper.keep(event.step, wish)
        if wish >= STOP_IN_TIME:
            why = reason.why if reason else "by another rank"
            text = f"stopped {why} after step {event.step} of {self.total_steps}. Its state is saved"
            since, kind = (reason.since, reason.kind) if reason else (None, "stopped")
            in_time, pruned = wish == STOP_IN_TIME, kind == PRUNED
            raise Stopped(text, saved=True, in_time=in_time, since=since, complete=pruned, kind=kind)


@dataclass
class Saving:
    """Save a state when one is due or requested: what learns, the log's length, the best epoch."""

    files: RunFiles
    learner: Learner
    logging: Logging
    best: Best
    total_steps: int
    every: float  # seconds
    seconds_before: float = 0.0  # of training in earlier processes
    energy: Callable[[], float | None] = lambda: None  # in kWh, since this process began
    _began: float = field(default_factory=time.monotonic)
    _at: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """The seconds of training in all processes of the run."""
        return self.seconds_before + time.monotonic() - self._began

    def due(self, step: int) -> bool:
        """Return whether a state is due: at the last step, and after `every` seconds."""
        return step == self.total_steps or time.monotonic() - self._at >= self.every

    def keep(self, step: int, wish: int) -> None:
        """Save the state of a step if a rank wishes it."""
        if wish >= SAVE:
            self.save(step)

    def save(self, step: int) -> None:
        """Write a state from which the run resumes after `step`, after checking the losses so far."""
        log = self.logging.log
        log_bytes = log.drain()
        moments, trees = checkpoint.optimizer_state(self.learner.model, self.learner.optimizer)
        tensors = self.learner.tensors() | {f"optimizer/{name}": tensor for name, tensor in moments.items()}
        facts = Facts(
            best=self.best.found,
            log_bytes=log_bytes,
            log_sha256=log.sha256,
            seconds=round(self.seconds, 3),
            waiting=round(self.logging.waiting, 3),
            validation=round(self.logging.validation, 3),
            energy_kwh=self.energy(),
            peak_bytes=self.logging.peak_bytes,
            optimizer=trees or None,
            scaler=self.learner.loss_scale(),
        )
        best = self.best.found.file if self.best.found else None
        checkpoint.save_state(self.files.state, checkpoint.State(step, tensors, facts), best=best)
        self._at = time.monotonic()


@dataclass
class Pushing:
    """Offer the saved state for the Hub when a push is due, and when the run stops."""

    offer: Callable[[int], None]  # called with the step of a state
    every: float  # seconds
    _at: float = field(default_factory=time.monotonic)
    _asked: bool = False

    def due(self, step: int) -> bool:
        """Return whether a push is due."""
        del step
        self._asked = time.monotonic() - self._at >= self.every
        return self._asked

    def keep(self, step: int, wish: int) -> None:
        """Offer the state of a step."""
        if self._asked or wish >= STOP_IN_TIME:
            self.offer(step)
            self._at = time.monotonic()
