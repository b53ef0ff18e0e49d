"""A study's report on the Hub: the page, the results and a card with the verdict, in the study's folder there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..sharing import entry, pooled, study
from ..sharing.front import front, plain
from . import assembling
from .document import html, jsontwin, markdown
from .document.parts import Document, Figure, Link, Paragraph, Section
from .gathering import Source
from .sections.subject import Subject

_PAGE, _TWIN = "report.html", "report.json"
_OF_THE_CARD = ("verdict", "results", "reproduce", "limits", "licences")  # sections


def upload(subject: Subject, source: Source, *, private: bool, say: Callable[[str], None]) -> str:
    """Upload the report of a study with links to the runs on the Hub. Return the address of the commit.

    Raises InputError without a repository or a token, and HubUnavailable.
    """
    stems = {run.record.run_id: run.files.stem for run in source.runs}
    there = study.records(stems)
    if missing := [run.record.run_id for run in subject.runs if run.record.run_id not in there]:
        say(f"{len(missing):,} of {len(subject.runs):,} runs are not on the Hub, so their numbers have no link "
            f"({', '.join(missing[:5])}). `run.py upload` uploads a run")  # fmt: skip
    document = assembling.document(replace(subject, records=there))
    texts = {_PAGE: html.to_html(document), _TWIN: jsontwin.as_text(document), "README.md": card(document, subject)}
    return study.upload(source.folder, texts=texts, private=private, say=say)


def card(document: Document, subject: Subject) -> str:
    """Return the README of the study's folder: the verdict, the results, and how to reproduce them.

    Its metadata has the mean of the seeds of each model with its interval.
    """
    kept = tuple(_without_figures(each) for each in document.sections if each.key in _OF_THE_CARD)
    about = Section(key="files", title="Report", blocks=(
        Paragraph(("The complete report is one page without scripts: ", Link(_PAGE, _PAGE), ". The same numbers for a "
                   "machine are in ", Link(_TWIN, _TWIN), " and ", Link("results.csv", "results.csv"), ".")),
    ))  # fmt: skip
    fields: dict[str, Any] = {"library_name": "isoscale", "tags": ["isoscale", "study"]}
    if means := _means(subject):
        fields["model-index"] = means
    return f"{front(fields)}\n{markdown.to_markdown(replace(document, sections=(*kept, about)))}"


def _means(subject: Subject) -> list[dict[str, Any]]:
    """Return the entries of the Hub's model-index for the models with several seeds. Folds have no test in common."""
    runs = [run for run in subject.runs if not run.config.folds]
    found: list[dict[str, Any]] = plain(pooled.of_runs([entry.index_entry(run) for run in runs], runs))
    return found


def _without_figures(section: Section) -> Section:
    """Return a section with its texts and tables."""
    blocks = tuple(each for each in section.blocks if not isinstance(each, Figure))
    return replace(section, blocks=blocks, sections=tuple(map(_without_figures, section.sections)))
