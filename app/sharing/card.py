"""The model card: the README of a run's folder, with model-index metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from ..artifacts.parts import Errors, Rates
from ..artifacts.runs import Run
from ..config import noisy
from ..config.effects import kind_of
from ..system.printable import NAME, block, code, escaped, printable
from ..tables import keywords
from ..tables.families import FamilyRow
from ..tables.models import model_row
from ..tables.shape import CELLS, with_unit
from . import licence, public, recipe, using
from .entry import dataset_title, index_entry, is_regression, metadata, tags_of
from .front import front

_FIGURES = {  # by their names in RunFiles
    "loss_png": "Loss of each training step and of the validation",
    "confusion_png": "Confusion matrix of the test",
    "truth_png": "Predicted against true values of the test",
}


def percent(fraction: float) -> str:
    """Return a rate for a reader, with two decimals."""
    return f"{100 * fraction:.2f} %"


def with_interval(test: Rates) -> str:
    """Return top-1 accuracy with its 95 % interval and n."""
    low, high = test.top1_interval
    return f"{percent(test.top1)} (95 % Wilson interval {percent(low)} to {percent(high)}, n = {test.n:,})"


def results(run: Run, test: Rates | Errors) -> dict[str, str]:
    """Return a test's numbers by name for a reader's table. Runs are compared by the first number."""
    if isinstance(test, Errors):
        return _errors(test) | _grouped(run)
    found = {"top-1 accuracy": with_interval(test)}
    for k, rate in ((3, test.top3), (5, test.top5)):
        if run.config.classes > k and rate is not None:  # records of earlier versions lack top-3
            found[f"top-{k} accuracy"] = percent(rate)
    if test.balanced_accuracy is not None:
        found["balanced accuracy"] = percent(test.balanced_accuracy)
    named = zip(test.per_class, run.record.data.class_names, strict=True)
    lowest = sorted((recall, name) for recall, name in named if recall is not None)[:3]  # None: no test rows
    found["lowest recall"] = ", ".join(f"{printable(name, NAME)} ({percent(recall)})" for recall, name in lowest)
    return found | {"cross-entropy": f"{test.loss:.4f}"} | _grouped(run)


def _grouped(run: Run) -> dict[str, str]:
    """Return the remark that an interval of one run ignores the groups of its test rows, if they have any."""
    if not run.config.group_column:
        return {}
    column = printable(run.config.group_column, NAME)
    return {"interval": f"as if rows with one value of {column} were independent (`compare` counts each group once)"}


def test_lines(run: Run, test: Rates | Errors) -> list[str]:
    """Return a test's numbers as lines for a terminal."""
    first, *others = results(run, test).items()
    name = "accuracy" if first[0] == "top-1 accuracy" else first[0]
    return [f"test {name}: {first[1]}", "; ".join(f"{name}: {text}" for name, text in others)]


def _errors(test: Errors) -> dict[str, str]:
    """Return RMSE, MAE and R2 with their intervals, and the spread of the targets to compare them with."""
    found = {}
    for name in ("rmse", "mae", "r2"):
        if isinstance(value := getattr(test, name), int | float):
            n = [f"n = {test.n:,}"] if name == "rmse" else []
            within = getattr(test, f"{name}_interval")  # None: one simulation, or a resampling without R2
            interval = [f"95 % bootstrap interval {within[0]:.4g} to {within[1]:.4g}"] if within else []
            beside = f" ({', '.join(interval + n)})" if interval + n else ""
            found[name.upper()] = f"{value:.4g}{beside}"
    return found | {"standard deviation of the targets": f"{test.target_std:.4g}"}


def run_card(run: Run, address: str, uploaded: Collection[str] | None = None) -> str:
    """Return the README of a run's folder: model, results, figures, recipe, data, licence, and use of the weights.

    `address` is the address of the folder, `hf://owner/name/path`. `uploaded` are the names of the files in the folder.
    Default: those that exist now.
    """
    hub = run.record.data.hub
    names = {path.name for path in run.files.present()} if uploaded is None else uploaded
    fields = metadata(
        [index_entry(run)], [hub] if hub else [], tags_of(run.record.model, run.config.attention), licence.metadata(run)
    )
    return f"""{front(fields)}
{_what(run)}{_figures(run, names)}

## How

{_how(run)}

## Data

{_data(run)}

## Licence

{licence.sentences(run)}

{using.section(run, address)}
"""


def _figures(run: Run, names: Collection[str]) -> str:
    """Return the figures of the run that are next to the card."""
    there = {name: path.name for name, path in run.files.named(_FIGURES).items() if path.name in names}
    return "".join(f"\n\n![{_FIGURES[name]}]({quote(file)})" for name, file in there.items())


def _what(run: Run) -> str:
    """Return the model, its numbers, and the notes that a reader of the numbers needs."""
    record, test = run.record, run.record.test
    row = model_row(record.model)
    began = recipe.began(run.config, record.init)
    limited = "\n\n**A trial: the dataset was cut with `--limit-*`.**" if run.config.limited else ""
    numbers = "\n".join(f"| {name} | {escaped(text)} |" for name, text in results(run, test).items())
    warning = f"\n\n**Note:** {escaped(public.note(record.data.warning, record))}." if record.data.warning else ""
    return f"""# {row.title}, {escaped(record.size)}, {escaped(dataset_title(record.dataset))}

Run {code(record.run_id)}: a {row.title} ({row.source}) of {record.parameters.total:,} trainable parameters
({record.parameters.non_embedding:,} without embeddings), {began}.{limited}{warning}

| test | |
|---|---|
{numbers}

These are the final weights after {run.config.epochs:,} epochs. The test set was evaluated once, at the end.
{_best(run)}"""


def _best(run: Run) -> str:
    best = run.record.best
    assert best, "a finished run has a best epoch"
    by = "lowest validation loss" if best.correct is None else "highest validation accuracy"
    return f"""The weights with the {by} (epoch {best.epoch}, loss {best.val_loss:.4g}) are in
{code(run.files.best.name)}.{_average(run)}"""


def _average(run: Run) -> str:
    """Return a sentence on the average of the weights, or "" for a run without one."""
    if run.config.ema is None:
        return ""
    half_life = f"{run.config.ema:g} epoch{'s' * (run.config.ema != 1)}"
    return f"""
Their average over the steps, with a half-life of {half_life}, is in {code(run.files.ema.name)}."""


def cells_of(config: Mapping[str, Any], family: FamilyRow) -> str:
    """Return the shape of a model in its family's cells, as a phrase: `patch 8, d_model 256, depth 12`."""
    given = {name: config[name] for name in CELLS if name in family.cells and config.get(name) is not None}
    if (axis := given.pop("grow", None)) and family.growth in given:
        given[keywords.axis(axis).name] = given.pop(family.growth)
    cells = [f"{name} {f'{value:g}' if type(value) is float else value}" for name, value in given.items()]
    return ", ".join(cells) or "its own"


def _how(run: Run) -> str:
    """Return shape, recipe, machine, versions and command."""
    record, config, seconds = run.record, run.config, run.record.seconds
    assert seconds, "a finished run has its seconds"
    memory = f", peak memory {record.peak_bytes / 1e9:,.1f} GB" if record.peak_bytes is not None else ""
    tokens = f", {record.tokens} tokens" if record.tokens > 1 else ""
    places = dict.fromkeys(f"{place.device}, {place.precision}" for place in record.places)
    rows = {
        "shape": cells_of(config.to_json(), config.family),
        "input": f"{with_unit(config.image)}{tokens}",
        "optimiser": recipe.optimiser(config),
        "schedule": recipe.schedule(config, record.schedule),
        "epochs": recipe.epochs(config),
        "regularisation": recipe.regularisation(config, kind_of(config.dataset)),
        **recipe.training_loss(config),
        **recipe.class_weights(config),
        **recipe.stream(config),
        **noisy.sentences(config),
        "seed": f"{config.seed}",
        "computed on": f"{' and '.join(places)}, {seconds.training:,.0f} s{memory}",
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    table = "\n".join(f"| {name} | {escaped(text)} |" for name, text in rows.items())
    command, omitted = public.command(record)
    without = f"\n\nThe command is shown without {', '.join(map(code, dict.fromkeys(omitted)))}." if omitted else ""
    return f"| | |\n|---|---|\n{table}\n\n{block(command)}{without}"


def _fold(run: Run) -> str:
    """Return a sentence on the fold of the test rows, or "" without folds."""
    config = run.config
    if config.folds is None:
        return ""
    return f" The test rows are fold {config.fold} of {config.folds} folds of train (repeat {config.repeat})."


def _data(run: Run) -> str:
    """Return the dataset, its licence, the targets, and the number of rows of each split."""
    data, hub, rows = run.record.data, run.record.data.hub, run.record.data.rows
    learned = f"{run.config.classes:,} classes"
    if is_regression(run):
        learned = f"one value, {code((data.reading or {}).get('target') or 'the target')}"
    return f"""{escaped(dataset_title(run.record.dataset))}\
{f" ([{escaped(hub)}](https://huggingface.co/datasets/{quote(hub)}))" if hub else ""}, \
version {code(data.version)}, licence: {escaped(data.licence)}. The model predicts {learned}.
{rows.train:,} rows trained on, {rows.val:,} for validation, {rows.test:,} for the test
(split {code(data.split_fingerprint)}; the row numbers are in {code(run.files.splits.name)}).\
{_fold(run)}\
{f" {len(data.left_out):,} could not be read and were skipped." if data.left_out else ""}"""
