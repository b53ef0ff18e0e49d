"""`data`: make synthetic sets where the real files are unavailable, split files, and convert labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .examples import group, page
from .human_labels import labels
from .screen import result_line

_option = partial(typer.Option, show_default=False)

Out = Annotated[
    Path,
    _option("--out", metavar="FOLDER", help="Write the set into this folder: a new one, or one with an incomplete set "
            "of the same options. Required."),
]  # fmt: skip
Seed = Annotated[
    int,
    _option("--seed", help="Set the seed of every draw; each simulation or pattern has a separate stream. Default: 0."),
]
Simulations = Annotated[
    int, _option("--simulations", metavar="N", help="Make this many cylinders, at most 9,999. Default: 200.")
]
Frames = Annotated[
    int,
    _option("--frames", metavar="K", help="Make each cylinder at this many times from 20.8 to 24.8 us, at most 21; one "
            "frame is at 22.2 us. Default: 1."),
]  # fmt: skip
Design = Annotated[
    Path | None,
    _option("--design", metavar="FILE", help="Take the targets from the first N rows of this design table. "
            "Default: drawn targets."),
]  # fmt: skip
Target = Annotated[str, _option("--target", help="Label patterns by bravais or space_group. Default: bravais.")]
Patterns = Annotated[
    int, _option("--patterns", metavar="N", help="Make this many patterns of each class. Default: 200.")
]
Classes = Annotated[
    int | None,
    _option("--classes", help="Use all 230 space groups, or the 144 of NIST's files; Bravais lattices are 14. "
            "Default: all."),
]  # fmt: skip
Tag = Annotated[str, _option("--tag", help="Begin the names of the files with this text. Default: Synthetic.")]
ValFraction = Annotated[
    float, _option("--val-fraction", help="Hold out this fraction of each class for validation. Default: 0.1.")
]
TestFraction = Annotated[
    float, _option("--test-fraction", help="Hold out this fraction of each class for testing. Default: 0.1.")
]
Radiation = Annotated[str, _option("--radiation", help="Simulate xray or neutron radiation. Default: xray.")]
Wavelength = Annotated[float, _option("--wavelength", help="Set the wavelength in angstrom. Default: 1.5406.")]
Kalpha2 = Annotated[
    float,
    _option("--kalpha2", help="Add copper's K-alpha 2 line at this intensity relative to K-alpha 1, such as 0.5. "
            "Default: 0, no second line."),
]  # fmt: skip
Start = Annotated[float, _option("--start", help="Begin patterns at this angle, in degrees 2-theta. Default: 3.")]
Step = Annotated[
    float, _option("--step", help="Set the distance between two points, in degrees 2-theta. Default: 0.05.")
]
Points = Annotated[int, _option("--points", help="Set the number of points of a pattern. Default: 3042.")]
FwhmMin = Annotated[
    float,
    _option("--fwhm-min", help="Set the full width at half maximum of the narrowest peak, in degrees. Default: 0.05."),
]
FwhmMax = Annotated[
    float,
    _option("--fwhm-max", help="Set the full width at half maximum of the widest peak, in degrees. Default: 0.4."),
]
Texture = Annotated[
    float,
    _option("--texture", help="Set the lowest March coefficient of preferred orientation, from 0.1 to 1. "
            "Default: 1, no texture."),
]  # fmt: skip
Background = Annotated[
    float,
    _option("--background", help="Set the highest background as a fraction of the highest line. Default: 0."),
]
Counts = Annotated[
    float,
    _option("--counts", help="Set the fewest counts at the highest point, at most 100,000. Default: 0, no noise."),
]
ZeroShift = Annotated[
    float, _option("--zero-shift", help="Shift patterns by at most this many degrees, either way. Default: 0.")
]

Source = Annotated[
    Path, typer.Argument(help="Name a folder of .npz fields, a .pt file of patterns, or a folder of .pt files.")
]
SplitOut = Annotated[
    Path,
    _option("--out", metavar="FOLDER", help="Write the file lists of fields, or the two files of patterns, into this "
            "folder. Default: the current folder."),
]  # fmt: skip
By = Annotated[
    str | None,
    _option("--by", help="Split fields by simulation, or by file as published, which leaks frames of one simulation "
            "into several splits. Default: simulation."),
]  # fmt: skip
TrainOfFields = Annotated[
    float | None, _option("--train-fraction", help="Put this fraction of fields into training. Default: 0.6.")
]
ValOfAll = Annotated[
    float,
    _option("--val-fraction", help="Put this fraction of fields, or of each class of patterns, into validation. "
            "Default: 0.2."),
]  # fmt: skip
TestOfFields = Annotated[
    float | None, _option("--test-fraction", help="Put this fraction of fields into testing. Default: 0.2.")
]
TagOfPatterns = Annotated[
    str | None, _option("--tag", help="Begin the names of the two files of patterns with this text. Default: Split.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        help="Make synthetic fields and patterns, split files for training, and convert labels.",
        no_args_is_help=True,
        **group("data"),
    )
    make = typer.Typer(
        help="Make a synthetic dataset in the file format of the real one.", no_args_is_help=True, **group("data make")
    )
    make.command(name="nested_cylinder", **page("data make nested_cylinder"))(nested_cylinder)
    make.command(name="diffraction", **page("data make diffraction"))(diffraction)
    commands.add_typer(make, name="make")
    commands.command(**page("data split"))(split)
    commands.command(**page("data labels"))(labels)
    app.add_typer(commands, name="data")


def nested_cylinder(
    out: Out, simulations: Simulations = 200, frames: Frames = 1, seed: Seed = 0, design: Design = None
) -> None:
    """Make density fields of detonated nested cylinders and their design table, drawn without hydrodynamics."""
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
    tag: Tag = "Synthetic",
    val_fraction: ValFraction = 0.1,
    test_fraction: TestFraction = 0.1,
    radiation: Radiation = "xray",
    wavelength: Wavelength = 1.5406,
    kalpha2: Kalpha2 = 0,
    start: Start = 3.0,
    step: Step = 0.05,
    points: Points = 3042,
    fwhm_min: FwhmMin = 0.05,
    fwhm_max: FwhmMax = 0.4,
    texture: Texture = 1.0,
    background: Background = 0,
    counts: Counts = 0,
    zero_shift: ZeroShift = 0,
) -> None:
    """Simulate powder patterns of random crystals, labelled by Bravais lattice or space group."""
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
    source: Source,
    out: SplitOut = Path(),
    by: By = None,
    train_fraction: TrainOfFields = None,
    val_fraction: ValOfAll = 0.2,
    test_fraction: TestOfFields = None,
    tag: TagOfPatterns = None,
    seed: Seed = 0,
) -> None:
    """Write file lists that split fields by simulation, or split powder patterns into two files by class."""
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
    """Write the lists, and report what was left out and what leaks."""
    from ..data.sources.filelist import divided, require_fractions, write

    usual = {"train": (fractions[0], 0.6), "val": (fractions[1], 0.2), "test": (fractions[2], 0.2)}
    given = {split: default if share is None else share for split, (share, default) in usual.items()}
    require_fractions(given)
    found, rest, unreadable = divided(source, fractions=given, by=by, seed=seed)
    for path in unreadable:
        say(f"skipped: {path} cannot be read")
    if by == "file":
        say("note: --by file puts frames of one simulation into several splits, as published: the test set is not new")
    for path in write(found, out):
        result_line(path)
    say(", ".join(f"{split} {_files(len(files))}" for split, files in found.items()))
    if rest:
        are = "is" if len(rest) == 1 else "are"
        say(
            f"note: {_files(len(rest))} {are} in no split, such as {rest[0]}. Shares are rounded down to complete {by}s"
        )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _require_none(what: str, **given: float | str | None) -> None:
    """Raise InputError for an option that has no effect on the files that are split."""
    from ..errors import InputError

    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} has no effect on {what}. Omit it")


def _require_there(source: Path) -> None:
    """Raise InputError if the path does not exist."""
    from ..errors import InputError

    if not source.exists():
        raise InputError(f"{source} does not exist. Name a folder of .npz files, a .pt file, or a folder of .pt files")


def _file(option: str, path: Path) -> Path:
    """Return the path. Raise InputError unless it is a file."""
    from ..errors import InputError

    if not path.is_file():
        raise InputError(f"{option} {path} is not a file. Name an existing file")
    return path


def _kept(found: int, what: str) -> str:
    kept = f". {found:,} of its {what} existed already" if found else ""
    return f"complete synthetic dataset{kept}"
