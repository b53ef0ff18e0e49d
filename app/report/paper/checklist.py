"""A draft of the NeurIPS paper checklist: answers that follow from a study, and [TODO] for all that only authors know.

Source: neurips.cc/public/guides/PaperChecklist, with the questions of 2024. Other years have other questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...artifacts.runs import Run
from ...results import wording
from ...results.comparison import Comparison, Pair
from ...system.duration import spoken
from ..sections.subject import Answer, Subject
from . import latex

TODO = "[TODO]"
_UNKNOWN_LICENCES = ("unknown", "none", "other", "")
_YES, _NO = "Yes", "No"
_PLACE = "methods.tex"
_ASSUMPTIONS = {
    "crossed": "seeds are independent draws, test examples (or groups of them) are independent draws from one "
    "population, and a run's result is about normal over seeds",
    "test set": "seeds are independent draws, and a run's result is about normal over seeds",
    "Welch": "runs and their test sets are independent draws, and a run's result is about normal",
    "folds": "examples (or groups of them) are independent draws, and a difference needs two rules that allow for "
    "training rows that folds share",
}
_FACTORS = {
    "crossed": "the training seed (initialisation, order and augmentation) and the test examples",
    "test set": "the training seed (initialisation, order and augmentation) on a fixed test set",
    "Welch": "the training seed and the test set together", "folds": "the partition of the examples and the examples",
}  # fmt: skip

QUESTIONS = {  # of 2024, by their titles
    "Claims":
        "Do the main claims made in the abstract and introduction accurately reflect the paper's "
        "contributions and scope?",
    "Limitations":
        "Does the paper discuss the limitations of the work performed by the authors?",
    "Theory Assumptions and Proofs":
        "For each theoretical result, does the paper provide the full set of assumptions and a complete (and "
        "correct) proof?",
    "Code Of Ethics":
        "Does the research conducted in the paper conform, in every respect, with the NeurIPS Code of Ethics?",
    "Broader Impacts":
        "Does the paper discuss both potential positive societal impacts and negative societal impacts of the"
        " work performed?",
    "Safeguards":
        "Does the paper describe safeguards that have been put in place for responsible release of data or "
        "models that have a high risk for misuse?",
    "New Assets":
        "Are new assets introduced in the paper well documented and is the documentation provided alongside "
        "the assets?",
    "Crowdsourcing and Research with Human Subjects":
        "For crowdsourcing experiments and research with human subjects, does the paper include the full text"
        " of instructions given to participants and screenshots, if applicable, as well as details about "
        "compensation (if any)?",
    "Institutional Review Board (IRB) Approvals":
        "Does the paper describe potential risks incurred by study participants, whether such risks were "
        "disclosed to the subjects, and whether approvals (or an equivalent review) were obtained?",
    "Experimental Result Reproducibility":
        "Does the paper fully disclose all the information needed to reproduce the main experimental results "
        "of the paper to the extent that it affects the main claims and/or conclusions of the paper?",
    "Open access to data and code":
        "Does the paper provide open access to the data and code, with sufficient instructions to faithfully "
        "reproduce the main experimental results, as described in supplemental material?",
    "Experimental Setting/Details":
        "Does the paper specify all the training and test details (e.g., data splits, hyperparameters, how "
        "they were chosen, type of optimizer, etc.) necessary to understand the results?",
    "Experiment Statistical Significance":
        "Does the paper report error bars suitably and correctly defined or other appropriate information "
        "about the statistical significance of the experiments?",
    "Experiments Compute Resources":
        "For each experiment, does the paper provide sufficient information on the computer resources (type "
        "of compute workers, memory, time of execution) needed to reproduce the experiments?",
    "Licenses for existing assets":
        "Are the creators or original owners of assets (e.g., code, data, models), used in the paper, "
        "properly credited and are the license and terms of use explicitly mentioned and properly respected?",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question of the checklist with its answer, `Yes`, `No` or `[TODO]`, and the reason."""

    title: str
    answer: str = TODO
    reason: str = TODO
    tables: tuple[str, ...] = ()  # labels of tables in table.tex that have the numbers

    @property
    def latex(self) -> str:
        """The item for the form's list."""
        macro = {_YES: r"\answerYes{}", _NO: r"\answerNo{}"}.get(self.answer, r"\answerTODO{}")
        found = ", ".join(rf"Table~\ref{{{label}}}" for label in self.tables)
        where = f" ({found})" if found else ""
        return "\n".join([
            rf"\item {{\bf {latex.escaped(self.title)}}}",
            rf"    \item[] Question: {latex.escaped(QUESTIONS[self.title])}",
            rf"    \item[] Answer: {macro}", rf"    \item[] Justification: {latex.escaped(self.reason)}{where}",
        ])  # fmt: skip


def text(subject: Subject) -> str:
    """Return checklist.tex. Its macros are those of the conference's style, and are defined if the style is absent."""
    macros = [
        rf"\providecommand{{\answer{name}}}[1][]{{[{shown}]}}"
        for name, shown in (("Yes", "Yes"), ("No", "No"), ("TODO", "TODO"))
    ]
    head = [
        "% A draft: check every answer, and replace each [TODO]. Compare the questions with the form of your year.",
        *macros,
        r"\section*{NeurIPS Paper Checklist}",
        r"\begin{enumerate}",
    ]
    return "\n\n".join(["\n".join(head), *(each.latex for each in items(subject)), r"\end{enumerate}"]) + "\n"


def items(subject: Subject) -> list[Item]:
    """Return the questions in their order."""
    return [
        Item(title="Claims", reason=_claims(subject)),
        Item(title="Limitations", reason=f"{TODO} The study's report lists its limits in the section Limits."),
        Item(title="Theory Assumptions and Proofs"),
        _reproducibility(subject),
        _access(subject),
        _settings(subject),
        _significance(subject),
        _compute(subject),
        Item(title="Code Of Ethics"),
        Item(title="Broader Impacts"),
        Item(title="Safeguards"),
        _licences(subject),
        Item(
            title="New Assets",
            reason=f"{TODO} Weights that `run.py upload` publishes "
            "have a model card with their recipe, data, results and licence.",
        ),
        Item(title="Crowdsourcing and Research with Human Subjects"),
        Item(title="Institutional Review Board (IRB) Approvals"),
    ]


def _claims(subject: Subject) -> str:
    words = [
        f"{pair.a} against {pair.b} on {answer.title}: {pair.word}"
        for answer in subject.answers
        for pair in (answer.comparison.pairs if answer.comparison else ())
    ]
    return f"{TODO} Compare the claims with the verdicts ({'; '.join(words)})." if words else TODO


def _reproducibility(subject: Subject) -> Item:
    splits = ", ".join(dict.fromkeys(run.record.data.split_fingerprint for run in subject.runs))
    return Item(
        title="Experimental Result Reproducibility",
        answer=_YES,
        reason=f"Section {TODO} (text of {_PLACE}) has the models, data versions, splits ({splits}), seeds and "
        f"settings. The commands are: {'; '.join(subject.commands)}.",
    )


def _access(subject: Subject) -> Item:
    hubs = [answer.runs[0].record.data.hub for answer in subject.answers if answer.runs]
    public = all(hubs)
    data = f"The data are public ({', '.join(filter(None, hubs))})." if public else f"{TODO} State where the data are."
    return Item(
        title="Open access to data and code",
        reason=f"{data} Code: {TODO}.",
    )


def _settings(subject: Subject) -> Item:
    epochs, rates, sizes = (
        ", ".join(dict.fromkeys(f"{getattr(run.config, name):g}" for run in subject.runs))
        for name in ("epochs", "lr", "batch_size")
    )
    return Item(
        title="Experimental Setting/Details",
        answer=_YES,
        reason=f"Section {TODO} (text of {_PLACE}): epochs {epochs}, learning rate {rates}, batch size {sizes}. The "
        f"records of the runs have every setting. How they were chosen: {TODO}.",
    )


def _significance(subject: Subject) -> Item:
    reasons = [reason for answer in subject.answers for reason in _intervals(answer)]
    pairs = [pair for answer in subject.answers if answer.comparison for pair in answer.comparison.pairs]
    answer = _YES if pairs and all(pair.procedure in _FACTORS for pair in pairs) else _NO if pairs else TODO
    return Item(
        title="Experiment Statistical Significance",
        answer=answer,
        reason=" ".join(reasons) or TODO,
        tables=tuple(f"tab:{each.key}" for each in subject.answers if each.comparison),
    )


def _intervals(answer: Answer) -> Iterator[str]:
    """Yield what the intervals of a dataset are: factors of variability, method, assumptions and level."""
    comparison = answer.comparison
    if comparison is None:
        yield f"{answer.title}: the runs are not compared ({answer.reason})"
        return
    for procedure in dict.fromkeys(pair.procedure for pair in comparison.pairs):
        own = next(pair for pair in comparison.pairs if pair.procedure == procedure)
        if procedure not in _FACTORS:
            yield f"{answer.title}: single runs have no spread over seeds, so there is no interval of architectures."
            continue
        yield (
            f"{answer.title}: two-sided {100 * own.verdict.level:.4g} % intervals of "
            f"the difference ({_counts(answer, own, comparison)}). Factors of variability: {_FACTORS[procedure]}. "
            f"Method: Section {TODO} (text of {_PLACE}). Assumptions: {_ASSUMPTIONS[procedure]}. The table's sd is the "
            "standard deviation of a run, not a standard error."
        )


def _counts(answer: Answer, pair: Pair, comparison: Comparison) -> str:
    seeds = " and ".join(dict.fromkeys(str(len(arm.results)) for arm in answer.of(pair)))
    margin = f", margin {wording.margin(comparison.metric, pair.delta)}" if pair.delta else ""
    kind = "repeats" if pair.procedure == "folds" else "seeds"
    return f"n = {comparison.examples:,} test examples, {seeds} {kind} of each{margin}"


def _compute(subject: Subject) -> Item:
    done, partial = subject.runs, [*subject.partial]
    places = dict.fromkeys(f"{place.device} ({place.precision})" for run in done for place in run.record.places)
    peaks = [run.record.peak_bytes for run in done if run.record.peak_bytes is not None]
    memory = f" Peak memory: {max(peaks) / 1e9:.1f} GB." if peaks else f" Memory: {TODO}."
    each = _seconds(done) / max(1, len(done))
    return Item(
        title="Experiments Compute Resources",
        answer=_YES,
        reason=f"Computed on {'; '.join(places)}.{memory} A run trains for {spoken(each)} on average. All "
        f"{len(done):,} finished runs took {spoken(_seconds(done))}, and {len(partial):,} unfinished and failed runs "
        f"{spoken(_seconds(partial))}. Preliminary runs outside the study: {TODO}.",
    )


def _seconds(runs: Sequence[Run]) -> float:
    """Return the seconds of the runs' training, with what was lost to restarts."""
    found = [run.record.seconds for run in runs if run.record.seconds]
    return float(sum(each.training + (each.lost or 0) for each in found))


def _licences(subject: Subject) -> Item:
    data = {answer.title: answer.runs[0].record.data for answer in subject.answers if answer.runs}
    known = [f"{title}, version {each.version}: {each.licence}" for title, each in data.items()]
    missing = [title for title, each in data.items() if each.licence.lower() in _UNKNOWN_LICENCES]
    more = f" {TODO} The licence of {', '.join(missing)} is unknown." if missing else ""
    return Item(
        title="Licenses for existing assets",
        answer=TODO if missing else _YES,
        reason=f"{'; '.join(known)}. Code: isoscale {subject.version}, Apache-2.0.{more} The sources are in "
        "references.bib.",
    )
