"""The last sections: how to reproduce a report, its limits, and the licences of its data."""

from __future__ import annotations

from collections.abc import Iterator

from ...artifacts.runs import Run
from ..document.parts import Block, Bullets, Commands, Paragraph, RunName, Section, Table, Text
from .subject import Answer, Subject

_FEW = 10  # seeds


def reproduction(subject: Subject) -> Section:
    """Return how to repeat the study: its commands, versions and commits."""
    blocks: list[Block] = [
        Paragraph(("The same commands train what is missing, resume what was stopped, and repeat the comparison. On "
                   "one CPU, a run ends with bit-identical weights.",)),
        Commands(subject.commands, "Commands that reproduce the study"),
    ]  # fmt: skip
    if subject.runs:
        blocks.append(_versions(subject.runs))
    return Section(key="reproduce", title="How to reproduce", blocks=tuple(blocks))


def _versions(runs: list[Run]) -> Table:
    names = dict.fromkeys(name for run in runs for name in run.record.versions)
    rows: list[tuple[Text, ...]] = [
        ((name,), (", ".join(sorted({run.record.versions.get(name, "unknown") for run in runs})),)) for name in names
    ]
    commits = sorted({run.record.commit for run in runs if isinstance(run.record.commit, str)})
    rows += [(("commit",), (", ".join(commits),))] if commits else []
    return Table(caption="Versions that trained the runs", heads=("program", "version"), rows=tuple(rows))


def limits(subject: Subject) -> Section:
    """Return what the study does not show."""
    items: list[Text] = [item for answer in subject.answers for item in _limits(answer, several=subject.several)]
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    if subject.waiting:
        rows = tuple(
            ((RunName(each.run_id),), (each.title,), (each.dataset,), (each.state,)) for each in subject.waiting
        )
        blocks.append(
            Table(caption="Runs without a result", heads=("run", "model and seed", "dataset", "state"), rows=rows)
        )
    return Section(key="limits", title="Limits", blocks=tuple(blocks))


def _limits(answer: Answer, *, several: bool) -> Iterator[Text]:
    lead = f"{answer.title}: " if several else ""
    if not answer.runs:
        return
    config, data = answer.runs[0].config, answer.runs[0].record.data
    if any(run.config.limited for run in answer.runs):
        yield (f"{lead}The runs are trials: the dataset was cut with --limit-train, --limit-val or --limit-test. Their "
               "results are not those of the complete dataset.",)  # fmt: skip
    yield (f"{lead}The verdict is about this recipe ({config.epochs:,} epochs, learning rate {config.lr:g}) on this "
           "dataset. Another recipe may rank the models differently.",)  # fmt: skip
    seeds = min((len(arm.results) for arm in answer.arms.values()), default=0)
    if 0 < seeds < _FEW:
        what = "repeats" if config.folds else "seeds"
        yield (f"{lead}There are {seeds} {what} of a model. The variance between {what} is estimated from them, and "
               "the interval is as wide as that requires.",)  # fmt: skip
    if len(answer.sizes) > 1:
        yield (f"{lead}Sizes may differ in more than the parameter count, such as depth and the share of warm-up "
               "steps. A trend over them is not a law.",)  # fmt: skip
    if data.warning:
        yield (f"{lead}{data.warning}.",)
    if answer.comparison is None:
        yield (f"{lead}The runs are not compared: {answer.reason}",)


def licences(subject: Subject) -> Section | None:
    """Return the licences of the datasets, or None without finished runs."""
    rows: list[tuple[Text, ...]] = []
    for answer in subject.answers:
        if answer.runs:
            data = answer.runs[0].record.data
            source = data.hub or ("local files" if data.path else "part of a library or made by isoscale")
            rows.append(((answer.title,), (source,), (data.version,), (data.licence,)))
    if not rows:
        return None
    table = Table(caption="Datasets", heads=("dataset", "source", "version", "licence"), rows=tuple(rows))
    text = (
        "isoscale is licensed under Apache-2.0. It does not choose a licence for the weights. Read the terms of the "
        "dataset before you share weights or predictions."
    )
    return Section(key="licences", title="Licences", blocks=(table, Paragraph((text,))))
