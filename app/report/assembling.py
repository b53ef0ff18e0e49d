"""A study's report: its sections in order, from which every format is rendered."""

from __future__ import annotations

from .document.parts import Document
from .sections import (
    audit,
    calibration,
    classes,
    closing,
    curves,
    disagreed,
    ledger,
    methods,
    noise,
    remedy,
    results,
    scaling,
    verdict,
)
from .sections.subject import Subject


def document(subject: Subject) -> Document:
    """Return the report of a study. Sections without content are omitted."""
    sections = [
        verdict.section(subject), audit.section(subject), remedy.section(subject), results.section(subject),
        scaling.section(subject), classes.section(subject), disagreed.section(subject), curves.section(subject),
        noise.section(subject), calibration.section(subject), ledger.section(subject),
        closing.reproduction(subject), closing.limits(subject), closing.licences(subject), methods.section(subject),
    ]  # fmt: skip
    models = " and ".join(dict.fromkeys(run.config.model for run in subject.runs)) or "no finished runs"
    datasets = ", ".join(answer.title for answer in subject.answers)
    about = (
        f"{models}{f' on {datasets}' if datasets else ''}. Written by isoscale {subject.version} on {subject.written}."
    )
    return Document(
        title=f"Study {subject.name}", about=about,
        sections=tuple(each for each in sections if each and (each.blocks or each.sections)), records=subject.records,
    )  # fmt: skip
