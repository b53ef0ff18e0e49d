"""`bench`: measured speed on this machine, in turns with what is installed of timm, torchvision, `datasets` and HF."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o

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
Sizes = Annotated[str, typer.Option("--sizes", help="Sizes whose steps a line is compared with; 1M is on digits.")]
CachedDataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Take the images of this cached dataset (made ones).", show_default=False),
]
DatasetRow = Annotated[
    str | None,
    typer.Option("--dataset", help="Whose image, patch and classes to take, of `run.py datasets` (cifar100).",
                 show_default=False),
]  # fmt: skip
_ROUNDS, _SECONDS = 5, 180.0


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(
        help="Measure speed on this machine, in turns with what others use (`uv sync --group bench` gets it).",
        no_args_is_help=True,
    )
    for command in (step, data, attention, log, startup):
        commands.command()(command)
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
    rounds: Rounds = _ROUNDS,
    seconds: Seconds = _SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """A training step of ours, timm's and HF's at equal shape (batch 4 on a CPU, else the protocol's)."""
    request = _request(size=size, dataset=dataset, image=image, patch=patch, batch_size=batch_size, precision=precision)

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.step import compare

        return compare(request, here, pace, threads=threads, attention_path=attention_path, compiled=compiled)

    _run(compare, device, precision, threads, rounds, seconds, as_json)


def data(
    model: o.Model = None,
    size: o.Size = None,
    dataset: CachedDataset = None,
    image: o.Image = None,
    patch: o.Patch = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = 1,
    rounds: Rounds = _ROUNDS,
    seconds: Seconds = _SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Images per host-core-second, ours and map-style loaders, and the share of a step that waits (on one thread)."""
    request = _request(model=model, size=size, image=image, patch=patch, batch_size=batch_size, precision=precision)
    _require_cacheable(dataset)

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.data import compare

        return compare(request, here, pace, dataset=dataset, threads=threads)

    _run(compare, device, precision, threads, rounds, seconds, as_json)


def attention(
    tokens: Tokens = "64,256,1024,4096",
    size: o.Size = None,
    dataset: DatasetRow = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    rounds: Rounds = _ROUNDS,
    seconds: Seconds = _SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Forward and backward of one attention layer by each path, its width from the size (batch 1 on a CPU, else 8)."""
    from ..bench.request import token_counts

    counts = token_counts(tokens)
    request = _request(size=size, dataset=dataset, batch_size=batch_size, precision=precision)

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.attention import compare

        few = {"batch_size": 1 if here.device.type == "cpu" else 8}
        return compare({**few, **request}, here, pace, tokens=counts)

    _run(compare, device, precision, threads, rounds, seconds, as_json)


def log(
    model: o.Model = None,
    sizes: Sizes = "1M,10M",
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    rounds: Rounds = _ROUNDS,
    seconds: Seconds = _SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Microseconds per line of the training log beside the write itself, and its share of a step."""
    common: dict[str, Any] = {"model": model, "batch_size": batch_size, "precision": precision}
    named = [_request(size=size, **common)["size"] for size in sizes.split(",")]

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.log import compare

        return compare(_request(**common), here, pace, sizes=named, threads=threads)

    _run(compare, device, precision, threads, rounds, seconds, as_json)


def startup(
    device: o.Device = "cpu",
    rounds: Rounds = _ROUNDS,
    seconds: Seconds = _SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Wall time of help and errors against an empty Typer app, and to the first step against importing torch (cpu)."""

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.startup import compare

        return compare(here, pace)

    _run(compare, device, None, None, rounds, seconds, as_json)


def _request(**given: Any) -> dict[str, Any]:
    """The options that were given; raises InputError for what no model can have, without torch."""
    from ..bench.request import resolved
    from ..tables.sizes import parse_size

    request = {name: value for name, value in given.items() if value is not None}
    if "size" in request:
        request["size"] = parse_size(request["size"])
    resolved(request)
    return request


def _require_cacheable(dataset: str | None) -> None:
    """Raises InputError for a dataset without a row."""
    if dataset is not None:
        from ..tables.datasets import DATASETS
        from ..tables.names import look_up

        look_up("dataset", dataset, DATASETS)


def _run(
    compare: Callable[[Place, Pace], Report], device: str | None, precision: str | None, threads: int | None,
    rounds: int, seconds: float, as_json: bool,
) -> None:  # fmt: skip
    """Measures at the place asked for; the result on stdout, all else on stderr."""
    from .. import place
    from ..bench import meter
    from ..bench.rounds import Pace
    from .screen import Screen

    with Screen() as screen, meter.threads(threads):
        here = place.choose(device=device or "auto", precision=precision or "auto", threads=threads)
        report = compare(here, Pace(rounds=rounds, seconds=seconds, say=screen.say))
    command = shlex.join(["python", "run.py", *sys.argv[1:]])
    typer.echo(json.dumps(report.to_json(command)) if as_json else report.to_text())
