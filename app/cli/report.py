"""`report`: a study as one page with its verdict, or as Markdown, JSON and the files of a paper."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import compare as of_compare
from . import options as o
from .examples import page
from .screen import Screen, note, result, result_json, result_line

if TYPE_CHECKING:
    from ..report.gathering import Source
    from ..report.sections.subject import Subject

_option = partial(typer.Option, show_default=False)
FORMATS = ("html", "md", "json")
Study = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="Report this study: its CSV or YAML file, or the name of its folder in "
                   "`studies` below --checkpoints."),
]  # fmt: skip
MetricName = Annotated[
    str | None,
    _option("--metric", help="Compare by this metric. Choices: top1, top3, top5, nll, brier, "
            "balanced-accuracy, macro-f1, ece, ece-debiased; for a regression rmse, log-mse, mae, r2. Default: "
            "top1, or rmse for a regression."),
]  # fmt: skip
Out = Annotated[
    Path | None,
    _option("--out", "-o", metavar="FILE", help="Write the report into this file. Default: report.html in the study's "
            "folder; Markdown and JSON are printed."),
]  # fmt: skip
Form = Annotated[
    str | None,
    _option("--format", help="Write the report in this format. Choices: html, md, json. Default: that of the file's "
            "name, else html."),
]  # fmt: skip
Paper = Annotated[
    Path | None,
    _option("--paper", metavar="FOLDER", help="Also write the files of a paper into this folder: table.tex, "
            "results.csv, figures/*.pdf, methods.tex, references.bib and checklist.tex. Default: none."),
]  # fmt: skip
Upload = Annotated[
    bool,
    _option("--upload/--no-upload", metavar="", help="Upload the report, the results and a card with the verdict to "
            "the study's folder of HF_REPOSITORY. Default: off."),
]  # fmt: skip
Private = Annotated[
    bool, _option("--private/--no-private", metavar="", help="Make the repository private if --upload creates it. "
                  "Default: off."),
]  # fmt: skip

_LOOKS = "A report is a look at the study, as `compare` is. The same runs are counted once."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("report", _LOOKS))(report)


def report(
    study: Study,
    out: Out = None,
    form: Form = None,
    paper: Paper = None,
    upload: Upload = False,
    private: Private = False,
    metric: MetricName = None,
    delta: of_compare.Delta = None,
    target: of_compare.TargetName = "examples",
    looks: of_compare.Looks = None,
    usd_per_hour: of_compare.UsdPerHour = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
) -> None:
    """Write a study's report as one page: verdict, audit, results, costs, and how to reproduce it.

    The page needs no script and fetches nothing. Every number names the run that it is from.
    """
    form = _form(out, form)
    asked: dict[str, Any] = {"metric": metric, "delta": delta, "target": target, "usd_per_hour": usd_per_hour}
    _require(asked, out, paper)
    with Screen(quiet=True) as screen:
        if upload:
            _require_writable(private=private)
        source = _source(study, checkpoints, screen)
        place = out or (source.folder / "report.html" if form == "html" else None)
        subject = _subject(source, place, asked, looks)
        written = _write(subject, place, form, paper)
    for path in written:
        result_line(path)
    if upload:
        _upload(subject, source, private=private)


def _form(out: Path | None, asked: str | None) -> str:
    """Return the format. Raise InputError for an unknown one."""
    from ..tables.ranges import check_known

    endings = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".json": "json"}
    found = asked or (endings.get(out.suffix.lower(), "html") if out else "html")
    check_known("--format", found, FORMATS)
    return found


def _require(asked: dict[str, Any], out: Path | None, paper: Path | None) -> None:
    """Raise InputError for an invalid value of an option, before a look is counted."""
    from ..errors import InputError
    from ..tables.ranges import check_known

    check_known("--target", asked["target"], ("examples", "test-set"))
    if asked["delta"] is not None and not 0 < asked["delta"] < float("inf"):
        raise InputError(f"--delta {asked['delta']:g} is not a difference that matters. Use a number above 0")
    if out and out.is_dir():
        raise InputError(f"--out {out} is a folder. Name a file in it, such as {out / 'report.html'}")
    if paper and paper.exists() and not paper.is_dir():
        raise InputError(f"--paper {paper} is a file. Name a folder")


def _source(name: str, checkpoints: Path, screen: Screen) -> Source:
    """Return the study of an argument. Raises InputError if there is none."""
    from ..errors import InputError
    from ..report.gathering import Source
    from ..studies import compared

    found = compared.named([name], checkpoints, screen)
    if found.study is None:
        raise InputError(f"{name} is not a study. Give its CSV or YAML file, or the name of its folder in studies")
    runs = [run for part in found.parts.values() for run in part]
    there = {run.record.run_id for run in runs}
    file = Path(name) if Path(name).is_file() else None
    return Source(
        name=found.study.folder.name, folder=found.study.folder, checkpoints=checkpoints, file=file, runs=runs,
        missing={each.run_id: each.settings for each in found.study.kept if each.run_id not in there},
        complete=found.study.complete, seeds=found.study.seeds,
    )  # fmt: skip


def _subject(source: Source, place: Path | None, asked: dict[str, Any], looks: str | None) -> Subject:
    from ..artifacts.runs import indexed
    from ..report import gathering
    from ..results import looks as looking
    from ..results.comparing import Asked

    return gathering.gathered(
        source, indexed(source.checkpoints, note), asked=Asked(**asked),
        planned=looking.parsed(looks) if looks else None,
        records=gathering.relative_records(source.runs, place) if place else {},
    )  # fmt: skip


def _write(subject: Subject, place: Path | None, form: str, paper: Path | None) -> list[Path]:
    """Write the report into a file, or print it, and write the files of a paper. Return the files."""
    from ..report import assembling
    from ..report.document import html, jsontwin, markdown
    from ..report.paper import files
    from ..system.durable import write_text

    if paper:
        files.require(subject, paper)
    document = assembling.document(subject)
    written = files.write(subject, paper) if paper else []
    if place is None:
        result_json(jsontwin.to_json(document), indent=1) if form == "json" else result(markdown.to_markdown(document))
        return []  # stdout has the report only
    texts = {"html": html.to_html, "md": markdown.to_markdown, "json": jsontwin.as_text}
    write_text(place, texts[form](document))
    return [place, *written]


def _require_writable(*, private: bool) -> None:
    """Raise InputError for a bad token or repository, and HubUnavailable, before anything is written."""
    from ..system import hub, repositories

    repositories.require_writable(hub.repository(), private=private)


def _upload(subject: Subject, source: Source, *, private: bool) -> None:
    from ..report import publishing

    result_line(publishing.upload(subject, source, private=private, say=note))
