"""Runs side by side on one device: what each is started with, the rate of all together, and a run that fails."""

import sys

import pytest

from app.system import neighbours
from benchmarks.gpu import side_by_side
from benchmarks.gpu.findings import Findings, read
from benchmarks.gpu.side_by_side import CASES, Case

# a run that prints what its environment says, then the rate of a run that shares a device with others
RUN = """import json, os, sys
runs = int(os.environ.get("ISOSCALE_NEIGHBOURS", "1 1").split()[0])
print(json.dumps({"prepared": True}), flush=True)
sys.stdin.readline()
print(json.dumps({"steps": 40 // (runs + 1), "seconds": 2.0, "peak": runs}), flush=True)
"""


@pytest.fixture
def findings(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "command", lambda case, tiny: [sys.executable, "-S", "-c", RUN])
    return Findings(tmp_path / "results.jsonl", "side-by-side", tiny=True)


def test_the_rate_of_all_runs_is_noted_over_that_of_one_at_the_same_batch(findings, monkeypatch):
    monkeypatch.setattr(side_by_side, "_IN_MINIATURE", (Case(1, 4), Case(1, 2), Case(3, 4)))
    side_by_side.measure(findings)
    one, other, three = (found for found in read(findings.path) if found["kind"] == "beside")
    assert one["images_per_second"] == 4 * 20 / 2 and other["images_per_second"] == 2 * 20 / 2
    assert three["images_per_second"] == 3 * 4 * 10 / 2 and three["over_one"] == 60 / 40
    assert three["peak_bytes"] == [3, 3, 3] and one["over_one"] == 1


def test_without_one_run_alone_there_is_no_ratio(findings, monkeypatch):
    monkeypatch.setattr(side_by_side, "_IN_MINIATURE", (Case(3, 4),))
    side_by_side.measure(findings)
    (three,) = (found for found in read(findings.path) if found["kind"] == "beside")
    assert three["images_per_second"] == 3 * 4 * 10 / 2 and three["over_one"] is None


def test_a_run_that_fails_costs_its_number_of_runs_only(findings, monkeypatch):
    code = f"import os, sys\nif os.environ.get({neighbours.VARIABLE!r}, '').startswith('2'): sys.exit(3)\n{RUN}"
    monkeypatch.setattr(side_by_side, "command", lambda case, tiny: [sys.executable, "-S", "-c", code])
    monkeypatch.setattr(side_by_side, "_IN_MINIATURE", (Case(1, 4), Case(2, 4), Case(3, 4)))
    side_by_side.measure(findings)
    found = read(findings.path)
    assert [one["runs"] for one in found if one["kind"] == "beside"] == [1, 3]
    (failure,) = (one for one in found if one["kind"] == "failure")
    assert "run 1 of 2: exit 3" in failure["error"] and failure["case"] == Case(2, 4).name


def test_one_run_is_the_first_of_its_batch_and_compiles():
    assert [case.runs for case in CASES if case.batch == 64] == [1, 8, 4, 2]
    assert all(CASES[[case.batch for case in CASES].index(case.batch)].runs == 1 for case in CASES)
    assert side_by_side.Case(1, 64).least > side_by_side.Case(8, 64).least > side_by_side.Case(2, 64).least


def test_each_run_has_the_environment_of_a_study_s_worker_on_the_first_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert CASES[0].runs == 1 and {case.batch for case in CASES if case.runs > 1} == {case.batch for case in CASES}
    (alone,) = side_by_side.environments(1, tiny=False)
    assert alone == {"CUDA_VISIBLE_DEVICES": "2"}
    four = side_by_side.environments(4, tiny=False)
    assert len(four) == 4 and {each["CUDA_VISIBLE_DEVICES"] for each in four} == {"2"}
    assert {each[neighbours.VARIABLE] for each in four} == {"4 4"}
