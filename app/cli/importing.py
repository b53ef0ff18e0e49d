"""`import`: convert a checkpoint of the CIFAR zoo into weights that `train --init` reads."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .examples import page
from .screen import Screen, program, result_line

Source = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="Read this .t7 or .pth file of a net of the zoo, as plain tensors.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", show_default=False, help="Write this .safetensors file. Default: the "
                 "name of the checkpoint, in the current folder."),
]  # fmt: skip
Force = Annotated[
    bool,
    typer.Option("--force/--no-force", metavar="", show_default=False, help="Replace an existing file. Default: off."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import", **page("import"))(convert)


def convert(checkpoint: Source, out: Out = None, force: Force = False) -> None:
    """Convert a checkpoint of the CIFAR zoo to .safetensors, and print the command that tests it."""
    from ..errors import InputError

    target = out or Path(f"{checkpoint.stem}.safetensors")
    if target.suffix != ".safetensors":
        raise InputError(f"--out {target} does not end in .safetensors. Use such a name")
    if target.exists() and not force:
        raise InputError(f"{target} exists. Use --force to replace it, or choose another --out")
    with Screen() as screen:
        screen.stage(f"reading {checkpoint}")
        from ..studies.legacy import checkpoints

        found = checkpoints.convert(checkpoint, target)
        if found.note:
            screen.say(f"note: {found.note}")
    result_line(f"written: {target}, {len(found.weights):,} tensors of {found.model} for {found.classes:,} classes")
    words = f"{shlex.join(program())} train {found.options()} --dataset {found.dataset or 'DATASET'}"
    result_line(f"next: {words} --init {shlex.quote(str(target))} --epochs 0")
