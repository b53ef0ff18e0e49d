"""Model cards: a run's own README, and the repository's index of all runs; both with model-index metadata."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from .. import task
from ..artifacts.parts import Errors, Rates
from ..artifacts.runs import Run
from ..config.effects import kind_of
from ..errors import InputError
from ..system.printable import NAME, block, code, escaped, printable
from ..tables.datasets import DATASETS
from ..tables.families import FAMILIES
from ..tables.models import model_row
from ..tables.shape import CELLS, with_unit
from . import recipe

_SEEN = {"image": "image", "field": "image", "signal": "signal"}  # in the Hub's names of tasks, by the kind of data
_RATES = (("accuracy", "top-1", "top1"), ("accuracy", "top-5", "top5"))  # the Hub's type, its name, ours
_ERRORS = (("rmse", "RMSE", "rmse"), ("mae", "MAE", "mae"), ("r_squared", "R2", "r2"))
_PIPELINES = ("image-classification",)  # tasks that the Hub has a page of; it has none of values, and none of signals


def percent(fraction: float) -> str:
    """A rate for a reader: two decimals."""
    return f"{100 * fraction:.2f} %"


def with_interval(test: Rates) -> str:
    """Top-1 accuracy with its 95 % interval and n."""
    low, high = test.top1_interval
    return f"{percent(test.top1)} (95 % Wilson interval {percent(low)} to {percent(high)}, n = {test.n:,})"


def is_regression(run: Run) -> bool:
    """Whether a number was learned."""
    return task.of(run.config.task) is task.values


def results(run: Run, test: Rates | Errors) -> dict[str, str]:
    """A test's numbers by name, as a reader's table holds them; the first is what runs are compared by."""
    if isinstance(test, Errors):
        return _errors(test)
    found = {"top-1 accuracy": with_interval(test)}
    for k, rate in ((3, test.top3), (5, test.top5)):
        if run.config.classes > k and rate is not None:  # records of earlier versions lack top-3
            found[f"top-{k} accuracy"] = percent(rate)
    if test.balanced_accuracy is not None:
        found["balanced accuracy"] = percent(test.balanced_accuracy)
    return found | {"cross-entropy": f"{test.loss:.4f}"}


def test_lines(run: Run, test: Rates | Errors) -> list[str]:
    """A test's numbers as lines for a terminal."""
    first, *others = results(run, test).items()
    name = "accuracy" if first[0] == "top-1 accuracy" else first[0]
    return [f"test {name}: {first[1]}", "; ".join(f"{name}: {text}" for name, text in others)]


def _errors(test: Errors) -> dict[str, str]:
    """RMSE, MAE and R2 with their intervals, and the spread of the targets to hold them against."""
    found = {}
    for name in ("rmse", "mae", "r2"):
        if isinstance(value := getattr(test, name), int | float):
            n = [f"n = {test.n:,}"] if name == "rmse" else []
            within = getattr(test, f"{name}_interval")  # none of one simulation, or where a resampling of few has no R2
            interval = [f"95 % bootstrap interval {within[0]:.4g} to {within[1]:.4g}"] if within else []
            beside = f" ({', '.join(interval + n)})" if interval + n else ""
            found[name.upper()] = f"{value:.4g}{beside}"
    return found | {"standard deviation of the targets": f"{test.target_std:.4g}"}


def dataset_title(name: str) -> str:
    """The dataset's name as a reader knows it."""
    return DATASETS[name].title if name in DATASETS else name


def index_entry(run: Run) -> dict[str, Any]:
    """The run's entry of the Hub's model-index: its test's rates or errors, with what a table of runs wants as well."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    record, test = run.record, run.record.test
    regression = is_regression(run)
    common: dict[str, Any] = {
        "task_type": f"{_SEEN[kind_of(record.dataset)]}-{run.config.task}",
        "dataset_type": record.data.hub or record.dataset,
        "dataset_name": dataset_title(record.dataset),
        "dataset_split": "test",
        "dataset_revision": record.data.version,
    }
    about = {
        "run_id": record.run_id, "model": record.model, "size": record.size,
        "parameters": record.parameters.total, "seed": run.config.seed,
        "limited": run.config.limited, "n": test.n,
        "interval": test.rmse_interval if regression else test.top1_interval,
    }  # fmt: skip
    first, *others = _ERRORS if regression else _RATES if run.config.classes > 5 else _RATES[:1]
    kind, name, key = first
    found = [EvalResult(metric_type=kind, metric_name=name, metric_value=getattr(test, key), metric_args=about,
                        **common)]  # fmt: skip
    found += [
        EvalResult(metric_type=kind, metric_name=name, metric_value=value, **common)
        for kind, name, key in others if isinstance(value := getattr(test, key), int | float)
    ]  # fmt: skip
    return eval_results_to_model_index(run.files.stem, found)[0]


def _front(fields: Mapping[str, Any]) -> str:
    from huggingface_hub import CardData

    return f"---\n{CardData(**_plain(fields)).to_yaml()}\n---\n"


def _plain(value: Any) -> Any:
    """The metadata with texts of one visible line: names of others may hold what ends it or turns it around."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def _metadata(entries: Iterable[dict[str, Any]], datasets: Iterable[str], tags: Iterable[str]) -> dict[str, Any]:
    listed = list(entries)
    tasks = {result["task"]["type"] for entry in listed for result in entry["results"]}
    metrics = {metric["type"] for entry in listed for result in entry["results"] for metric in result["metrics"]}
    fields: dict[str, Any] = {
        "library_name": "isoscale",
        "tags": ["isoscale", *sorted(set(tags))],
        "metrics": sorted(metrics),
        "model-index": listed,
    }
    if tasks <= set(_PIPELINES):
        fields["pipeline_tag"] = _PIPELINES[0]
    return fields | ({"datasets": found} if (found := sorted(set(datasets))) else {})


def _tags(model: str, attention: str | None) -> list[str]:
    """What the Hub lists a model under, by its row; nothing of a model that this version does not know."""
    with suppress(InputError):
        row = model_row(model)
        found = ["vision-transformer"] if "heads" in FAMILIES[row.family].cells else []
        kind = attention or row.attention or ""
        return found + (["differential-attention"] if kind.startswith("differential") else [])
    return []


def run_card(run: Run, address: str) -> str:
    """The README of a run's folder: what, how, data and licence, numbers, the exact command, and how to get it back.

    `address` is the folder's own, `hf://owner/name/path`.
    """
    hub = run.record.data.hub
    tags = _tags(run.record.model, run.config.attention)
    back = (["download", address, run.files.stem], ["evaluate", run.files.stem])
    return f"""{_front(_metadata([index_entry(run)], [hub] if hub else [], tags))}
{_what(run)}

## How

{_how(run)}

## Data

{_data(run)}

## Getting it back

{block(*(f"python run.py {shlex.join(words)}" for words in back))}
"""


def _what(run: Run) -> str:
    """The model, its numbers, and what must be known to read them."""
    record, test, best = run.record, run.record.test, run.record.best
    assert best, "a finished run has a best epoch"
    row = model_row(record.model)
    began = "trained on from timm's published weights" if run.config.pretrained else "trained from scratch"
    limited = "\n\n**A trial: the dataset was cut with `--limit-*`.**" if run.config.limited else ""
    numbers = "\n".join(f"| {name} | {text} |" for name, text in results(run, test).items())
    warning = f"\n\n**Note:** {escaped(record.data.warning)}." if record.data.warning else ""
    return f"""# {row.title}, {escaped(record.size)}, {escaped(dataset_title(record.dataset))}

Run {code(record.run_id)}: a {row.title} ({row.source}) of {record.parameters.total:,} trainable parameters
({record.parameters.non_embedding:,} without embeddings), {began}.{limited}{warning}

| test | |
|---|---|
{numbers}

These are the final weights after {run.config.epochs:,} epochs. The test set was evaluated once, at the end.
The weights best on validation (epoch {best.epoch}, loss {best.val_loss:.4g}) are kept too."""


def cells_of(config: Mapping[str, Any]) -> str:
    """The cells of a model's shape as a sentence holds them: `patch 8, d_model 256, depth 12`."""
    own = FAMILIES[model_row(config["model"]).family].cells
    given = {name: config[name] for name in CELLS if name in own and config.get(name) is not None}
    cells = [f"{name} {f'{value:g}' if type(value) is float else value}" for name, value in given.items()]
    return ", ".join(cells) or "its own"


def _how(run: Run) -> str:
    """Shape, recipe, machine, versions and command."""
    record, config, seconds = run.record, run.config, run.record.seconds
    assert seconds, "a finished run has its seconds"
    memory = f", peak memory {record.peak_bytes / 1e9:,.1f} GB" if record.peak_bytes is not None else ""
    tokens = f", {record.tokens} tokens" if record.tokens > 1 else ""
    places = dict.fromkeys(f"{place.device}, {place.precision}" for place in record.places)
    rows = {
        "shape": cells_of(config.to_json()),
        "input": f"{with_unit(config.image)}{tokens}",
        "optimiser": recipe.optimiser(config),
        "schedule": recipe.schedule(config, record.schedule),
        "epochs": recipe.epochs(config),
        "regularisation": recipe.regularisation(config, kind_of(config.dataset)),
        "seed": f"{config.seed}",
        "computed on": f"{' and '.join(places)}, {seconds.training:,.0f} s{memory}",
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    table = "\n".join(f"| {name} | {escaped(text)} |" for name, text in rows.items())
    return f"| | |\n|---|---|\n{table}\n\n{block(record.command)}"


def _data(run: Run) -> str:
    """The dataset, its licence, what is learned of it, and which rows were used for what."""
    data, hub, rows = run.record.data, run.record.data.hub, run.record.data.rows
    learned = f"{run.config.classes:,} classes"
    if is_regression(run):
        learned = f"one value, {code((data.reading or {}).get('target') or 'the target')}"
    return f"""{escaped(dataset_title(run.record.dataset))}\
{f" ([{escaped(hub)}](https://huggingface.co/datasets/{quote(hub)}))" if hub else ""}, \
version {code(data.version)}, licence: {escaped(data.licence)}. The model predicts {learned}.
{rows.train:,} rows trained on, {rows.val:,} for validation, {rows.test:,} for the test
(split {code(data.split_fingerprint)}; the row numbers are in {code(run.files.splits.name)}).\
{f" {len(data.left_out):,} could not be read and were skipped." if data.left_out else ""}"""


def index_card(repository: str, entries: list[dict[str, Any]], folders: Mapping[str, str]) -> str:
    """The repository's README: a line for every run, best first within its dataset; `folders` says where each is."""
    datasets = [entry["results"][0]["dataset"]["type"] for entry in entries]
    hub = [name for name in datasets if name.count("/") == 1 and name[:6] != "local/"]
    tags = {tag for entry in entries for tag in _tags(_about(entry).get("model", ""), None)}
    front = _front(_metadata(entries, hub, tags))
    lines = [_index_line(entry, folders[entry["name"]]) for entry in sorted(entries, key=_index_order)]
    return f"""{front}
# {escaped(repository.partition("/")[2])}

Vision architectures compared at equal budget, data and seed. A rate is test top-1 of the final weights with its 95 %
Wilson interval; of a number that is learned it is the RMSE with its 95 % bootstrap interval.

| dataset | model | size | parameters | seed | result | interval | n | run |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
"""


def _index_order(entry: dict[str, Any]) -> tuple[str, float, str]:
    result = entry["results"][0]
    metric = result["metrics"][0]
    return result["dataset"]["name"], metric["value"] * (1 if metric["type"] == "rmse" else -1), entry["name"]


def _index_line(entry: dict[str, Any], folder: str) -> str:
    result = entry["results"][0]
    metric, about = result["metrics"][0], result["metrics"][0]["args"]
    trial = " (trial)" if about["limited"] else ""
    text = (lambda error: f"RMSE {error:.4g}") if metric["type"] == "rmse" else percent
    cells = (
        f"{result['dataset']['name']}{trial}", about["model"], about["size"], f"{about['parameters']:,}",
        about["seed"], text(metric["value"]), _interval(metric["type"], about.get("interval")), f"{about['n']:,}",
    )  # fmt: skip
    shown = [escaped(" ".join(str(text).split()), NAME) for text in cells]
    return f"| {' | '.join(shown)} | [{escaped(about['run_id'], NAME)}]({quote(folder)}) |"


def _about(entry: dict[str, Any]) -> dict[str, Any]:
    """What an entry says of its run."""
    about: dict[str, Any] = entry["results"][0]["metrics"][0]["args"]
    return about


def _interval(kind: str, interval: Sequence[float] | None) -> str:
    """The interval of an index line; a regression over one simulation has none."""
    if not interval:
        return "none"
    low, high = interval
    return f"{low:.4g} to {high:.4g}" if kind == "rmse" else f"{percent(low)} to {percent(high)}"
