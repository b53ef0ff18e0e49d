"""What a run shows while it works, on stderr: one live line on a terminal, a plain line every 30 s elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

_EVERY = 30.0  # seconds between plain lines
_REFRESH = 0.2  # seconds between redraws of the live line


class Screen:
    """Prints to stderr; stdout stays for results."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown = float("-inf")
        self._first_step: tuple[int, float] | None = None
        self._live = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self._end_live()
        print(text, file=sys.stderr, flush=True)

    def reading(self, split: str, rows: int, of: int | None, read: int) -> None:
        """A dataset on its way into the cache."""
        total = f"/{of:,}" if of else ""
        share = f" {rows / of:4.0%}" if of else ""
        self._show(f"reading {split}{share}  {rows:,}{total} rows  {read / 1e6:,.1f} MB", last=rows == of)

    def step(self, step: int, of: int, last: dict[str, dict[str, Any]], images_per_second: float) -> None:
        """A step of training, with the newest losses known."""
        now = time.monotonic()
        self._first_step = self._first_step or (step - 1, self._began)
        done, since = self._first_step
        left = (of - step) * (now - since) / max(step - done, 1)
        train, val = last.get("train"), last.get("val")
        losses = f"  loss {train['loss']:.4f}  acc {train['correct'] / train['examples']:.1%}" if train else ""
        losses += f"  val loss {val['loss']:.4f}  val acc {val['correct'] / val['examples']:.1%}" if val else ""
        speed = f"  {images_per_second:,.0f} images/s  {_clock(left)} left"
        self._show(f"step {step:,}/{of:,}{losses}{speed}", last=step == of)

    def _show(self, text: str, *, last: bool) -> None:
        now = time.monotonic()
        if now - self._shown < (_REFRESH if self._terminal else _EVERY) and not last:
            return
        self._shown = now
        if self._terminal:
            self._live = True
            print(f"\r\x1b[2K{text[: _columns() - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        if last:
            self._end_live()

    def _end_live(self) -> None:
        if self._live:
            print(file=sys.stderr, flush=True)
        self._live = False


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _clock(seconds: float) -> str:
    """A duration as a reader says it: 9 s, 4 min, 2 h 05."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d}"
