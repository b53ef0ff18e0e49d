"""Writes the files of a paper: table, results, methods, references, a draft of the checklist, and figures as PDF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ...artifacts.record import plain
from ...artifacts.runs import Run
from ...errors import InputError
from ...system.durable import write_text
from .. import style
from ..canvas import Canvas
from ..sections import calibration, classes, curves, disagreed, dots, forest, methods, noise, references, scaling
from ..sections.subject import Subject
from . import checklist, latex, table

WIDTHS = {"column": 3.25, "text": 5.5}  # inches: a column of ICML and CVPR, the text of NeurIPS
_FIGURES = "figures"
_SETTINGS = ("dataset", "model", "size", "seed", "fold", "repeat", "epochs", "batch_size", "lr")
_LONG = ("per_class", "confusion")


def write(subject: Subject, folder: Path) -> list[Path]:
    """Write the files into a folder, which is made if it is missing. Return their paths. Raises InputError."""
    require(subject, folder)
    texts = {
        "table.tex": table.text(subject), "results.csv": _csv(subject.runs), "methods.tex": _methods(subject),
        "references.bib": references.bibtex(references.of(subject)), "checklist.tex": checklist.text(subject),
    }  # fmt: skip
    (folder / _FIGURES).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [*(folder / name for name in texts), *_figures(subject, folder / _FIGURES)]


def require(subject: Subject, folder: Path) -> None:
    """Raise InputError without finished runs, and if the folder is a file."""
    if not subject.runs:
        raise InputError(
            f"study {subject.name} has no finished run, so there is nothing for a paper yet. Train it first"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--paper {folder} is a file. Give a folder")


def _figures(subject: Subject, folder: Path) -> Iterator[Path]:
    """Write each figure in both widths, with embedded fonts. Yield their paths."""
    if subject.several and (rows := forest.rows(subject)):
        for name, width in WIDTHS.items():
            canvas = Canvas(width=width, caption=False, formats=("pdf",))
            yield from style.save(forest.draw(rows, canvas), folder / f"forest_{name}", canvas)
    for answer in subject.answers:
        for name, width in WIDTHS.items():
            canvas = Canvas(width=width, caption=False, formats=("pdf",))
            drawn: dict[str, Figure] = {
                key: made
                for part in (scaling, classes, disagreed, curves, noise, calibration)
                for key, (made, _) in part.drawings(answer, width).items()
            }
            if answer.comparison:
                drawn = {"verdict": dots.draw(answer.comparison, canvas)} | drawn
            for key, figure in drawn.items():
                yield from style.save(figure, folder / f"{key}_{answer.key}_{name}", canvas)


def _methods(subject: Subject) -> str:
    """Return the methods with citations in place of the sources' names."""
    found = []
    for paragraph in methods.paragraphs(subject):
        text = latex.escaped(paragraph)
        for named, key in methods.CITED.items():
            text = text.replace(f"({named})", rf"\citep{{{key}}}")
        found.append(text)
    models = dict.fromkeys(run.config.model for run in subject.runs)
    cited = [rf"\texttt{{{latex.escaped(model)}}}~\citep{{{references.key_of_model(model)}}}" for model in models]
    return (
        "\n\n".join([*found, f"The models are {', '.join(cited)}, as implemented in isoscale~\\citep{{isoscale}}."])
        + "\n"
    )


def _csv(runs: list[Run]) -> str:
    """Return one row per run with unrounded numbers, rates as fractions."""
    rows = [_row(run) for run in runs]
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(run: Run) -> dict[str, Any]:
    record = run.record
    found: dict[str, Any] = {"run_id": record.run_id}
    found |= {name: getattr(run.config, name) for name in _SETTINGS}
    found |= {
        "parameters": record.parameters.total,
        "training_seconds": record.seconds.training if record.seconds else None,
    }
    found |= {"energy_kwh": record.energy_kwh, "dollars": record.dollars}
    for name, value in plain(record)["results"]["test"].items():
        if isinstance(value, list) and name not in _LONG:
            found |= {
                f"{name.removesuffix('_interval')}_low": value[0],
                f"{name.removesuffix('_interval')}_high": value[1],
            }
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found
