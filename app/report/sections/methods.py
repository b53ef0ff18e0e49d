"""The methods paragraph of a report, ready to paste, and its references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...artifacts.runs import Run
from ...results import tuning, wording
from ...results.comparison import Comparison
from ..document.parts import Bullets, Commands, Paragraph, Section
from . import references
from .subject import Answer, Subject

_PASTE = "This text is ready to paste. The option --paper FOLDER writes it with citations for LaTeX."


def section(subject: Subject) -> Section | None:
    """Return the section, or None without finished runs."""
    if not subject.runs:
        return None
    found = references.of(subject)
    return Section(
        key="methods", title="Methods and references",
        blocks=(
            Paragraph((_PASTE,), "note"),
            *(Paragraph((text,)) for text in paragraphs(subject)),
            Bullets(tuple((each.text,) for each in found)),
            Commands(tuple(references.bibtex(found).rstrip().splitlines()), "The references as BibTeX"),
        ),
    )  # fmt: skip


def paragraphs(subject: Subject) -> list[str]:
    """Return the methods as plain text, a paragraph per dataset."""
    return [" ".join([*_training(answer), *_analysis(answer)]) for answer in subject.answers if answer.runs]


def _training(answer: Answer) -> Iterator[str]:
    """Yield how the models were trained and tested."""
    runs = answer.runs
    config, data = runs[0].config, runs[0].record.data
    models = _one_of(
        run.config.model if run.config.size == run.config.model else f"{run.config.model} ({run.config.size})"
        for run in runs
    )
    seeds = [*dict.fromkeys(run.config.seed for run in runs)]
    yield (
        f"We trained {models} on {answer.title} (version {data.version}; {data.rows.train:,} training, "
        f"{data.rows.val:,} validation and {data.rows.test:,} test examples, split {data.split_fingerprint}) with "
        f"seed{'s' if len(seeds) > 1 else ''} {_one_of(seeds)}."
    )
    epochs, batches = (_one_of(getattr(run.config, name) for run in runs) for name in ("epochs", "batch_size"))
    rates = _one_of(f"{run.config.lr:g}" for run in runs)
    yield (
        f"Every run had {epochs} epoch{'' if epochs == '1' else 's'} of batch size {batches} with a peak learning rate "
        f"of {rates}, computed in "
        f"{_one_of(_precision(run) for run in runs)} on {_one_of(run.record.places[-1].device for run in runs)}."
    )
    if config.folds:
        yield (
            f"The test rows are those of {config.folds}-fold cross-validation, so that each example is tested once per "
            "repeat."
        )
    else:
        yield from _tested(runs)


def _tested(runs: Sequence[Run]) -> Iterator[str]:
    """Yield what was tested, on which rows, and how many runs were tested more than once."""
    shared = len({run.record.data.split_fingerprint for run in runs}) == 1
    rows = "a test set that all runs share" if shared else "test sets that differ between runs"
    again = sum(tuning.tested_again(run) for run in runs)
    if not again:
        yield f"The final weights were tested once on {rows}."
        return
    yield (
        f"The results are those of the final weights on {rows}. Other weights of {again} of the {len(runs)} runs were "
        "tested on it, too."
    )


def _precision(run: Run) -> str:
    stream = " with a bf16 residual stream" if run.config.residual_precision == "bf16" else ""
    return run.record.places[-1].precision + stream


def _analysis(answer: Answer) -> Iterator[str]:
    """Yield how the models were compared, by procedure."""
    comparison = answer.comparison
    if comparison is None:
        yield "The runs were not compared."
        return
    procedures = {pair.procedure for pair in comparison.pairs}
    yield from (text for name, text in PROCEDURES.items() if name in procedures)
    if "crossed" in procedures and comparison.groups != comparison.examples:
        yield (
            f"The {comparison.examples:,} test examples are of {comparison.groups:,} "
            f"group{'s' if comparison.groups > 1 else ''}, and a group counts as one example."
        )
    level = f"{100 * comparison.level:.4g}"
    if comparison.family > 1:
        of = "" if comparison.family <= len(comparison.pairs) else " of all datasets"
        yield (
            f"The {comparison.family} p values{of} were adjusted by Holm's method (Holm 1979), and intervals are "
            f"simultaneous {level} % intervals (Bonferroni)."
        )
    else:
        yield f"Intervals are two-sided {level} % intervals."
    of = f" of {comparison.metric.title}" if comparison.metric.unit else ""  # without a unit, the margin names it
    if deltas := [pair.delta for pair in comparison.pairs if pair.delta]:
        yield (
            f"The margin is {wording.margin(comparison.metric, deltas[0])}{of}; equivalence "
            "needs two one-sided tests (Schuirmann 1987)."
        )
    yield from _looks(comparison)


def _looks(comparison: Comparison) -> Iterator[str]:
    if comparison.look:
        plan = ", ".join(map(str, comparison.look.plan))
        yield f"Analyses were planned at {plan} seeds; this is number {comparison.look.number}."


CITED = {  # as the paragraphs name them -> the keys of their references
    "Obuchowski and Rockette 1995": "obuchowski1995hypothesis", "Hillis 2007": "hillis2007comparison",
    "Schuirmann 1987": "schuirmann1987comparison", "Holm 1979": "holm1979simple", "McNemar 1947": "mcnemar1947note",
    "Nadeau and Bengio 2003": "nadeau2003inference", "Welch 1947": "welch1947generalization",
}  # fmt: skip
PROCEDURES = {
    "crossed": "Models were compared on the scores of single test examples with seeds nested in models and crossed "
    "with examples (Obuchowski and Rockette 1995), with Hillis' degrees of freedom (Hillis 2007). The interval covers "
    "new training seeds and new test examples.",
    "test set": "Models were compared by Welch's t test over the runs' results (Welch 1947), which answers for this "
    "test set and new seeds.",
    "Welch": "The runs have different test sets, so models were compared by Welch's t test over the runs' results "
    "(Welch 1947).",
    "McNemar": "With one run of each model, the runs were compared by McNemar's exact test (McNemar 1947). This "
    "compares two sets of weights and not two architectures.",
    "one run": "One of the models has a single run, which is no basis for a statement about architectures.",
    "folds": "Models were compared over repeated cross-validation with the variance over groups of examples and over "
    "repeats, and by the corrected resampled t test (Nadeau and Bengio 2003); a difference needs both.",
}


def _one_of(values: Iterable[object]) -> str:
    """Return distinct values in their order: `a`, `a and b`, `a, b and c`."""
    found = [*dict.fromkeys(map(str, values))]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
