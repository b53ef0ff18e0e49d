"""`export`: a file that torch loads without isoscale, checked before it is kept, with nothing left behind otherwise."""

import json

import pytest
import torch

from app import export as exporting
from app.export import comparing


def exported(call, options):
    ended = call(f"export checkpoints {options} --json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_program_answers_as_the_run_at_any_batch_and_states_its_facts(call, run, work):
    done = exported(call, "--format pt2")
    assert done["path"] == f"{run.files.stem}.pt2" and done["error"] <= 1e-6 and done["batches"] == [1, 2, 5]
    facts = {"isoscale.json": ""}
    program = torch.export.load(work / done["path"], extra_files=facts)
    assert program.module()(torch.zeros(7, *done["inputs"])).shape == (7, 10)
    stated = json.loads(facts["isoscale.json"])
    assert stated["run_id"] == run.record.run_id and json.loads(stated["classes"]) == run.record.data.class_names


@pytest.mark.slow
def test_an_existing_file_is_replaced_only_with_force_and_a_file_of_the_run_never(call, run, work):
    (work / "mine.pt2").write_text("mine")
    refused = call("export checkpoints --format pt2 --out mine.pt2")
    assert refused.code == 2 and "--force" in refused.err and (work / "mine.pt2").read_text() == "mine"
    assert exported(call, "--format pt2 --out mine.pt2 --force")["bytes"] == (work / "mine.pt2").stat().st_size
    kept = run.files.weights.read_bytes()
    assert call(f"export checkpoints --format pt2 --out {run.files.weights} --force").code == 2
    assert run.files.weights.read_bytes() == kept


def test_other_outputs_than_the_run_s_are_refused_and_nothing_is_left(call, run, work, monkeypatch):
    monkeypatch.setattr(comparing, "MOST", -1.0)
    before = sorted(work.iterdir())
    ended = call("export checkpoints --format pt2 --json")
    assert ended.code == 4 and json.loads(ended.out)["error"]["kind"] == "inexact" and sorted(work.iterdir()) == before


def test_a_format_that_writes_a_folder_leaves_it_complete_or_absent(call, run, work, monkeypatch):
    row = exporting.FORMATS["pt2"]
    monkeypatch.setitem(exporting.FORMATS, "pt2", type(row)(name="pt2", title="", ending=""))

    def failing(_run, _request, folder):
        (folder / "half").write_text("half")
        raise RuntimeError("the machine is gone")

    monkeypatch.setitem(exporting.WRITERS, "pt2", failing)
    assert call("export checkpoints --format pt2 --out made").code == 1
    assert [path.name for path in work.iterdir()] == ["checkpoints"]


@pytest.mark.parametrize("options", ["--format onyx", "--format pt2 --opset 20", "--format pt2 --best --ema"])
def test_an_unknown_format_or_an_option_without_effect_is_bad_input(call, run, options):
    assert call(f"export checkpoints {options}").code == 2
