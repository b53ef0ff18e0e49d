"""`data`: makes synthetic sets where the real files are not to be had, and splits files into train, val and test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="A new folder, or one to go on with.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every draw; each simulation or pattern has its own from it.")]
Simulations = Annotated[int, typer.Option("--simulations", metavar="N", help="How many cylinders.")]
Frames = Annotated[int, typer.Option("--frames", metavar="K", help="Times of each: 22.2 us, or K from 20.8 to 24.8.")]
Design = Annotated[
    Path | None,
    typer.Option("--design", metavar="FILE", help="Targets from the first N rows of a design table, instead of drawn.",
                 show_default=False),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(help="Make synthetic data, and split files.", no_args_is_help=True)
    make = typer.Typer(help="Make a synthetic set in the format of the real one.", no_args_is_help=True)
    make.command(name="nested_cylinder")(nested_cylinder)
    commands.add_typer(make, name="make")
    app.add_typer(commands, name="data")


def nested_cylinder(
    out: Out, simulations: Simulations = 200, frames: Frames = 1, seed: Seed = 0, design: Design = None
) -> None:
    """Density fields of a detonated nested cylinder, and their design table: drawn, not computed by hydrodynamics."""
    from app.durable import sha256
    from app.recipes import FieldRecipe

    recipe = FieldRecipe(simulations=simulations, frames=frames, seed=seed)
    if design is not None:
        recipe = dataclasses.replace(recipe, design=sha256(_file("--design", design)))
    from app.cli.screen import Screen
    from app.data.synthetic.cylinder_files import make

    with Screen() as screen:
        found = make(recipe, out, design=design, progress=screen.making)
        screen.say(_kept(found, "fields"))
    typer.echo(str(out))


def _file(option: str, path: Path) -> Path:
    """The path; raises InputError unless it is a file."""
    from app.errors import InputError

    if not path.is_file():
        raise InputError(f"{option} {path} is no file; give one that is")
    return path


def _kept(found: int, what: str) -> str:
    kept = f"; {found:,} of its {what} were there already" if found else ""
    return f"synthetic, whole{kept}"
