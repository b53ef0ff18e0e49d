"""`report`: a study as one page, Markdown, JSON and on the Hub; bad input is refused before anything is written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hub.server import HubServer
from report.readings import Page
from results import arms

from app.artifacts.runs import find_runs
from app.report import publishing
from app.studies.worker import Worker

ROWS = "".join(f"digits,1M,{model},{seed}\n" for model in ("vit_classic", "vit_differential") for seed in range(3))


@pytest.fixture
def study(work):
    """A study of six finished runs, as grid.csv names them, without logs."""
    arms(work / "checkpoints", {"vit_classic": 0.3, "vit_differential": 0.8}, seeds=3, n=60)
    for log in (work / "checkpoints").rglob("*_training.log"):
        log.unlink()
    (work / "grid.csv").write_text(f"dataset,size,model,seed\n{ROWS}")
    return work


@pytest.mark.figures
def test_a_page_is_written_and_its_path_is_all_that_is_printed(study, call):
    ended = call("report grid.csv -o out/r.html")
    assert ended.code == 0 and ended.out == "out/r.html\n", ended.err
    text = (study / "out/r.html").read_text()
    page = Page(text)
    assert "Better" in text and "python run.py report grid.csv" in text and str(study) not in text
    assert all((study / "out" / each.address).is_file() for each in page.numbers if each.address)
    assert call("report grid.csv").out.strip() == "checkpoints/studies/grid/report.html"


@pytest.mark.slow
@pytest.mark.figures
def test_markdown_and_json_are_printed_with_the_same_verdict(study, call):
    text, found = call("report grid.csv --format md"), call("report grid.csv --format json")
    assert text.code == found.code == 0
    sections = json.loads(found.out)["sections"]
    assert text.out.startswith("# Study grid") and "**Better**" in text.out
    assert sections[0]["key"] == "verdict" and sections[0]["blocks"][0]["kind"] == "verdict"
    assert not (study / "checkpoints/studies/grid/report.html").exists()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("report nothing.csv", "nothing.csv"),
        ("report grid.csv --format pdf", "pdf"),
        ("report grid.csv --delta 0", "--delta"),
        ("report grid.csv --target images", "images"),
        ("report vit_classic", "vit_classic"),
        ("report grid.csv -o checkpoints", "checkpoints"),
        ("report grid.csv --paper grid.csv", "grid.csv"),
        ("report grid.csv --looks 3 --metric accuracy", "accuracy"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(study, call, line, word):
    ended = call(line)
    assert ended.code == 2 and word in ended.err and "Traceback" not in ended.err, ended
    assert not list(study.rglob("*.html"))


def test_a_report_needs_no_torch(study):
    program = (
        "import sys; from app.cli import main; code = main(['report', 'grid.csv', '--format', 'json']); "
        "print(code, 'torch' in sys.modules, 'torchvision' in sys.modules, file=sys.stderr)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=study, capture_output=True, text=True, env={"PYTHONPATH": str(root)},
        check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "0 False False", done.stderr


@pytest.mark.slow
@pytest.mark.figures
def test_the_studys_folder_on_the_hub_has_the_report_the_results_and_a_card_with_the_verdict(study, call, online):
    assert isinstance(online, HubServer)
    call("study status grid.csv")
    ended = call("report grid.csv --upload")
    assert ended.code == 0, ended.err
    assert "6 of 6 runs are not on the Hub" in ended.err
    files = online.files("tester/runs")
    assert {
        f"studies/grid/{name}" for name in ("README.md", "report.html", "report.json", "looks.jsonl", "results.csv")
    } <= {*files}
    card = files["studies/grid/README.md"].decode()
    assert "**Better**" in card and "report.html" in card and str(study) not in card
    means = yaml.safe_load(card.split("---\n")[1])["model-index"]
    about = [each["results"][0]["metrics"][0]["args"] for each in means]
    assert [(each["model"], each["seeds"]) for each in about] == [("vit_classic", 3), ("vit_differential", 3)]
    assert all(each["n"] and each["interval_covers"] for each in about)


def test_a_finished_study_uploads_its_results(study, call, online, monkeypatch):
    find_runs(study / "checkpoints")[0].files.record.unlink()
    monkeypatch.setattr(Worker, "complete", lambda self: [each for each in self.progress() if each.done])
    ended = call("study grid.csv --upload --mixed-versions")
    assert ended.code == 0, ended.err
    assert {"studies/grid/results.csv", "studies/grid/results.parquet"} <= {*online.files("tester/runs")}


def test_records_on_the_hub_have_their_address_there(study, monkeypatch):
    run = find_runs(study / "checkpoints")[0]
    stem = run.files.stem
    monkeypatch.setenv("HF_REPOSITORY", "tester/runs")
    there = {f"vit_classic/{stem}/{stem}.json": None, "README.md": None}
    monkeypatch.setattr(publishing.study.repositories, "exists", lambda _: True)
    monkeypatch.setattr(publishing.study.repositories, "head", lambda _: "sha")
    monkeypatch.setattr(publishing.study.repositories, "listing", lambda *_: there)
    found = publishing.study.records({run.record.run_id: stem, "0" * 8: "model_other"})
    assert found == {run.record.run_id: f"https://huggingface.co/tester/runs/blob/main/vit_classic/{stem}/{stem}.json"}
