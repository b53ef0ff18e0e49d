"""The options of `plot`: what a figure's width, caption, format and folder are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError

_option = partial(typer.Option, show_default=False)


def _inches(text: str) -> float:
    from ..report import canvas

    try:
        return canvas.inches(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def _width(default: str) -> Any:
    """Return the option of a kind of figure that has this width by default."""
    return _option("--width", parser=_inches, metavar="LENGTH", help="Set the width of each figure, with the unit in, "
                   f"mm or cm, from 2.5in to 20in, such as 3.25in for one column. Default: {default}.")  # fmt: skip


Width = Annotated[float | None, _width("8.5in")]
WidthOfHistory = Annotated[float | None, _width("12in, and 8.5in for the time to the threshold")]
WidthOfPatterns = Annotated[float | None, _width("11in")]
Caption = Annotated[
    bool,
    _option("--caption/--no-caption", metavar="", help="Print the title and the caption in the figure, or else both on "
            "stderr, as one line `caption: ...` per figure. Default: --caption."),
]  # fmt: skip


def _folder(out: Path) -> Path:
    """Return the folder of the figures. Raise InputError for the name of a figure, which would become a folder."""
    kind = out.suffix.lower().removeprefix(".")
    if kind in ("png", "svg", "pdf", "jpg", "jpeg", "eps") and not out.is_dir():
        raise InputError(
            f"--out {out} is a file, but figures are written into a folder, under names of their content. Name a "
            "folder, and the format with --format, such as --format pdf"
        )
    return out


Folder = Annotated[
    Path, _option("--out", callback=_folder, help="Write the figures into this folder. Default: figures.")
]
Format = Annotated[
    str,
    _option("--format", help="Write each figure in these formats, of png, svg and pdf, separated by commas. "
            "Default: png,svg."),
]  # fmt: skip
USUAL_FORMATS = "png,svg"
Threshold = Annotated[
    float | None,
    _option("--threshold", min=0, help="Measure the time until the validation loss is below this value. "
            "Default: 0.001 for regression; classification requires a value."),
]  # fmt: skip
Top = Annotated[
    float | None, _option("--top", min=0, help="End the loss axes at this loss. Default: chosen from the runs.")
]
Zoom = Annotated[
    float | None,
    _option("--zoom", min=0, help="End the zoomed loss axes at this loss. Default: chosen from the runs."),
]
PublishedFiles = Annotated[
    list[Path] | None,
    _option("--published", metavar="FILE", help="Also draw the run of this studyNNN_trainval_summary.csv of LANL's "
            "study; repeat it for more files. Default: none."),
]  # fmt: skip
Fields = Annotated[
    Path, typer.Argument(help="Read the .npz files of the simulations from this folder.", metavar="FOLDER")
]
FieldName = Annotated[str, _option("--field", help="Draw this field. Default: rho.")]
Simulation = Annotated[
    str | None,
    _option("--simulation", help="Draw the simulation with this key, or with a key that ends so, such as id0020. "
            "Default: the first."),
]  # fmt: skip
Count = Annotated[int, _option("--count", min=1, max=12, help="Draw this many patterns. Default: 6.")]
Separate = Annotated[
    bool, _option("--separate", help="Draw a separate figure for each architecture. Default: one figure for all.")
]  # fmt: skip
Metric = Annotated[
    str | None,
    _option("--metric", help="Draw this metric of the test, such as top1, nll, rmse or log-mse. Default: top1 for "
            "classification, rmse for regression."),
]  # fmt: skip
CountOfImages = Annotated[
    int | None,
    _option("--count", min=1, max=60, help="Draw up to this many images in each of the two grids. Default: 12, or 6 "
            "in a narrow figure."),
]  # fmt: skip
Fit = Annotated[
    bool,
    _option("--fit", help="Fit the error over all sizes on two logarithmic axes, with the exponent of each "
            "architecture, and also write the numbers as JSON. Default: no fit."),
]  # fmt: skip
NumbersAsJson = Annotated[
    bool, _option("--json", help="Print the numbers of the figure as JSON, without a figure. Default: figures.")
]
AxisName = Annotated[
    str,
    _option("--x", help="Draw the results against this quantity of a run. Choices: parameters, flops, dollars. "
            "Default: parameters."),
]  # fmt: skip
USUAL_AXIS = "parameters"
UsdPerHour = Annotated[
    float | None,
    _option("--usd-per-hour", min=0, help="State the price of a machine in USD per hour for --x dollars, for runs that "
            "have none in their record. Default: none."),
]  # fmt: skip


def require_one_kind(*, separate: bool, metric: str | None, fit: bool, as_json: bool, axis: str) -> None:
    """Raise InputError for options of different kinds of figures, and for an unknown axis."""
    from ..results.abscissa import NAMES
    from ..tables.ranges import check_known

    check_known("--x", axis, NAMES)
    if separate and (metric or fit):
        name, what = ("--fit", "fits all architectures") if fit else ("--metric", "is for the figure of all of them")
        raise InputError(f"{name} {what}, and --separate draws the accuracy of each architecture. Omit one of them")
    if fit and metric:
        raise InputError(f"--metric {metric} is not available with --fit, which fits the error. Omit one of them")
    for given, option in ((as_json, "--json"), (axis != USUAL_AXIS, f"--x {axis}")):
        if separate and given:
            raise InputError(f"{option} is for the figure of all architectures. Omit it, or omit --separate")
