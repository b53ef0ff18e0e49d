"""`predict`: write the classes of unlabelled images, found by a finished run, to CSV and parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..system.printable import NAME, printable
from . import options as o
from .examples import page
from .own_code import require_used
from .screen import result, result_json

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..experiment.predicting import Predicted

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Name a finished run by its ID, its path, or hf://owner/name/path.")
]
Inputs = Annotated[
    list[str],
    typer.Argument(metavar="FOLDER|FILES...",
                   help="Classify these images, folders of images at any depth, or .txt lists of one path per line."),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option("--out", show_default=False, metavar="PATH",
                 help="Write PATH.csv and PATH.parquet, which may replace earlier predictions only. Default: "
                 "predictions_ID_FOLDER in the current folder."),
]  # fmt: skip
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, show_default=False,
                 help="Compute this many images at once. Default: the run's --val-batch-size."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("predict"))(predict)


def predict(
    run: RunName,
    inputs: Inputs,
    out: Out = None,
    best: o.Best = False,
    ema: o.Ema = False,
    model: o.OwnModel = None,
    batch_size: BatchSize = None,
    device: o.Device = None,
    threads: o.Threads = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Write the class and the probabilities of each image to CSV and parquet, and report unreadable files by name."""
    from ..artifacts.which import chosen
    from ..sharing import named
    from ..tables import own
    from .screen import Screen

    own.ask(model)
    with Screen() as screen:
        which = chosen(best=best, ema=ema)
        screen.stage("looking for the run")
        found = named.run_of(run, checkpoints, screen.say)
        require_used(model, found)
        screen.stage("predicting")
        from ..experiment import predicting  # torch, which a wrong name above should not wait for
        from ..experiment.options import Options

        options = Options(device=device or "auto", threads=threads)
        target = _target(out, found.record.run_id, inputs)
        done = predicting.predict(found, inputs, target, options, screen, which=which, batch_size=batch_size)
        if done.skipped:
            screen.say(f"skipped {_files(len(done.skipped))} that cannot be read: {predicting.shown(done.skipped)}")
    if as_json:
        return result_json(_result(found, done, which.name))
    return result(_text(done))


def _target(out: Path | None, run_id: str, inputs: list[str]) -> Path:
    """Return the path of the two files without their endings."""
    name = os.fsencode(Path(inputs[0]).resolve().stem)[:100].decode(errors="ignore") if len(inputs) == 1 else ""
    named = f"_{name}" if name else ""
    default = f"predictions_{run_id}{named}"
    if out is None:
        return Path(default)
    if out.is_dir():
        return out / default
    return out.with_suffix("") if out.suffix in (".csv", ".parquet") else out


def _result(run: Run, done: Predicted, weights: str) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    return {
        "run_id": run.record.run_id,
        "weights": weights,
        "n": done.n,
        "csv": str(done.csv),
        "parquet": str(done.parquet),
        "classes": {name: done.classes[name] for name in run.record.data.class_names},
        "skipped": [{"path": path, "reason": reason} for path, reason in done.skipped],
        "other_files": done.others,
    }


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _text(done: Predicted) -> str:
    common = ", ".join(f"{_named(name)}: {count:,}" for name, count in done.classes.most_common(10))
    more = f" and {len(done.classes) - 10:,} more classes" if len(done.classes) > 10 else ""
    left = [f"skipped: {_files(len(done.skipped))} that cannot be read"] if done.skipped else []
    left += [f"skipped: {_files(done.others)} without the name of an image"] if done.others else []
    images = f"{done.n:,} image{'' if done.n == 1 else 's'}"
    replaced = " (earlier predictions were replaced)" if done.replaced else ""
    written = f"written: {printable(done.csv)} and {printable(done.parquet)}{replaced}"
    return "\n".join([f"{images}: {common}{more}", *left, written])


def _named(name: str) -> str:
    """Return a class as a count follows it: a number is called a class, so that it is no count itself."""
    return f"class {name}" if name.replace(".", "").isdigit() else printable(name, NAME)
