"""`bench`: measured speed on this machine, in turns with what is installed of timm and HF."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .screen import result, result_json

if TYPE_CHECKING:
    from ..bench.report import Report
    from ..bench.rounds import Pace
    from ..place import Place

Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Samples of each contender, taken in turns.")]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds",
        min=0,
        metavar="SECONDS",
        help="No round but the first begins after that long; of a longer call the warm-up is the sample.",
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile", metavar="", help="Compile ours and timm's too, which takes minutes (on CUDA only)."
    ),
]
Tokens = Annotated[str, typer.Option("--tokens", help="Numbers of tokens, separated by commas.")]
DatasetRow = Annotated[
    str | None,
    typer.Option("--dataset", help="Whose image, patch and classes to take, of `run.py datasets` (cifar100).",
                 show_default=False),
]  # fmt: skip
ROUNDS, SECONDS = 5, 180.0
Compare = Callable[["Place", "Pace"], "Report"]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(
        help="Measure speed on this machine, in turns with what others use (`uv sync --group bench` gets it).",
        no_args_is_help=True,
    )
    commands.command()(step)
    commands.command()(attention)
    app.add_typer(commands, name="bench")


def step(
    size: o.Size = None,
    dataset: DatasetRow = None,
    image: o.Image = None,
    patch: o.Patch = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    attention_path: o.AttentionPath = None,
    compiled: Compile = None,
    rounds: Rounds = ROUNDS,
    seconds: Seconds = SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """A training step of ours, timm's and HF's at equal shape (batch 4 on a CPU, else the protocol's)."""
    request = requested(
        size=size, dataset=dataset, image=image, patch=patch, batch_size=batch_size, precision=precision
    )

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.step import compare

        return compare(request, here, pace, threads=threads, attention_path=attention_path, compiled=compiled)

    present(compare, device, precision, threads, rounds, seconds, as_json, _spelled())


def attention(
    tokens: Tokens = "64,256,1024,4096",
    size: o.Size = None,
    dataset: DatasetRow = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    rounds: Rounds = ROUNDS,
    seconds: Seconds = SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Forward and backward of one attention layer by each path, its width from the size (batch 1 on a CPU, else 8)."""
    from ..bench.request import token_counts

    counts = token_counts(tokens)
    request = requested(size=size, dataset=dataset, batch_size=batch_size, precision=precision)

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.attention import compare

        few = {"batch_size": 1 if here.device.type == "cpu" else 8}
        return compare({**few, **request}, here, pace, tokens=counts)

    present(compare, device, precision, threads, rounds, seconds, as_json, _spelled())


def requested(**given: Any) -> dict[str, Any]:
    """The options that were given; raises InputError for what no model can have, without torch."""
    from ..bench.request import resolved
    from ..tables.sizes import parse_size

    request = {name: value for name, value in given.items() if value is not None}
    if "size" in request:
        request["size"] = parse_size(request["size"])
    resolved(request)
    return request


def present(
    compare: Compare, device: str | None, precision: str | None, threads: int | None, rounds: int, seconds: float,
    as_json: bool, command: str,
) -> None:  # fmt: skip
    """Measures at the place asked for; the result on stdout, all else on stderr. `command` repeats the measurement."""
    from .. import place
    from ..bench import meter
    from ..bench.rounds import Pace
    from .screen import Screen

    with Screen() as screen, meter.threads(threads):
        here = place.choose(device=device or "auto", precision=precision or "auto", threads=threads)
        report = compare(here, Pace(rounds=rounds, seconds=seconds, say=screen.say))
    result_json(report.to_json(command)) if as_json else result(report.to_text())


def _spelled() -> str:
    return shlex.join(["python", "run.py", *sys.argv[1:]])
