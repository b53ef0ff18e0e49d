"""Looks at a study: planned before the first, counted by new sets of runs, and without a verdict outside the plan."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.artifacts.runs import find_runs, indexed
from app.errors import Damaged, InputError
from app.results import arms as choosing
from app.results import looks
from app.results.comparing import compare

from . import arms


def take(folder, seeds, *, asked=None, complete=10, dataset="digits"):
    """The look at the first seeds of two models."""
    ids = [f"{model}{seed}" for model in "ab" for seed in range(seeds)]
    return looks.take(folder, dataset, ids, seeds=seeds, complete=complete, asked=asked)


def test_without_a_plan_one_look_at_the_complete_study_is_planned_at_95_percent(tmp_path):
    early, full = take(tmp_path, 3), take(tmp_path, 10)
    assert (early.number, early.planned, early.plan) == (1, False, (10,)) and full.level == pytest.approx(0.95)
    assert (full.number, full.planned) == (2, True) and "outside the plan" in early.line


def test_planned_looks_share_the_error_rate_and_are_used_once_each(tmp_path):
    first = take(tmp_path, 3, asked=(10, 3, 5))
    assert first.planned and first.plan == (3, 5, 10) and first.level == pytest.approx(1 - 0.05 / 3)
    assert not take(tmp_path, 4).planned and take(tmp_path, 5).planned
    again = looks.take(tmp_path, "digits", ["a0", "x"], seeds=5, complete=10, asked=None)  # other runs, as many seeds
    assert (again.number, again.planned) == (4, False) and "look 4 at this study" in again.line


def test_the_same_runs_are_no_new_look_and_the_plan_is_written_before_the_first(tmp_path):
    take(tmp_path, 3, asked=(3, 5))
    before = (tmp_path / looks.NAME).read_text()
    assert take(tmp_path, 3).number == 1 and take(tmp_path, 3, asked=(3, 5)).planned
    assert (tmp_path / looks.NAME).read_text() == before
    plan, look = map(json.loads, before.splitlines())
    assert plan["plan"] == [3, 5] and look["seeds"] == 3 and len(look["run_ids"]) == 6


def test_datasets_of_a_study_have_separate_plans(tmp_path):
    take(tmp_path, 3, asked=(3, 5))
    other = take(tmp_path, 3, dataset="bach")
    assert (other.number, other.plan, other.planned) == (1, (10,), False)


def test_another_plan_and_a_bad_one_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"not a list of numbers of seeds"):
        looks.parsed("3;5")
    with pytest.raises(InputError, match=r"plans a look at 1 seeds"):
        take(tmp_path, 3, asked=looks.parsed("1,3"))
    assert not (tmp_path / looks.NAME).exists()
    take(tmp_path, 3, asked=(3, 5))
    with pytest.raises(InputError, match=r"--looks 3,7 is not the plan of this study.*3,5"):
        take(tmp_path, 3, asked=(3, 7))


def test_looks_at_another_study_with_the_same_name_are_not_counted_and_this_is_printed(tmp_path):
    take(tmp_path, 3, asked=(3, 5))
    other = looks.take(tmp_path, "digits", ["x0", "y0"], seeds=1, complete=4, asked=None)
    assert (other.number, other.plan, other.planned, other.others) == (1, (4,), False, 1)
    assert "not counted: 1 earlier with none of these runs" in other.line and other.to_json()["others"] == 1
    again = looks.take(tmp_path, "digits", ["x0", "y0", "x1"], seeds=4, complete=4, asked=None)
    assert (again.number, again.planned, again.others) == (2, True, 1)
    first = take(tmp_path, 5)
    assert (first.number, first.plan, first.planned, first.others) == (2, (3, 5), True, 2)


def test_processes_that_look_at_once_are_counted_one_after_the_other(tmp_path):
    def look(number):
        return looks.take(tmp_path, "digits", ["first", f"run{number}"], seeds=3, complete=3, asked=None)

    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(look, range(24))]
    assert sorted(each.number for each in found) == [*range(1, 25)] and sum(each.planned for each in found) == 1
    lines = [json.loads(line) for line in (tmp_path / looks.NAME).read_text().splitlines()]
    assert len(lines) == 25 and sum("plan" in line for line in lines) == 1
    assert [path.name for path in tmp_path.iterdir()] == [looks.NAME]


def test_a_look_that_was_taken_is_read_without_writing(tmp_path, monkeypatch):
    first = take(tmp_path, 10)

    def refuse(*_, **__):
        raise OSError("Read-only file system")

    monkeypatch.setattr(looks.locks, "lock", refuse)
    assert take(tmp_path, 10) == first
    with pytest.raises(OSError, match="Read-only"):
        take(tmp_path, 3)


def test_a_damaged_file_is_not_overwritten(tmp_path):
    (tmp_path / looks.NAME).write_text("{broken\n")
    with pytest.raises(Damaged, match=r"counts the looks"):
        take(tmp_path, 3)
    assert (tmp_path / looks.NAME).read_text() == "{broken\n"


def test_a_look_outside_the_plan_has_no_verdict_word_and_a_planned_one_a_wider_interval(tmp_path):
    arms(tmp_path / "runs", {"vit_classic": 0.6, "vit_differential": 0.9}, seeds=3)
    chosen, entries = choosing.chosen({"": find_runs(tmp_path / "runs")}), indexed(tmp_path / "runs")
    outside = compare(chosen, entries, look=take(tmp_path, 3))
    assert outside.pairs[0].word == "no verdict" and "is better" not in outside.pairs[0].sentence
    planned = compare(chosen, entries, look=take(tmp_path / "other", 3, asked=(3, 5, 10)))
    assert planned.pairs[0].word in ("better", "worse") and planned.level == pytest.approx(1 - 0.05 / 3)
    widths = [np.ptp(each.pairs[0].interval) for each in (planned, outside, compare(chosen, entries))]
    assert widths[0] > widths[1] == widths[2]
