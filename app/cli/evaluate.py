"""`evaluate`: report the test results of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..system.printable import printable
from ..tables import sizes
from . import options as o
from .examples import page
from .own_code import require_used
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from ..artifacts.parts import Errors, Rates
    from ..artifacts.runs import Run
    from ..artifacts.which import Which

Where = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="Name a finished run by its ID, folder, file or hf://owner/name/path. "
                   "Default: the run that --run, or --model, --size and --dataset select."),
]  # fmt: skip


_METRICS = (
    "Classification reports top-1, top-3 and top-5 accuracy with 95 % Wilson intervals, the loss, the recall of "
    "each class (the three lowest, or all of them with --json), and calibration: negative log-likelihood, Brier score "
    "and calibration error. Regression reports RMSE, MAE and R2 with 95 % bootstrap "
    "intervals."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("evaluate", _METRICS))(evaluate)


def evaluate(
    where: Where = None,
    run: o.RunId = None,
    model: o.OfModel = None,
    size: o.OfSize = None,
    dataset: o.OfDataset = None,
    best: o.Best = False,
    ema: o.Ema = False,
    top_k: o.TopK = None,
    temperature: o.Temperature = False,
    again: o.Again = False,
    data: o.DataAt = None,
    on: o.On = None,
    grid: o.OnGrid = None,
    design: o.OnDesign = None,
    filelist: o.OnFilelist = None,
    label_column: o.OnLabelColumn = None,
    image_column: o.OnImageColumn = None,
    device: o.Device = None,
    threads: o.Threads = None,
    verify: o.Verify = False,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Report the test results of a finished run on its test set or on other data, and store the predictions."""
    with Screen() as screen:
        triple, which = {"model": model, "size": size, "dataset": dataset}, _which(best=best, ema=ema)
        found = _find(where, run, triple, checkpoints, screen)
        from ..experiment import run as experiment  # torch, which a wrong name above should not wait for

        given = o.given({"grid": grid, "label_column": label_column, "image_column": image_column})
        files: dict[str, Any] = {"data": on or data, "design": design, "filelist": filelist}
        options = experiment.Options(device=device or "auto", threads=threads, verify=verify, **files)
        if on:
            _require_alone(again=again, data=data, top_k=top_k, temperature=temperature)
            found = experiment.evaluate_on(found, options, screen, given=given, which=which)
            return _elsewhere(found, experiment.latest(found), as_json=as_json)
        _require_with_on(data, again=again or temperature, verify=verify, design=design, filelist=filelist, **given)
        done = experiment.evaluate(found, options, screen, which=which, again=again, temperature=temperature)
    return _print(_drawn(done), which, experiment.top_k(done, top_k, which=which) if top_k else {}, as_json=as_json)


def _print(run: Run, which: Which, more: dict[str, Any], *, as_json: bool) -> None:
    from . import calibrated

    if as_json:
        return result_json(_result(run, which) | more | calibrated.values(run, which))
    return result(_text(run, which, more))


def _which(*, best: bool, ema: bool) -> Which:
    from ..artifacts.which import chosen

    return chosen(best=best, ema=ema)


def _require_alone(**others: Any) -> None:
    """Raise InputError for an option that applies to the run's own test set only."""
    from ..errors import InputError

    if given := [name for name, value in others.items() if value]:
        raise InputError(f"--{given[0].replace('_', '-')} applies to the run's test set. Omit it with --on")


def _require_again(again: bool, *, verify: bool) -> None:
    """Raise InputError for --verify where no file of the cache is read."""
    from ..errors import InputError

    if verify and not again:
        raise InputError(
            "--verify has an effect with --again or --on only: stored predictions need no dataset. Omit it"
        )


def _require_with_on(data: str | None, *, again: bool, verify: bool, **others: str | None) -> None:
    """Raise InputError for an option that describes files that are not named, or that are not read."""
    from ..errors import InputError

    _require_again(again, verify=verify)
    with_data = ("design", "filelist")
    if given := [name for name, value in others.items() if value and not (name in with_data and data)]:
        option = f"--{given[0].replace('_', '-')}"
        raise InputError(f"{option} has an effect with --on only. Add --on, or omit {option}")


def _elsewhere(run: Run, found: Rates | Errors, *, as_json: bool) -> None:
    """Print the result on other files than the run's own test set."""
    from ..artifacts.record import plain
    from ..sharing.card import test_lines

    if as_json:
        return result_json(_names(run) | {"split": "elsewhere", **plain(found), **_classes(run)})
    head = f"run {run.record.run_id}, {found.weights} weights, on {found.n:,} rows of {printable(found.path)}"
    left = found.rows_left_out
    notes = [f"skipped: {left:,} rows of classes that the run does not know"] if left else []
    notes += [f"skipped: {found.unreadable:,} images that cannot be read"] if found.unreadable else []
    kept = f"stored next to the run's own test results in {printable(run.files.record)}"
    return result("\n".join([head, *test_lines(run, found), *notes, kept]))


def _find(where: str | None, run: str | None, triple: dict[str, Any], checkpoints: Path, screen: Screen) -> Run:
    """Return the run that is meant. Raise InputError if this is unclear."""
    from ..artifacts import runs as finding
    from ..errors import InputError
    from ..tables import own
    from ..tables.models import is_name, model_row
    from ..tables.sizes import parse_size

    named = {name: value for name, value in triple.items() if value is not None}
    if (where or run) and [*named] == ["model"] and own.is_file(named["model"]):  # the run's own code
        own.ask(named.pop("model"))
    if (ways := sum(map(bool, (where, run, named)))) != 1:
        problem = f"the run is named in {ways} ways, but one is allowed" if ways else "no run is named"
        raise InputError(
            f"{problem}. Give a path, or --run ID, or --model, --size and --dataset (see `evaluate --help`)"
        )
    screen.stage("looking for the run")
    if asked := run or where:
        from ..sharing import named as naming

        found = (finding.by_id if run else naming.run_of)(asked, checkpoints, screen.say)
        require_used(triple["model"], found)
        return found
    if "model" in named:
        named["model"] = model_row(named["model"]).name
    if "size" in named:
        whole = is_name(named["size"])  # of a model that has one size
        named["size"] = named["size"] if whole else parse_size(named["size"])
    if "dataset" in named:
        named["dataset"] = _dataset_name(named["dataset"])
    return finding.newest(
        **{"model": None, "size": None, "dataset": None} | named, checkpoints=checkpoints, say=screen.say
    )


def _dataset_name(asked: str) -> str:
    from ..tables.datasets import dataset_row

    if row := dataset_row(asked):
        return row.name
    from .. import data

    return data.dataset_name(asked)


def _drawn(run: Run) -> Run:
    """Return the run with the figure of its test, which is drawn unless it exists."""
    from ..report import testing

    testing.draw_once(run)
    return run


def _result(run: Run, which: Which) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    from ..artifacts.record import plain

    return _names(run) | {"split": "test", "weights": which.name, **plain(_test(run, which)), **_classes(run)}


def _names(run: Run) -> dict[str, str]:
    return {"run_id": run.record.run_id, "model": run.record.model, "size": run.record.size,
            "dataset": run.record.dataset}  # fmt: skip


def _classes(run: Run) -> dict[str, list[str]]:
    """Return the class names of `per_class` and of the rows of the confusion matrix."""
    from ..sharing.entry import is_regression

    return {} if is_regression(run) else {"class_names": run.record.data.class_names}


def _test(run: Run, which: Which) -> Rates | Errors:
    """Return the results that were just made."""
    assert run.record.results
    found: Rates | Errors | None = getattr(run.record.results, which.test)
    assert found
    return found


def _text(run: Run, which: Which, more: dict[str, Any] | None = None) -> str:
    from ..artifacts.parts import Errors
    from ..sharing.card import percent, test_lines
    from . import calibrated

    test, about = _test(run, which), run.record
    what = f"run {about.run_id}: {sizes.named(about.model, about.size)} on {about.dataset}, {which.title}"
    asked = [f"{name}: {percent(rate)}" for name, rate in (more or {}).items() if not name.endswith("_interval")]
    lines = [what, *test_lines(run, test), *asked, *calibrated.lines(run, which)]
    figure = (
        [] if which.name != "final" else [run.files.truth_png if isinstance(test, Errors) else run.files.confusion_png]
    )
    if not isinstance(test, Errors):
        files = _named("all classes and the confusion matrix", run.files.record, *figure)
    else:
        kept = getattr(run.files, which.predictions)
        files = _named("all predictions with their true values", kept, *figure)
    warning = about.data.warning
    return "\n".join(map(printable, [*lines, *([f"note: {warning}"] if warning else []), files]))


def _named(what: str, first: Path, *others: Path) -> str:
    """Return the line that says which files have the rest; figures are drawn of the final weights only."""
    return f"{what}: {' and '.join(map(str, (first, *others)))}"
