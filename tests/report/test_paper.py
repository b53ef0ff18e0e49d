"""The files of a paper: a table that claims no more than the verdict, numbers as in the records, embedded fonts."""

import csv
import re

import numpy as np
import pytest
from results import arms, classified, finished

from app.errors import InputError
from app.report.paper import files, latex, table
from app.report.sections import methods, references
from report.test_page import subject_of


def written(folder, tmp_path):
    """The files of a paper about all runs below a folder."""
    for log in folder.rglob("*_training.log"):
        log.unlink()
    paths = files.write(subject_of(folder), tmp_path / "paper")
    return {path.relative_to(tmp_path / "paper").as_posix(): path for path in paths}


def test_a_mean_is_bold_only_if_the_verdict_says_better(tmp_path):
    arms(tmp_path / "apart", {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=3, n=80)
    arms(tmp_path / "close", {"vit_classic": 0.5, "vit_differential": 0.52}, seeds=3, n=80)
    apart, close = (table.text(subject_of(tmp_path / name)) for name in ("apart", "close"))
    (bold,) = [line for line in apart.splitlines() if r"\textbf" in line]
    assert r"vit\_differential" in bold and r"\textbf" not in close
    assert "undecided" in close and re.search(r"& (better|worse) \\\\", apart)


def test_the_files_have_the_numbers_of_the_records_and_the_methods_cite_what_was_used(tmp_path):
    arms(tmp_path / "runs", {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=2, n=80)
    found = written(tmp_path / "runs", tmp_path)
    figures = [name for name in found if name.startswith("figures/")]
    kinds = [f"figures/{kind}_digits_{width}.pdf" for width in ("column", "text") for kind in ("verdict", "classes-1")]
    assert figures == kinds
    assert found.keys() - {*figures} == {"table.tex", "results.csv", "methods.tex", "references.bib"}
    rows = list(csv.DictReader(found["results.csv"].open()))
    assert len(rows) == 4 and {row["top1"] for row in rows} == {"0.3"} and "confusion" not in rows[0]
    bib, text = found["references.bib"].read_text(), found["methods.tex"].read_text()
    cited = set(re.findall(r"\\citep\{(\w+)\}", text))
    assert "hillis2007comparison" in cited and cited == set(re.findall(r"@\w+\{(\w+),", bib))
    assert "Hillis 2007" not in text and r"vit\_classic" in text and bib.count("{") == bib.count("}")


def test_a_figure_has_the_width_of_a_column_and_embedded_fonts(tmp_path):
    arms(tmp_path / "runs", {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=2, n=80)
    found = written(tmp_path / "runs", tmp_path)
    for name, inches in (("column", 3.25), ("text", 5.5)):
        content = found[f"figures/verdict_digits_{name}.pdf"].read_bytes()
        box = [float(part) for part in re.search(rb"/MediaBox \[([\d. ]+)\]", content)[1].split()]
        assert box[2] == pytest.approx(72 * inches, abs=0.1)
        assert b"/Type /Font" in content and b"/Type3" not in content


def test_every_cited_name_of_the_methods_is_a_reference():
    text = " ".join(methods.PROCEDURES.values())
    assert set(methods.CITED.values()) == set(references.METHODS)
    assert all(name in methods.CITED for name in re.findall(r"\(([A-Z][\w ]+ \d{4})\)", text))


def test_special_characters_are_shown_by_latex():
    assert latex.escaped(r"a_b & 5 % of {x} \ ~^#$<") == (
        r"a\_b \& 5 \% of \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$\textless{}"
    )
    assert latex.number("-1.5 to 2") == "$-$1.5 to 2" and latex.number("1e-05") == "1e-05"


def test_a_folder_that_is_a_file_and_a_study_without_runs_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing for a paper"):
        files.write(subject_of(tmp_path), tmp_path / "paper")
    right = np.ones(20, bool)
    finished(tmp_path, classified(right), dataset="digits", size="1M")
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="is a file"):
        files.write(subject_of(tmp_path), tmp_path / "taken")
    assert not (tmp_path / "paper").exists()
