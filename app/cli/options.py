"""The options of the command line: those of the settings, made from their declarations, and the commands' own."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..config.settings import GROUPS, PANELS, declared, flag, options_of
from ..config.settings.declaring import MOST, WRITTEN, Setting, from_text, seconds, types_of
from ..errors import InputError

FIRST = ("model", "size", "dataset", "image", "patch", "epochs", "batch_size", "lr", "seed", "upload")  # in --help
WHERE_DEFAULTS_COME_FROM = (
    "`run.py datasets` prints each dataset's protocol. `run.py models` prints the model's own and the size table's "
    "values."
)
_option = partial(typer.Option, show_default=False)
_flag = partial(_option, metavar="")
_SETTINGS = options_of(*GROUPS)
_DAY = 86400  # seconds


def takes(**own: tuple[Any, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of every setting, and then its `own`: name -> annotation and default.

    An option of the command replaces the setting with the same name.
    """

    def give(command: Callable[..., None]) -> Callable[..., None]:
        taken = [*(each for each in _of_settings() if each.name not in own), *_parameters(own)]
        command.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        return command

    return give


def only(**own: tuple[Any, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these parameters: name -> annotation and default."""

    def give(command: Callable[..., None]) -> Callable[..., None]:
        command.__signature__ = inspect.Signature(_parameters(own))  # type: ignore[attr-defined]
        return command

    return give


@cache
def _of_settings() -> list[inspect.Parameter]:
    return parameters(GROUPS)


def parameters(groups: tuple[type, ...]) -> list[inspect.Parameter]:
    """Return a command's parameters for the settings of some groups, panel by panel."""
    fields = options_of(*groups)
    order = sorted(fields, key=lambda name: _rank(name, PANELS.index(declared(fields[name]).panel)))
    hints = {name: hint for group in groups for name, hint in typing.get_type_hints(group).items()}
    made = {
        name: (Annotated[_first(hints[name]) | None, option(fields[name])], _default(fields[name])) for name in order
    }
    return _parameters(made)


def _parameters(made: Mapping[str, tuple[Any, Any]]) -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=default, annotation=annotation)
        for name, (annotation, default) in made.items()
    ]


def _rank(name: str, panel: int) -> tuple[int, int]:
    """Return where an option stands: the first by their list, the others by panel and then as they are declared."""
    return (0, FIRST.index(name)) if name in FIRST else (1, panel)


def _first(hint: Any) -> Any:
    """Return the type that Typer converts an option to: the first of a union's.

    Of a tuple, which is one text with a parser here, Typer would want as many words as it has types.
    """
    first = next(iter(typing.get_args(hint)), hint)
    return str if typing.get_origin(first) is tuple else first


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return what a command gets where an option is omitted: nothing, but of switches and paths their default."""
    return field.default if not declared(field).decides and isinstance(field.default, bool | Path) else None


def option(field: dataclasses.Field[Any]) -> Any:
    """Return the Typer option of a setting."""
    its = declared(field)
    panel = None if field.name in FIRST else its.panel  # None: Typer's own, "Options", which comes before all others
    more: dict[str, Any] = {"rich_help_panel": panel, "help": help_of(its)}
    if types_of(field)[0] in WRITTEN or its.time:
        more["parser"] = _parser(field)
    if not its.decides and its.least is not None:
        more["min"] = its.least
        if its.most not in (None, MOST):
            more["max"] = its.most
    if known := its.choices or its.words:
        more["autocompletion"] = lambda: list(known)
    name = flag(field.name)
    if "bool" in types_of(field):
        name += f"/{its.off or '--no-' + name[2:]}"
        more["metavar"] = ""
    if its.metavar:
        more["metavar"] = its.metavar
    return _option(name, **more)


def help_of(its: Setting) -> str:
    """Return the help line of a setting: its sentence, the choices, the default."""
    choices = f" Choices: {', '.join(its.choices)}." if its.choices else ""
    choices += f" Names: {', '.join(its.words)}." if its.words else ""
    return f"{its.help}{choices} Default: {its.shown}."


def _parser(field: dataclasses.Field[Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return from_text(field, text)
        except InputError as error:
            raise typer.BadParameter(str(error)) from None

    return parse


def interval(text: str) -> float:
    """Return the seconds of an option that is a time, such as 90s. Raise BadParameter."""
    try:
        found = seconds(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    if not 1 <= found <= _DAY:
        raise typer.BadParameter(f"{text} is not from 1s to 24h. Use a time such as 2m")
    return found


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, without those that are not there."""
    return {name: value for name, value in options.items() if value is not None}


def _of(name: str) -> Any:
    """Return the option of one setting, for a command whose options are written out."""
    return option(_SETTINGS[name])


Model = Annotated[str | None, _of("model")]
ModelArgs = Annotated[str | None, _of("model_args")]
Size = Annotated[str | None, _of("size")]
Image = Annotated[int | None, _of("image")]  # or a tuple, as app.tables.shape.Extent
Patch = Annotated[int | None, _of("patch")]
BatchSize = Annotated[int | None, _of("batch_size")]
Precision = Annotated[str | None, _of("precision")]
Device = Annotated[str | None, _of("device")]
Threads = Annotated[int | None, _of("threads")]
AttentionPath = Annotated[str | None, _of("attention_path")]
MicroBatchSize = Annotated[int | None, _of("micro_batch_size")]
Deterministic = Annotated[bool | None, _of("deterministic")]
Verify = Annotated[bool, _of("verify")]
DEFAULT_CHECKPOINTS = Path("checkpoints")


def _folder_of_runs(checkpoints: Path) -> Path:
    """Return the folder that runs are read from; raise InputError for one that was named and is not there."""
    if checkpoints.exists() and not checkpoints.is_dir():
        raise InputError(f"--checkpoints {checkpoints} is not a folder. Name a folder of runs")
    if checkpoints != DEFAULT_CHECKPOINTS and not checkpoints.exists():
        raise InputError(
            f"--checkpoints {checkpoints} does not exist. Name an existing folder of runs, or omit it for "
            f"`{DEFAULT_CHECKPOINTS}`"
        )
    return checkpoints


Checkpoints = Annotated[
    Path,
    _option("--checkpoints", callback=_folder_of_runs, help="Find runs in this folder. Default: checkpoints."),
]
Private = Annotated[bool, _of("private")]

Yes = Annotated[
    bool,
    _option("--yes", "-y", metavar="", help="Delete without asking. Default: ask on a terminal, refuse elsewhere."),
]
AsJson = Annotated[bool, _flag("--json/--no-json", help="Print JSON on stdout, for machines. Default: off.")]
Best = Annotated[
    bool, _flag("--best/--no-best", help="Use the best weights on validation. Default: the final weights.")
]
Ema = Annotated[bool, _flag("--ema/--no-ema", help="Use the average of a run with --ema. Default: the final weights.")]
TopK = Annotated[
    int | None, _option("--top-k", min=1, help="Also report top-K accuracy for this K. Default: top-1, 3 and 5 only.")
]
Again = Annotated[
    bool, _flag("--again/--no-again", help="Recompute the predictions from weights and data. Default: off.")
]
Temperature = Annotated[
    bool, _flag("--temperature/--no-temperature", help="Fit a temperature on the validation split, and report "
                "calibration with it too. Default: off.")
]  # fmt: skip
DataAt = Annotated[
    str | None,
    _option("--data", metavar="FOLDER", help="Read the run's local dataset from this folder, with --again. "
            "Default: where the run read it."),
]  # fmt: skip
On = Annotated[
    str | None,
    _option("--on", metavar="DATA", help="Evaluate on other data of the run's kind, such as a folder of labelled "
            "images, and keep the run's own test results. Default: the run's own test split."),
]  # fmt: skip
OnGrid = Annotated[
    str | None,
    _option("--grid", help="State the first angle and the step of the signals in degrees 2-theta, with --on. "
            "Default: 3:0.05 for 3041 or 3042 samples."),
]  # fmt: skip
OnDesign = Annotated[
    str | None,
    _option("--design", help="Read the targets of fields from this CSV file, with --on or --data. "
            "Default: the only CSV file in the folder."),
]  # fmt: skip
OnFilelist = Annotated[
    str | None,
    _option("--filelist", help="Read the splits of fields from these file lists, with --on or --data. Default: none."),
]
OnLabelColumn = Annotated[
    str | None,
    _option("--label-column", help="Name the column with the labels, with --on. Default: the run's own, else the only "
            "label column."),
]  # fmt: skip
OnImageColumn = Annotated[
    str | None,
    _option("--image-column", help="Name the column with the images, with --on. Default: the run's own, else the only "
            "image column."),
]  # fmt: skip
OfModel = Annotated[
    str | None,
    _option("--model", help="Evaluate the newest finished run of this model, or name the FILE.py:NAME of a RUN with "
            "your own model. Default: any."),
]  # fmt: skip
OwnModel = Annotated[
    str | None,
    _option("--model", metavar="FILE.py:NAME", help="Name the file of a run with a model of your own, whose code is "
            "never run from a record. Default: none."),
]  # fmt: skip
OfSize = Annotated[str | None, _option("--size", help="Evaluate the newest finished run of this size. Default: any.")]
OfDataset = Annotated[
    str | None,
    _option("--dataset", help="Evaluate the newest finished run on this dataset and name the others. Default: any."),
]
RunId = Annotated[
    str | None,
    _option("--run", metavar="ID", help="Select the run with this ID, or with an ID that begins so. Default: none."),
]
RunIds = Annotated[
    list[str] | None,
    _option("--run", metavar="ID", help="Select the run with this ID, or with an ID that begins so; repeat it for "
            "more runs. Default: the newest run of each dataset, and all that differ from it only in model, size and "
            "seed."),
]  # fmt: skip
