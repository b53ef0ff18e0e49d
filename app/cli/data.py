"""`data`: makes synthetic sets where the real files are not to be had, and splits files into train, val and test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .screen import result_line

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="A new folder, or one to go on with.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every draw; each simulation or pattern has its own from it.")]
Simulations = Annotated[int, typer.Option("--simulations", metavar="N", help="How many cylinders.")]
Frames = Annotated[int, typer.Option("--frames", metavar="K", help="Times of each: 22.2 us, or K from 20.8 to 24.8.")]
Design = Annotated[
    Path | None,
    typer.Option("--design", metavar="FILE", help="Targets from the first N rows of a design table, instead of drawn.",
                 show_default=False),
]  # fmt: skip

_BY = "Of fields: simulation, or file as published, which leaks (simulation)."
By = Annotated[str | None, typer.Option("--by", help=_BY, show_default=False)]
TrainFraction = Annotated[float | None, typer.Option("--train-fraction", help="Of fields (0.6).", show_default=False)]
TestFraction = Annotated[float | None, typer.Option("--test-fraction", help="Of fields (0.2).", show_default=False)]
Target = Annotated[str, typer.Option("--target", help="bravais or space_group.")]
Patterns = Annotated[int, typer.Option("--patterns", metavar="N", help="How many of each class.")]
Classes = Annotated[
    int | None, typer.Option("--classes", help="Of space groups: 230, or the 144 of NIST's files.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(help="Make synthetic data, and split files.", no_args_is_help=True)
    make = typer.Typer(help="Make a synthetic set in the format of the real one.", no_args_is_help=True)
    make.command(name="nested_cylinder")(nested_cylinder)
    make.command(name="diffraction")(diffraction)
    commands.add_typer(make, name="make")
    commands.command()(split)
    app.add_typer(commands, name="data")


def nested_cylinder(
    out: Out, simulations: Simulations = 200, frames: Frames = 1, seed: Seed = 0, design: Design = None
) -> None:
    """Density fields of a detonated nested cylinder, and their design table: drawn, not computed by hydrodynamics."""
    from ..system.durable import sha256
    from ..tables.synthetic import FieldRecipe

    recipe = FieldRecipe(simulations=simulations, frames=frames, seed=seed)
    if design is not None:
        recipe = dataclasses.replace(recipe, design=sha256(_file("--design", design)))
    from ..synthetic.cylinder_files import make
    from .screen import Screen

    with Screen() as screen:
        found = make(recipe, out, design=design, progress=screen.making)
        screen.say(_kept(found, "fields"))
    result_line(out)


def diffraction(
    out: Out,
    target: Target = "bravais",
    patterns: Patterns = 200,
    classes: Classes = None,
    seed: Seed = 0,
    tag: Annotated[str, typer.Option("--tag", help="How the files' names begin.")] = "Synthetic",
    val_fraction: Annotated[float, typer.Option("--val-fraction", help="Share of each class.")] = 0.1,
    test_fraction: Annotated[float, typer.Option("--test-fraction", help="Share of each class.")] = 0.1,
    radiation: Annotated[str, typer.Option("--radiation", help="xray or neutron.")] = "xray",
    wavelength: Annotated[float, typer.Option("--wavelength", help="In angstrom.")] = 1.5406,
    kalpha2: Annotated[float, typer.Option("--kalpha2", help="Copper's second line over its first: 0.5 or none.")] = 0,
    start: Annotated[float, typer.Option("--start", help="First 2-theta, in degrees.")] = 3.0,
    step: Annotated[float, typer.Option("--step", help="Degrees between points.")] = 0.05,
    points: Annotated[int, typer.Option("--points", help="Points of a pattern.")] = 3042,
    fwhm_min: Annotated[float, typer.Option("--fwhm-min", help="Narrowest peak, in degrees.")] = 0.05,
    fwhm_max: Annotated[float, typer.Option("--fwhm-max", help="Widest peak, in degrees.")] = 0.4,
    texture: Annotated[float, typer.Option("--texture", help="Lowest March coefficient; 1 is none.")] = 1.0,
    background: Annotated[float, typer.Option("--background", help="Highest background over highest line.")] = 0,
    counts: Annotated[float, typer.Option("--counts", help="Fewest counts at the highest point; 0: no noise.")] = 0,
    zero_shift: Annotated[float, typer.Option("--zero-shift", help="Largest shift either way, in degrees.")] = 0,
) -> None:
    """Powder patterns of random crystals, labelled by Bravais lattice or space group: simulated, not measured."""
    given = {name: value for name, value in locals().items() if name != "out"}
    from ..tables.synthetic import PatternRecipe

    recipe = PatternRecipe(**given)
    from ..synthetic.diffraction import make
    from .screen import Screen

    with Screen() as screen:
        found = make(recipe, out, progress=partial(screen.making, what="patterns"))
        screen.say(_kept(found, "files"))
    result_line(out)


def split(
    source: Annotated[Path, typer.Argument(help="A folder of .npz fields, or a .pt file or folder of patterns.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="For the lists or files.")] = Path(),
    by: By = None,
    train_fraction: TrainFraction = None,
    val_fraction: Annotated[float, typer.Option("--val-fraction", help="Of fields, or of each class.")] = 0.2,
    test_fraction: TestFraction = None,
    tag: Annotated[
        str | None, typer.Option("--tag", help="How the names of split patterns begin (Split).", show_default=False)
    ] = None,
    seed: Seed = 0,
) -> None:
    """Lists of nested-cylinder files by simulation, or train and validation files of powder patterns by class."""
    from ..tables.ranges import check_known, check_not_negative
    from .screen import Screen

    check_known("--by", by or "simulation", ("simulation", "file"))
    check_not_negative(seed=seed)
    _require_there(source)
    say = Screen().say
    patterns = source.suffix == ".pt" or (source.is_dir() and any(source.glob("*.pt")))
    if not patterns:
        _require_none("fields, whose lists have names of their own", tag=tag)
        return _split_fields(source, out, by or "simulation", (train_fraction, val_fraction, test_fraction), seed, say)
    _require_none(
        "patterns, which are split in two by class", by=by, train_fraction=train_fraction, test_fraction=test_fraction
    )
    from ..data.sources.pattern_split import split as split_patterns

    rows = split_patterns(source, out, tag=tag or "Split", val_fraction=val_fraction, seed=seed)
    for path, count in rows.items():
        say(f"{count:,} patterns, each class in its share")
        result_line(path)
    return None


def _split_fields(
    source: Path, out: Path, by: str, fractions: tuple[float | None, float, float | None], seed: int,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Writes the lists, and says aloud what was left out and what leaks."""
    from ..data.sources.filelist import divided, require_fractions, write

    usual = {"train": (fractions[0], 0.6), "val": (fractions[1], 0.2), "test": (fractions[2], 0.2)}
    given = {split: default if share is None else share for split, (share, default) in usual.items()}
    require_fractions(given)
    found, unreadable = divided(source, fractions=given, by=by, seed=seed)
    for path in unreadable:
        say(f"left out: {path} cannot be read")
    if by == "file":
        say("note: --by file puts frames of one simulation into several splits, as published: the test set is not new")
    for path in write(found, out):
        result_line(path)
    say(", ".join(f"{split} {len(files):,} files" for split, files in found.items()))


def _require_none(what: str, **given: float | str | None) -> None:
    """Raises InputError for an option that has no effect on what is split."""
    from ..errors import InputError

    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} has no effect on {what}; leave it out")


def _require_there(source: Path) -> None:
    """Raises InputError where nothing is."""
    from ..errors import InputError

    if not source.exists():
        raise InputError(f"there is no {source}; name a folder of .npz files, or .pt files")


def _file(option: str, path: Path) -> Path:
    """The path; raises InputError unless it is a file."""
    from ..errors import InputError

    if not path.is_file():
        raise InputError(f"{option} {path} is no file; give one that is")
    return path


def _kept(found: int, what: str) -> str:
    kept = f"; {found:,} of its {what} were there already" if found else ""
    return f"synthetic, whole{kept}"
