"""The sources of a report's methods and models, for a list of references and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...tables.models import model_row
from .subject import Subject

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A source: its key in BibTeX, its fields, and its kind."""

    key: str
    kind: str
    fields: dict[str, str]

    @property
    def text(self) -> str:
        """The source in one line."""
        given = self.fields
        author, year = given.get("author", "").strip("{}").replace(" and ", ", "), given.get("year", "")
        where = ", ".join(filter(None, (given.get("journal"), given.get("note"), _place(given))))
        return ". ".join(filter(None, (f"{author} {f'({year})' if year else ''}".strip(), given["title"], where))) + "."

    @property
    def bibtex(self) -> str:
        """The source as an entry of a .bib file."""
        lines = [f"  {name} = {{{_braced(name, value)}}}," for name, value in self.fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _place(given: dict[str, str]) -> str:
    if "doi" in given:
        return f"doi:{given['doi']}"
    return f"arXiv:{given['eprint']}" if "eprint" in given else ""


def _braced(name: str, value: str) -> str:
    """Return a field's value; a title in braces, so that its capitals stay."""
    text = value.replace("&", r"\&").replace("%", r"\%").replace("_", r"\_") if name not in ("doi", "eprint") else value
    return f"{{{text}}}" if name == "title" else text


def _article(key: str, author: str, year: int, title: str, journal: str, **more: str) -> Reference:
    fields = {"author": author, "year": str(year), "title": title, "journal": journal} | more
    return Reference(key=key, kind="article", fields=fields)


def _preprint(key: str, author: str, year: int, title: str, eprint: str) -> Reference:
    fields = {"author": author, "year": str(year), "title": title, "eprint": eprint, "archivePrefix": "arXiv"}
    return Reference(key=key, kind="misc", fields=fields)


METHODS = {
    each.key: each
    for each in (
        _article("obuchowski1995hypothesis", "Obuchowski, Nancy A. and Rockette, Howard E.", 1995,
                 "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests: an ANOVA approach "
                 "with dependent observations", "Communications in Statistics - Simulation and Computation",
                 volume="24", number="2", pages="285--308", doi="10.1080/03610919508813243"),
        _article("hillis2007comparison", "Hillis, Stephen L.", 2007, "A comparison of denominator degrees of freedom "
                 "methods for multiple observer ROC analysis", "Statistics in Medicine", volume="26", number="3",
                 pages="596--619", doi="10.1002/sim.2532"),
        _article("schuirmann1987comparison", "Schuirmann, Donald J.", 1987, "A comparison of the two one-sided tests "
                 "procedure and the power approach for assessing the equivalence of average bioavailability",
                 "Journal of Pharmacokinetics and Biopharmaceutics", volume="15", number="6", pages="657--680",
                 doi="10.1007/BF01068419"),
        _article("holm1979simple", "Holm, Sture", 1979, "A simple sequentially rejective multiple test procedure",
                 "Scandinavian Journal of Statistics", volume="6", number="2", pages="65--70"),
        _article("mcnemar1947note", "McNemar, Quinn", 1947, "Note on the sampling error of the difference between "
                 "correlated proportions or percentages", "Psychometrika", volume="12", number="2", pages="153--157",
                 doi="10.1007/BF02295996"),
        _article("nadeau2003inference", "Nadeau, Claude and Bengio, Yoshua", 2003, "Inference for the generalization "
                 "error", "Machine Learning", volume="52", number="3", pages="239--281", doi="10.1023/A:1024068626366"),
        _article("welch1947generalization", "Welch, B. L.", 1947, "The generalization of 'Student's' problem when "
                 "several different population variances are involved", "Biometrika", volume="34",
                 number="1-2", pages="28--35", doi="10.1093/biomet/34.1-2.28"),
    )
}  # fmt: skip
_MODELS = {
    each.fields["eprint"]: each
    for each in (
        _preprint("dosovitskiy2020image", "Dosovitskiy, Alexey and others", 2020, "An Image is Worth 16x16 Words: "
                  "Transformers for Image Recognition at Scale", "2010.11929"),
        _preprint("ye2024differential", "Ye, Tianzhu and Dong, Li and Xia, Yuqing and Sun, Yutao and Zhu, Yi and "
                  "Huang, Gao and Wei, Furu", 2024, "Differential Transformer", "2410.05258"),
    )
}  # fmt: skip


def of(subject: Subject) -> list[Reference]:
    """Return the sources of the procedures that were used and of the models, then the program."""
    found = [METHODS[key] for key in used(subject)]
    for model in dict.fromkeys(run.config.model for run in subject.runs):
        reference = _of_model(model)
        found += [reference] if reference.key not in {each.key for each in found} else []
    return [*found, _program(subject.version, subject.written[:4])]


def used(subject: Subject) -> list[str]:
    """Return the keys of the procedures that the comparisons used, in a fixed order."""
    comparisons = [answer.comparison for answer in subject.answers if answer.comparison]
    pairs = [pair for comparison in comparisons for pair in comparison.pairs]
    procedures = {pair.procedure for pair in pairs}
    wanted = {
        "obuchowski1995hypothesis": "crossed" in procedures, "hillis2007comparison": "crossed" in procedures,
        "schuirmann1987comparison": any(pair.delta for pair in pairs) and bool(procedures - {"McNemar", "one run"}),
        "holm1979simple": any(comparison.family > 1 for comparison in comparisons),
        "mcnemar1947note": "McNemar" in procedures, "nadeau2003inference": "folds" in procedures,
        "welch1947generalization": bool(procedures & {"Welch", "test set"}),
    }  # fmt: skip
    return [key for key, needed in wanted.items() if needed]


def bibtex(references: Iterable[Reference]) -> str:
    """Return the sources as the text of a .bib file."""
    return "\n\n".join(each.bibtex for each in references) + "\n"


def key_of_model(model: str) -> str:
    """Return the key of a model's source."""
    return _of_model(model).key


def _of_model(model: str) -> Reference:
    """Return the source of a model: its paper, or what its row says."""
    row = model_row(model)
    eprint = _ARXIV.search(row.source)
    if eprint and eprint[1] in _MODELS:
        return _MODELS[eprint[1]]
    fields = {"title": row.title} | (
        {"eprint": eprint[1], "archivePrefix": "arXiv"} if eprint else {"note": row.source}
    )
    return Reference(key=re.sub(r"\W+", "", f"model{model}"), kind="misc", fields=fields)


def _program(version: str, year: str) -> Reference:
    title = "isoscale: vision architectures compared at equal budget, data and seed"
    return Reference(
        key="isoscale", kind="misc",
        fields={"author": "{The isoscale authors}", "year": year, "title": title, "note": f"version {version}"},
    )  # fmt: skip
