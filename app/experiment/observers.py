"""What happens beside the arithmetic of a run where it is written down: its log, its best weights, its states."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..artifacts import checkpoint
from ..artifacts.paths import RunFiles
from ..artifacts.states import BestWeights, Facts
from ..errors import Stopped
from ..log import Row, TrainingLog
from .hooks import SAVE, STOP_IN_TIME, Member, wish_of
from .stopping import Reason


class Screen(Protocol):
    """Where a run tells what it does."""

    def say(self, text: str) -> None: ...

    def reading(self, split: str, rows: int, of: int | None, read: int) -> None: ...

    def step(self, step: int, of: int, last: dict[str, dict[str, Any]], images_per_second: float) -> None: ...


@dataclass(kw_only=True)
class Keeper(Member):
    """The hooks of the rank that writes."""

    files: RunFiles
    model: nn.Module  # as it is saved
    optimizer: torch.optim.Optimizer
    log: TrainingLog
    screen: Screen
    total_steps: int
    state_every: float  # seconds
    push: Callable[[int], None] | None = None  # takes the step of a state that may be pushed
    push_every: float = math.inf  # seconds
    best: BestWeights | None = None
    seconds_before: float = 0.0  # of training before this process
    peak_bytes: int = 0  # of any rank, in all processes
    ended: int = 0  # the last step that ended
    _started: float = field(default_factory=time.monotonic)
    _row_at: float = field(default_factory=time.monotonic)
    _state_at: float = field(default_factory=time.monotonic)
    _push_at: float = field(default_factory=time.monotonic)
    _images: int = 0
    _waited: float = 0.0  # seconds for the inputs of this step

    @property
    def seconds(self) -> float:
        """Seconds of training in all processes of the run."""
        return self.seconds_before + time.monotonic() - self._started

    @contextmanager
    def waiting(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began

    def row(self, split: str, *, step: int, epoch: int, examples: int, lr: float, sums: Tensor) -> None:
        now = time.monotonic()
        fields: dict[str, Any] = {"step": step, "epoch": epoch, "split": split, "lr": lr, "examples": examples}
        fields["seconds"] = round(now - self._row_at, 6)
        total = self.place.total(sums)  # first, as on the other ranks
        if split == "val_full":
            fields["peak_bytes"] = self.place.agree(self.place.peak_bytes())
            self.peak_bytes = max(self.peak_bytes, fields["peak_bytes"])
        if split == "train":
            fields["wait_ms"] = round(1000 * self._waited, 3)
            self._waited = 0.0
            self._images += examples
        self._row_at = now
        self.log.add(Row(fields, self.place.fetch(total)))

    def epoch_end(self, *, step: int, epoch: int) -> None:
        self.log.drain()
        loss = self.log.last["val_full"]["loss"]
        if self.best is None or loss < self.best.val_loss:
            name = f"best-{step}.safetensors"
            checkpoint.save_weights(self.files.state / name, self.model, {"run_id": self.files.stem})
            self.best = BestWeights(val_loss=loss, step=step, epoch=epoch, file=name)

    def step_end(self, *, step: int) -> None:
        self.ended = step
        now = time.monotonic()
        rate = self._images / max(now - self._started, 1e-9)
        self.screen.step(step, self.total_steps, self.log.last, rate)
        reason, pushing = self.stop_asked(), now - self._push_at >= self.push_every
        due = step == self.total_steps or pushing or now - self._state_at >= self.state_every
        wish = self.place.agree(max(wish_of(reason), SAVE * due))
        if wish >= SAVE:
            self.save_state(step)
        if self.push and (pushing or wish >= STOP_IN_TIME):
            self.push(step)
            self._push_at = time.monotonic()
        if wish >= STOP_IN_TIME:
            raise self._stopped(reason, in_time=wish == STOP_IN_TIME)

    def _stopped(self, reason: Reason | None, *, in_time: bool) -> Stopped:
        text = f"stopped {reason.why if reason else 'by another rank'} after step {self.ended} of {self.total_steps}"
        return Stopped(f"{text}; its state is saved", saved=True, in_time=in_time)

    def save_state(self, step: int) -> None:
        """Writes a state from which the run continues after `step`; a loss that is no number is found first."""
        log_bytes = self.log.drain()
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        moments = checkpoint.optimizer_tensors(self.model, self.optimizer)
        tensors = weights | {f"optimizer/{name}": tensor for name, tensor in moments.items()}
        facts = Facts(
            best=self.best,
            log_bytes=log_bytes,
            log_sha256=self.log.sha256,
            seconds=round(self.seconds, 3),
            peak_bytes=self.peak_bytes,
        )
        best = self.best.file if self.best else None
        checkpoint.save_state(self.files.state, checkpoint.State(step, tensors, facts), best=best)
        self._state_at = time.monotonic()


def restore(state: checkpoint.State, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts a state's weights and moments back."""
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}}
    for name, tensor in state.tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    model.load_state_dict(parts["model"])
    checkpoint.restore_optimizer(model, optimizer, parts["optimizer"])
