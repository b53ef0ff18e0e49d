"""Every printed line: results on stdout; on stderr notes, errors, and what a run shows while it works.

That is one live line on a terminal, and a plain line every 30 s elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError
from ..system import output
from ..system.duration import spoken
from ..system.printable import LINE, lines, printable
from . import jsontext
from .waiting import Waiting

if TYPE_CHECKING:
    from ..experiment.observers import Speed

_EVERY = 30.0  # seconds between plain lines
_REFRESH = 0.2  # seconds between redraws of the live line
_LEAST_BAR, _LONGEST_BAR = 6, 30  # characters


_PACKAGE = __name__.partition(".")[0]  # app in a checkout, isoscale where it is installed
_INSTALLED = _PACKAGE != "app"


def name() -> str:
    """Return the program's name in usage lines: `run.py` in a checkout, `isoscale` where it is installed."""
    return _PACKAGE if _INSTALLED else "run.py"


def named(text: str) -> str:
    """Return a text about this program's commands, which are written as `run.py ...`, with the program's own name."""
    return text.replace(" N run.py ", f" N -m {_PACKAGE} ").replace("`run.py ", f"`{_PACKAGE} ") if _INSTALLED else text


def program() -> list[str]:
    """Return the words that call this program, for printed commands: as it was called, under `uv run` or by Python."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py":
        return ["python", "-m", _PACKAGE]
    if _INSTALLED:
        return [_PACKAGE]
    path = sys.argv[0] if script.name == "run.py" else "run.py"
    return ["uv", "run", path] if "UV_RUN_RECURSION_DEPTH" in os.environ else ["python", path]


def result(text: str, most: int = LINE) -> None:
    """Print a command's result on stdout, as lines of at most so many characters that a terminal never obeys."""
    typer.echo(lines(text, most), file=output.results())


def result_line(text: object) -> None:
    """Print one line of a command's result on stdout, such as a path, which may hold a line break."""
    typer.echo(printable(text), file=output.results())


def result_json(value: Any, *, indent: int | None = None) -> None:
    """Print a command's result on stdout as JSON, whose escapes keep every text as it is, but for secrets."""
    typer.echo(jsontext.of(value, indent), file=output.results())


def report(text: str, end: str = "\n") -> None:
    """Print on stderr what is printable already; where nobody can read it, nothing happens."""
    with suppress(OSError, ValueError):  # ValueError: the stream is closed
        if sys.stderr is not None:
            print(text, end=end, file=sys.stderr, flush=True)


def _is_terminal() -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return sys.stderr.isatty()
    return False


def note(text: str) -> None:
    """Print lines on stderr."""
    report(lines(text))


def width() -> int | None:
    """Return the width of the terminal behind stdout; None for a file or a pipe."""
    with suppress(OSError, ValueError, AttributeError):
        return shutil.get_terminal_size().columns if (output.results() or sys.stdout).isatty() else None
    return None


def require_agreement(question: str, *, yes: bool) -> None:
    """Ask on the terminal; raise InputError unless the answer is yes, and without a terminal, unless `yes` is given."""
    if yes:
        return
    if not (_is_terminal() and sys.stdin is not None and sys.stdin.isatty()):
        raise InputError("nothing was deleted, because there is no terminal to ask on. Add --yes to delete")
    report(f"{printable(question)} [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("nothing was deleted, because the answer was not y")


@contextmanager
def patience(text: str, seconds: float = 2.0) -> Iterator[None]:
    """Note why nothing is printed yet, if the block takes longer than some seconds."""
    told = threading.Timer(seconds, note, (text,))
    told.daemon = True
    told.start()
    try:
        yield
    finally:
        told.cancel()


@contextmanager
def libraries_printable() -> Iterator[None]:
    """Make logs and warnings of libraries printable in the context: they repeat file names and answers of the Hub."""
    made, worded = logging.getLogRecordFactory(), warnings.formatwarning

    def record(*args: Any, **named: Any) -> logging.LogRecord:
        found = made(*args, **named)
        with suppress(TypeError, ValueError):  # a message that does not fit its values; `logging` reports that itself
            found.msg, found.args = lines(found.getMessage()), ()
        return found

    logging.setLogRecordFactory(record)
    warnings.formatwarning = lambda *args, **named: lines(worded(*args, **named))
    try:
        yield
    finally:
        logging.setLogRecordFactory(made)
        warnings.formatwarning = worded


class Screen:
    """Prints to stderr, as what other code prints in its context. stdout stays for results.

    Leaving the context ends the live line, so that an error has its own.
    """

    _takes_stdout = True

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = _is_terminal()
        self._shown = float("-inf")
        self._first_step: tuple[int, float] | None = None  # its number and when it ended
        self._live, self._apart = False, ExitStack()
        self._turn = threading.RLock()  # the threads that push and that wait speak too
        self._waiting = Waiting(self._wait, terminal=self._terminal)

    def __enter__(self) -> Screen:
        if self._takes_stdout:
            self._apart.enter_context(output.for_results())
        if not self._quiet:
            self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._apart.close()
        self._waiting.stop()
        self._end_live()

    def stage(self, text: str) -> None:
        """Name what the command does from now on. It is shown with its time if nothing else is shown."""
        self._waiting.stage(printable(text))

    def _wait(self, text: str) -> None:
        with self._turn:
            if self._terminal:
                self._draw(text[: _columns() - 1])
            else:
                report(text)

    def say(self, text: str) -> None:
        """Print a line that stays. On a terminal it is broken between words."""
        if self._quiet:
            return
        text = printable(text)
        if self._terminal:
            text = textwrap.fill(
                text, _columns(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
        with self._turn:
            self._end_live()
            report(text)
            self._waiting.heard()

    def reading(self, split: str, rows: int, of: int | None, read: int) -> None:
        """Show how much of a dataset is in the cache."""
        total = f"/{of:,}" if of else ""
        share = f" {100 * rows / of:3.0f} %" if of else ""
        self._show(f"reading {split}{share}  {rows:,}{total} rows  {read / 1e6:,.1f} MB", last=rows == of)

    def making(self, done: int, of: int, what: str = "files") -> None:
        """Show how much of a dataset is made."""
        self._show(f"making {100 * done / of:3.0f} %  {done:,}/{of:,} {what}", last=done == of)

    def step(self, step: int, of: int, last: dict[str, dict[str, Any]], speed: Speed) -> None:
        """Show a step of training with the newest losses. Nothing is shown before there are any."""
        first, since = self._first_step = self._first_step or (step, time.monotonic())
        if "train" not in last or "val" not in last:
            return
        self._waiting.stage("")
        (train, rate), (val, val_rate) = ((row["loss"], _rate(row)) for row in (last["train"], last["val"]))
        done, images, waiting = (
            f"step {step:,}/{of:,}",
            f"{speed.images_per_second:,.0f}",
            f"{100 * speed.waiting:.0f} %",
        )
        seconds = (of - step) * (time.monotonic() - since) / (step - first) if step > first else 0
        left = f"  {spoken(seconds)} left" if step > first or step == of else ""
        self._show(
            f"{done}  loss {train:.4f}  {rate}  val loss {val:.4f}  val {val_rate}  {images} images/s  "
            f"waiting {waiting}{left}",
            f"{done}  loss {train:.3f}  val {val:.3f}  {val_rate}  {images} img/s  wait {waiting}{left}",
            f"{done}  loss {train:.3f}  val {val:.3f}  {images} img/s{left}",
            f"{step:,}/{of:,}  loss {train:.3f}  val {val:.3f}{left}",
            f"{step:,}/{of:,}  loss {train:.3f}{left}",
            last=step == of,
            share=step / of,
        )

    def _show(self, text: str, *shorter: str, last: bool, share: float | None = None) -> None:
        """Show the first form that fits into the terminal, after a bar of the share that is done."""
        now = time.monotonic()
        if self._quiet or (now - self._shown < (_REFRESH if self._terminal else _EVERY) and not last):
            return
        self._shown = now
        with self._turn:
            if self._terminal:
                self._draw(_fitted([text, *shorter], _columns() - 1, share))
            else:
                report(text)
            self._waiting.heard()
            if last:
                self._end_live()

    def _draw(self, line: str) -> None:
        """Replace the live line."""
        self._live = True
        report(f"\r\x1b[2K{line}", end="")

    def _end_live(self) -> None:
        with self._turn:
            if self._live:
                report("")
            self._live = False


def _fitted(forms: list[str], room: int, share: float | None) -> str:
    """Return the first form that fits, after a bar where there is room for one; the shortest is cut."""
    bar = 0 if share is None else _LEAST_BAR + 1
    form = next((form for form in forms if len(form) + bar <= room), None)
    if form is None:
        return next((form for form in forms if len(form) <= room), forms[-1][:room])
    return form if share is None else f"{_bar(share, min(_LONGEST_BAR, room - len(form) - 1))} {form}"


def _bar(share: float, width: int) -> str:
    """Return a bar of so many characters, of which a share is done."""
    done, left = ("━", "─") if (getattr(sys.stderr, "encoding", "") or "").lower().startswith("utf") else ("#", "-")
    full = round(share * width)
    return done * full + left * (width - full)


def _rate(row: dict[str, Any]) -> str:
    """Return what a row of the log has besides the loss: accuracy, or the mean absolute error of numbers."""
    return f"MAE {row['mae']:.4f}" if "mae" in row else f"acc {100 * row['correct'] / row['examples']:.1f} %"


def _columns() -> int:
    """Width of the terminal behind stderr; stdout may be a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80
