"""`export`: write a finished run to a file or a folder that other programs load."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..system.printable import printable
from ..tables.formats import FORMATS
from . import options as o
from .examples import page
from .own_code import require_used
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..export.exported import Exported, Request

_option = partial(typer.Option, show_default=False)
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Name a finished run by its ID, its path, or hf://owner/name/path.")
]
Form = Annotated[
    str,
    _option("--format", help=f"Write this format. Choices: {', '.join(FORMATS)}. Required.",
            autocompletion=lambda: list(FORMATS)),
]  # fmt: skip
Out = Annotated[
    Path | None,
    _option("--out", "-o", metavar="PATH", help="Write to this file or folder. Default: the name of the run's weights "
            "with the format's ending, in the current folder."),
]  # fmt: skip
Preprocess = Annotated[
    bool,
    _option("--preprocess/--no-preprocess", metavar="", help="Include the resize and the normalisation, so that the "
            "model accepts uint8 images of the stored side. Default: normalised float32 inputs."),
]  # fmt: skip
Softmax = Annotated[
    bool,
    _option("--softmax/--no-softmax", metavar="", help="Return the probabilities of the classes. Default: logits."),
]
Opset = Annotated[
    int | None,
    _option("--opset", min=18, max=24, help="Write ONNX of this opset version. Default: 20."),
]
Runtime = Annotated[
    Path | None,
    _option("--runtime", metavar="FOLDER", help="Use the npm package onnxruntime-web in this folder, unpacked, for "
            "--format web. Default: npm fetches it once."),
]  # fmt: skip
Force = Annotated[
    bool, _option("--force/--no-force", metavar="", help="Replace an existing export at this path. Default: off.")
]

_CHECK = (
    "The file is compared with the run's model at batches of 1, 2 and 5. If outputs differ by more than 1e-4 of the "
    "largest output, the command fails and nothing is written."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("export", _CHECK))(export)


def export(
    run: RunName,
    form: Form,
    out: Out = None,
    best: o.Best = False,
    ema: o.Ema = False,
    model: o.OwnModel = None,
    preprocess: Preprocess = False,
    softmax: Softmax = False,
    opset: Opset = None,
    runtime: Runtime = None,
    force: Force = False,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Write a finished run to a file or a folder that other programs load without isoscale."""
    from ..artifacts.which import chosen
    from ..export.exported import Request
    from ..sharing import named
    from ..tables import own

    own.ask(model)
    choices: dict[str, Any] = {"preprocess": preprocess, "softmax": softmax, "opset": opset, "runtime": runtime}
    request = Request(format=form, which=chosen(best=best, ema=ema), **choices)
    request.require()
    with Screen() as screen:
        screen.stage("looking for the run")
        found = named.run_of(run, checkpoints, screen.say)
        require_used(model, found)
        screen.stage(f"exporting to {form}")
        from .. import export as exporting  # torch, which a wrong name above should not wait for

        done = exporting.export(found, request, out, force=force)
    _print(found, request, done, as_json=as_json)


def _print(run: Run, request: Request, done: Exported, *, as_json: bool) -> None:
    if as_json:
        values = dataclasses.asdict(done) | {"path": str(done.path)}
        return result_json({"run_id": run.record.run_id, "weights": request.which.name, **values})
    shape = " x ".join(["batch", *map(str, done.inputs)])
    batches = ", ".join(map(str, done.batches[:-1])) + f" and {done.batches[-1]}"
    lines = [f"{done.dtype} inputs {shape}, {done.output} as outputs, {request.which.title}"]
    lines += [f"largest difference from the run's model: {done.error:.1e} of the largest output, at batches {batches}"]
    lines += [done.note] if done.note else []
    return result("\n".join([*lines, f"written: {printable(done.path)}, {done.bytes:,} bytes"]))
