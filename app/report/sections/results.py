"""The tables of results: per dataset and size, every model with its mean, and every run with a link to its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...artifacts.runs import Run
from ...results.comparison import ArmResult
from ..document.parts import Block, RunName, Section, Table, Text
from . import amounts, dots
from .subject import Answer, Subject, learned, size_of

_RATES = {"top-1": "results.test.top1", "top-3": "results.test.top3", "top-5": "results.test.top5"}
_ERRORS = {"RMSE": "results.test.rmse", "MAE": "results.test.mae", "R²": "results.test.r2"}


def section(subject: Subject) -> Section | None:
    """Return the section, or None without finished runs."""
    inner = [
        Section(key=f"results-{place}", title=answer.title, blocks=tuple(_answer(answer)))
        for place, answer in enumerate(subject.answers, 1) if answer.runs
    ]  # fmt: skip
    if not inner:
        return None
    if len(inner) == 1:
        return Section(key="results", title="Results", blocks=inner[0].blocks)
    return Section(key="results", title="Results", sections=tuple(inner))


def _answer(answer: Answer) -> Iterator[Block]:
    for size in answer.sizes:
        arms = [arm for arm in answer.arms.values() if size_of(arm.model, arm.size) == size]
        if arms:
            yield _of_arms(answer, size, arms)
        yield of_runs(answer, size, _ordered(answer, size))


def _ordered(answer: Answer, size: str) -> list[Run]:
    """Return the runs of a size by model, seed and fold."""
    models = list(dict.fromkeys(arm.model for arm in answer.arms.values()))
    models += [run.config.model for run in answer.runs if run.config.model not in models]
    found = [run for run in answer.runs if size_of(run.config.model, run.config.size) == size]
    return sorted(found, key=lambda run: (models.index(run.config.model), *_replicate(run)))


def _replicate(run: Run) -> tuple[int, int, int]:
    return run.config.seed, run.config.repeat, run.config.fold or 0


def _of_size(size: str) -> str:
    return f" of size {size}" if size else ""


def _of_arms(answer: Answer, size: str, arms: list[ArmResult]) -> Table:
    comparison = answer.comparison
    assert comparison, "arms are of a comparison"
    metric, places = comparison.metric, dots.places_of(comparison)
    rows = []
    for arm in arms:
        more: Text = amounts.NONE
        if arm.one_more:
            more = amounts.interval(metric, arm.one_more, places, learned(arm), f"one-more({metric.name})")
        rows.append((
            (arm.title,),
            (amounts.computed(amounts.count(arm.parameters), arm.parameters, arm.run_ids[:1], "parameters.total"),),
            (amounts.computed(str(len(arm.results)), len(arm.results), arm.run_ids, "seeds"),),
            (amounts.mean(arm, comparison, places),), amounts.sd(arm, comparison, places), more,
        ))  # fmt: skip
    unit = ", in percent" if metric.rate else ""
    kind = "repeats" if any(pair.procedure == "folds" for pair in comparison.pairs) else "seeds"
    return Table(
        caption=f"{metric.title[:1].upper()}{metric.title[1:]}{unit} of every model{_of_size(size)} on {answer.title}, "
        f"n = {comparison.examples:,}. The last column is the 95 % interval of one more run.",
        heads=("model", "parameters", kind, "mean", "sd of a run", "one more run"), rows=tuple(rows),
        right=frozenset({1, 2, 3, 4, 5}),
    )  # fmt: skip


def of_runs(answer: Answer, size: str, runs: list[Run]) -> Table:
    """Return the table of every run of a size."""
    regression = answer.runs[0].config.task == "regression"
    columns = {
        name: path for name, path in (_ERRORS if regression else _RATES).items()
        if any(_is_shown(run, name) and amounts.at(run, path, str) != amounts.NONE for run in runs)
    }  # fmt: skip
    shown = amounts.digits if regression else amounts.percent
    folds = any(run.config.folds for run in runs)
    heads = ("run", "model", "seed", *(("fold",) if folds else ()), *columns, "95 % interval", "loss", "test rows")
    rows = tuple(_run(run, columns, regression, shown, folds) for run in runs)
    words = 2 + (2 if folds else 1)
    return Table(
        caption=f"Every run{_of_size(size)} on {answer.title}. Intervals cover test examples, not seeds.",
        heads=heads, rows=rows, right=frozenset(range(words - 1, len(heads))),
    )  # fmt: skip


def _run(
    run: Run, columns: dict[str, str], regression: bool, shown: Callable[[float], str], folds: bool
) -> tuple[Text, ...]:
    config = run.config
    path = "results.test.rmse_interval" if regression else "results.test.top1_interval"
    low, high = amounts.at(run, f"{path}.0", shown), amounts.at(run, f"{path}.1", shown)
    interval = (*low, " to ", *high) if amounts.NONE not in (low, high) else amounts.NONE
    fold: tuple[Text, ...] = ((f"{config.fold}/{config.folds}, repeat {config.repeat}",),) if folds else ()
    return (
        (RunName(run.record.run_id),), (config.model,), (str(config.seed),), *fold,
        *(amounts.at(run, each, shown) for each in columns.values()), interval,
        amounts.at(run, "results.test.loss", amounts.digits), amounts.at(run, "results.test.n", amounts.count),
    )  # fmt: skip


def _is_shown(run: Run, name: str) -> bool:
    """Return whether a rate says something: top-5 of five classes does not."""
    k = {"top-3": 3, "top-5": 5}.get(name, 0)
    return run.config.classes > k or run.config.task == "regression"
