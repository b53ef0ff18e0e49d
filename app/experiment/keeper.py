"""What happens beside the arithmetic of a run: its log, its best weights, its states, and stopping in good order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from app.artifacts import checkpoint
from app.artifacts.paths import RunFiles
from app.errors import Stopped
from app.log import Row, TrainingLog
from app.place import Place


class Screen(Protocol):
    """Where a run tells what it does."""

    def say(self, text: str) -> None: ...

    def reading(self, split: str, rows: int, of: int | None, read: int) -> None: ...

    def step(self, step: int, of: int, last: dict[str, dict[str, Any]], images_per_second: float) -> None: ...


@contextmanager
def stop_requests() -> Iterator[Callable[[], str | None]]:
    """Within it SIGTERM and the first Ctrl-C leave a note, which the yielded call reads; a second Ctrl-C interrupts."""
    asked: list[str] = []

    def note(number: int, _frame: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked[0] if asked else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(kw_only=True)
class Keeper:
    """The loop's hooks for one run."""

    files: RunFiles
    model: nn.Module
    optimizer: torch.optim.Optimizer
    place: Place
    log: TrainingLog
    screen: Screen
    total_steps: int
    state_every: float  # seconds
    stop_asked: Callable[[], str | None]
    best: dict[str, Any] | None = None
    seconds_before: float = 0.0  # of training before this process
    _started: float = field(default_factory=time.monotonic)
    _row_at: float = field(default_factory=time.monotonic)
    _state_at: float = field(default_factory=time.monotonic)
    _images: int = 0

    @property
    def seconds(self) -> float:
        """Seconds of training in all processes of the run."""
        return self.seconds_before + time.monotonic() - self._started

    def autocast(self) -> AbstractContextManager:
        return self.place.autocast()

    def row(self, split: str, *, step: int, epoch: int, examples: int, lr: float, sums: Tensor) -> None:
        now = time.monotonic()
        fields = {"step": step, "epoch": epoch, "split": split, "lr": lr, "examples": examples}
        self.log.add(Row(fields | {"seconds": round(now - self._row_at, 6)}, self.place.fetch(sums)))
        self._row_at = now
        if split == "train":
            self._images += examples

    def epoch_end(self, *, step: int, epoch: int, sums: Tensor) -> None:
        del sums  # the log has their means once it is drained
        self.log.drain()
        loss = self.log.last["val_full"]["loss"]
        if self.best is None or loss < self.best["val_loss"]:
            name = f"best-{step}.safetensors"
            checkpoint.save_weights(self.files.state / name, self.model, {"run_id": self.files.stem})
            self.best = {"val_loss": loss, "step": step, "epoch": epoch, "file": name}

    def step_end(self, *, step: int) -> None:
        rate = self._images / max(time.monotonic() - self._started, 1e-9)
        self.screen.step(step, self.total_steps, self.log.last, rate)
        reason = self.stop_asked()
        if reason or step == self.total_steps or time.monotonic() - self._state_at >= self.state_every:
            self.save_state(step)
        if reason:
            raise Stopped(f"stopped by {reason} after step {step} of {self.total_steps}; its state is saved")

    def save_state(self, step: int) -> None:
        """Writes a state from which the run continues after `step`; a loss that is no number is found first."""
        log_bytes = self.log.drain()
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        moments = checkpoint.optimizer_tensors(self.model, self.optimizer)
        tensors = weights | {f"optimizer/{name}": tensor for name, tensor in moments.items()}
        facts = {"best": self.best, "log_bytes": log_bytes, "seconds": round(self.seconds, 3)}
        best = self.best["file"] if self.best else None
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
