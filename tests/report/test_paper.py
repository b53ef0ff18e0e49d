"""The files of a paper: a table that claims no more than the verdict, numbers as in the records, embedded fonts."""

import csv
import re
import shutil
import subprocess

import numpy as np
import pytest
from raw_records import put, raw
from results import arms, classified, finished

from app.artifacts.runs import find_runs
from app.errors import InputError
from app.report.paper import checklist, files, latex, table
from app.report.sections import methods, references
from report.test_numbers import few_examples, folds, grouped_regression, two_datasets
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


@pytest.mark.slow
def test_the_files_have_the_numbers_of_the_records_and_the_methods_cite_what_was_used(tmp_path):
    arms(tmp_path / "runs", {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=2, n=80)
    found = written(tmp_path / "runs", tmp_path)
    figures = [name for name in found if name.startswith("figures/")]
    names = ("verdict", "classes-1", "reliability-1M")
    assert figures == [f"figures/{name}_digits_{width}.pdf" for width in ("column", "text") for name in names]
    assert found.keys() - {*figures} == {"table.tex", "results.csv", "methods.tex", "references.bib", "checklist.tex"}
    rows = list(csv.DictReader(found["results.csv"].open()))
    assert len(rows) == 4 and {row["top1"] for row in rows} == {"0.3"} and "confusion" not in rows[0]
    bib, text = found["references.bib"].read_text(), found["methods.tex"].read_text()
    cited = set(re.findall(r"\\citep\{(\w+)\}", text))
    assert "hillis2007comparison" in cited and cited == set(re.findall(r"@\w+\{(\w+),", bib))
    assert "Hillis 2007" not in text and r"vit\_classic" in text and bib.count("{") == bib.count("}")


def test_the_methods_state_tests_of_other_weights_and_name_the_metric_of_the_margin_once(tmp_path):
    arms(tmp_path, {"vit_classic": 0.5, "vit_differential": 0.6}, seeds=2, n=80)
    once = " ".join(methods.paragraphs(subject_of(tmp_path)))
    assert "The final weights were tested once on a test set that all runs share." in once
    run = find_runs(tmp_path)[0]
    values = raw(run)
    values["results"]["test_best"] = values["results"]["test"]
    put(run.files.record, values)
    again = " ".join(methods.paragraphs(subject_of(tmp_path)))
    grouped_regression(tmp_path / "regression")
    margin = re.search(r"The margin is ([\w. ]+);", " ".join(methods.paragraphs(subject_of(tmp_path / "regression"))))
    assert margin and margin[1].endswith("of RMSE") and margin[1].count("RMSE") == 1
    assert "tested once" not in again and "Other weights of 1 of the 4 runs were tested on it, too." in again


@pytest.mark.slow
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


def checked(folder):
    """The items of the checklist of all runs below a folder, by title."""
    return {each.title: each for each in checklist.items(subject_of(folder))}


def test_the_checklist_answers_what_follows_from_the_study_and_leaves_the_rest(tmp_path):
    arms(tmp_path, {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=3, n=80)
    found = checked(tmp_path)
    significance = found["Experiment Statistical Significance"]
    assert significance.answer == "Yes" and significance.tables == ("tab:digits",)
    for telling in ("two-sided 95 %", "n = 80", "3 seeds of each", "the training seed", "Assumptions: seeds are"):
        assert telling in significance.reason
    assert "0 unfinished and failed runs" in found["Experiments Compute Resources"].reason
    assert "The licence of Optical digits is unknown" in found["Licenses for existing assets"].reason
    left = [title for title, each in found.items() if each.answer == checklist.TODO]
    assert {"Claims", "Theory Assumptions and Proofs", "Broader Impacts", "Licenses for existing assets"} < {*left}
    assert len(found) == 15


def test_single_runs_are_no_statistical_significance_and_folds_name_their_factors(tmp_path):
    arms(tmp_path / "one", {"vit_classic": 0.2, "vit_differential": 0.9}, seeds=1, n=80)
    folds(tmp_path / "folds")
    one, other = (checked(tmp_path / name)["Experiment Statistical Significance"] for name in ("one", "folds"))
    assert one.answer == "No" and "no spread over seeds" in one.reason
    assert other.answer == "Yes" and "the partition of the examples" in other.reason and "3 repeats" in other.reason


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("pdflatex") and shutil.which("bibtex")), reason="needs pdflatex and bibtex")
@pytest.mark.parametrize(
    "study", [few_examples, folds, grouped_regression, two_datasets], ids=lambda each: each.__name__
)
def test_the_files_compile_with_every_citation_and_label_within_the_width_of_a_page(tmp_path, study):
    study(tmp_path / "runs")
    folder = next(iter(written(tmp_path / "runs", tmp_path).values())).parent
    shown = "".join(
        rf"\par\noindent\includegraphics{{{path}}}" for path in sorted((folder / "figures").glob("*_text.pdf"))
    )
    (folder / "main.tex").write_text(
        r"\documentclass{article}\usepackage[textwidth=5.5in]{geometry}\usepackage{booktabs,natbib,graphicx}"
        r"\begin{document}\sloppy\input{methods}\input{table}"
        rf"{shown}\bibliographystyle{{plainnat}}\bibliography{{references}}\input{{checklist}}\end{{document}}"
    )
    for command in (["pdflatex"], ["bibtex"], ["pdflatex"], ["pdflatex"]):
        options = ["-interaction=nonstopmode", "-halt-on-error"] if command == ["pdflatex"] else []
        made = subprocess.run(
            [*command, *options, "main"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert made.returncode == 0, made.stdout[-2000:]
    log = (folder / "main.log").read_text(errors="replace")
    warned = re.findall(r"Warning--(.*)", (folder / "main.blg").read_text())
    assert not re.search(r"undefined (?:references|citations)|Citation .* undefined|Reference .* undefined", log)
    assert all(re.search(r"(?:author|year|author or key) in model\w+$", each) for each in warned), warned
    assert max([0.0, *map(float, re.findall(r"Overfull \\hbox \(([\d.]+)pt", log))]) < 2  # the width of NeurIPS


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
