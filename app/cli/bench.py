"""`bench`: measure speed on this machine, in turns with what is installed of timm and HF."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .examples import group, page
from .screen import result, result_json

if TYPE_CHECKING:
    from ..bench.report import Report
    from ..bench.rounds import Pace
    from ..place import Place

_option = partial(typer.Option, show_default=False)

ROUNDS, SECONDS = 5, 180.0
Rounds = Annotated[
    int, _option("--rounds", min=1, help="Measure each contender this many times, in turns. Default: 5.")
]
Seconds = Annotated[
    float,
    _option("--seconds", min=0, metavar="SECONDS", help="After three rounds, begin no further one this many seconds "
            "after the warm-up. If one call takes longer, its warm-up is the first sample. Default: 180."),
]  # fmt: skip
Compile = Annotated[
    bool | None,
    _option("--compile/--no-compile", metavar="", help="Measure compiled models of ours and timm's too, which takes "
            "minutes. Default: on for CUDA only."),
]  # fmt: skip
Tokens = Annotated[
    str, _option("--tokens", help="Measure these numbers of tokens, separated by commas. Default: 64,256,1024,4096.")
]
DatasetRow = Annotated[
    str | None,
    _option("--dataset", help="Use the image, patch and classes of this dataset, which `run.py datasets` lists. "
            "Default: cifar100."),
]  # fmt: skip
BatchOfStep = Annotated[
    int | None,
    _option("--batch-size", help="Set the examples of one step. Default: 4 on a CPU, else the dataset's protocol."),
]
BatchOfLayer = Annotated[
    int | None, _option("--batch-size", help="Set the examples of one call. Default: 1 on a CPU, else 8.")
]
ModelOfStep = Annotated[
    str | None,
    _option("--model", help="Measure this model too, at its default size if it is in no size table: a name, or "
            "FILE.py:NAME. Default: none."),
]  # fmt: skip
Compare = Callable[["Place", "Pace"], "Report"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        help="Measure speed on this machine next to timm and HF Trainer, which `uv sync --group bench` installs.",
        no_args_is_help=True,
        **group("bench"),
    )
    commands.command(**page("bench step"))(step)
    commands.command(**page("bench attention"))(attention)
    app.add_typer(commands, name="bench")


def step(
    model: ModelOfStep = None,
    model_args: o.ModelArgs = None,
    size: o.Size = None,
    dataset: DatasetRow = None,
    image: o.Image = None,
    patch: o.Patch = None,
    batch_size: BatchOfStep = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    attention_path: o.AttentionPath = None,
    deterministic: o.Deterministic = None,
    compiled: Compile = None,
    rounds: Rounds = ROUNDS,
    seconds: Seconds = SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Measure one training step of isoscale, timm and HF Trainer at equal shape."""
    request = requested(
        model=model, model_args=model_args, size=size, dataset=dataset, image=image, patch=patch,
        batch_size=batch_size, precision=precision,
    )  # fmt: skip

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.step import compare
        from ..computing.execution import Wishes

        wishes = Wishes(
            threads=threads, attention_path=attention_path, deterministic=deterministic, compile=compiled
        )  # fmt: skip
        return compare(request, here, pace, wishes)

    present(compare, device, precision, threads, rounds, seconds, as_json, _spelled())


def attention(
    tokens: Tokens = "64,256,1024,4096",
    size: o.Size = None,
    dataset: DatasetRow = None,
    batch_size: BatchOfLayer = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    rounds: Rounds = ROUNDS,
    seconds: Seconds = SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Measure forward and backward of one attention layer by each path, at the width of the --size."""
    from ..bench.request import token_counts

    counts = token_counts(tokens)
    request = requested(size=size, dataset=dataset, batch_size=batch_size, precision=precision)

    def compare(here: Place, pace: Pace) -> Report:
        from ..bench.attention import compare

        few = {"batch_size": 1 if here.device.type == "cpu" else 8}
        return compare({**few, **request}, here, pace, tokens=counts)

    present(compare, device, precision, threads, rounds, seconds, as_json, _spelled())


def requested(**given: Any) -> dict[str, Any]:
    """Return the options that were given. Raise InputError for values that no model can have, without torch."""
    from ..bench.request import requests, resolved
    from ..tables.sizes import parse_size

    request = {name: value for name, value in given.items() if value is not None}
    if "size" in request:
        request["size"] = parse_size(request["size"])
    for each in requests(request):
        resolved(each)
    return request


def present(
    compare: Compare, device: str | None, precision: str | None, threads: int | None, rounds: int, seconds: float,
    as_json: bool, command: str,
) -> None:  # fmt: skip
    """Measure at the place asked for; print the result on stdout and the rest on stderr. `command` repeats it."""
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
