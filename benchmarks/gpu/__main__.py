"""`python -m benchmarks.gpu`: the command line of the sheet."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from app.errors import InputError
from app.system import durable
from app.system import machine as host
from app.tables.names import suggestion

from ..command import run as run_command
from . import machine, parts, running, summary
from .findings import Findings, read
from .running import Room

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PART]...", help=f"Run only these parts: {', '.join(parts.ABOUT)}. Default: all.",
                   show_default=False),
]  # fmt: skip
Seconds = Annotated[float, typer.Option(min=1, help="End after this many seconds. Default: 480.", show_default=False)]
Tiny = Annotated[bool, typer.Option("--tiny", help="Run every part in miniature on a CPU, to test the sheet itself.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Write the results to this folder. Default: docs/gpu, or a temporary folder with --tiny.",
                 show_default=False),
]  # fmt: skip


class Stopped(BaseException):
    """A signal that ends the sheet after its summary is written."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


def gpu(names: Names = None, seconds: Seconds = 480.0, tiny: Tiny = False, out: Out = None) -> None:
    """Measure what a GPU reaches, in the order of importance, and compare it with the bars of docs/performance.md."""
    if strange := [name for name in names or () if name not in parts.ABOUT]:
        raise InputError(f"unknown part {strange[0]!r}. {suggestion(strange[0], list(parts.ABOUT))}")
    if not tiny and (host.hidden() or not host.gpus()):
        raise InputError("the sheet needs an NVIDIA GPU, and none is visible here. Use --tiny to test it on a CPU")
    ends = time.monotonic() + seconds
    folder = out or (Path(tempfile.mkdtemp(prefix="isoscale-sheet-")) if tiny else parts.root() / "docs" / "gpu")
    results = named(folder.resolve(), tiny=tiny)
    with tempfile.TemporaryDirectory(prefix="isoscale-sheet-", ignore_cleanup_errors=True) as work:
        room = Room(
            results=results, log=results.with_suffix(".log"), work=Path(work).resolve(), root=parts.root(), ends=ends,
            tiny=tiny,
        )  # fmt: skip
        every = parts.parts(room)
        measure([part for part in every if not names or part.name in names], room, tiny=tiny)
    typer.echo(f"results: {results}", err=True)


def named(folder: Path, *, tiny: bool) -> Path:
    """Return a new results file for this device and date."""
    durable.make_folder(folder)
    stem = f"{'tiny' if tiny else machine.short_name()}-{time.strftime('%Y-%m-%d')}"
    taken = len(list(folder.glob(f"{stem}*.jsonl")))
    return folder / (f"{stem}-{taken + 1}.jsonl" if taken else f"{stem}.jsonl")


def measure(chosen: list[running.Part], room: Room, **facts: Any) -> None:
    """Run the parts, and keep the summary next to the results file up to date. Print it at the end and after a signal.

    After SIGKILL, the last summary is at most a second old, and `benchmarks.gpu.summary` makes it from the results.
    """
    begun = time.strftime("%Y-%m-%d %H:%M:%S")
    Findings(room.results, "").note("machine", begun=begun, **facts, **machine.described(room.root))
    last = [0.0]

    def changed() -> None:
        if time.monotonic() > last[0] + 1.0:
            write(room)
            last[0] = time.monotonic()

    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        running.run(chosen, room, changed=changed)
    except Stopped as stopped:
        Findings(room.results, "").note("stopped", signal=stopped.number)
        raise typer.Exit(128 + stopped.number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        print(write(room), end="")


def write(room: Room) -> str:
    """Write the summary next to the results file, and return it."""
    text = summary.text(read(room.results))
    with durable.replacing(room.results.with_suffix(".txt")) as aside:
        aside.write_text(text)
    return text


def _stop(number: int, _frame: Any) -> None:
    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(run_command(gpu))
