"""The folds of a study: a row without a fold means all folds, and each group of runs is printed with its result."""

from types import SimpleNamespace

import pytest

from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.results.pooled import Pooled, Score
from app.statistics.rates import wilson
from app.studies import folds
from app.studies.folds import Group, expanded
from app.studies.rows import Row
from app.tables.datasets import DATASETS


def row(where="line 2", **cells):
    return Row(cells=cells, where=where)


def cells(found):
    return [(each.cells.get("repeat"), each.cells.get("fold")) for each in found]


@pytest.mark.parametrize("count", [3, "3"])
def test_a_row_with_folds_but_no_fold_stands_for_every_fold(count):
    found = expanded([row(folds=count, fold="", seed=1), row(seed=2)], None)
    assert cells(found) == [(None, 0), (None, 1), (None, 2), (None, None)]
    assert found[1].where == "line 2, fold=1" and found[1].cells["seed"] == 1


def test_repeats_multiply_rows_with_folds_only():
    found = expanded([row(folds=2), row(folds=2, fold=1), row(seed=2)], 2)
    assert cells(found) == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 1), (1, 1), (None, None)]


@pytest.mark.parametrize("count", [1, 0, "x", "1001", 10**9, ""])
def test_a_number_of_folds_that_is_none_is_left_to_be_refused(count):
    assert expanded([row(folds=count)], None) == [row(folds=count)]


def test_repeats_without_folds_and_with_a_repeat_are_refused():
    with pytest.raises(InputError, match=r"--repeats 2 has no effect without folds. Give --folds"):
        expanded([row(seed=1)], 2)
    with pytest.raises(InputError, match="line 2: repeat=1 and --repeats 2 both choose"):
        expanded([row(folds=2, repeat=1)], 2)


def test_too_many_runs_are_refused(monkeypatch):
    monkeypatch.setattr(folds, "MOST_ROWS", 12)
    assert len(expanded([row(folds=3), row(folds=3)], 2)) == 12
    with pytest.raises(InputError, match="more than 12 runs"):
        expanded([row(folds=3), row(folds=7)], 1_000_000_000)


def progress(fold, repeat=0, state="stopped", **given):
    request = {"dataset": "digits", "folds": 2, "fold": fold, "repeat": repeat, **given}
    config = resolve(request, dataset_facts(DATASETS["digits"]))
    return SimpleNamespace(cell=SimpleNamespace(config=config, given=request, run_id=config.run_id), run=None,
                           state=state, done=state == "done")  # fmt: skip


def test_cells_that_differ_in_fold_and_repeat_only_are_a_group_named_by_what_differs():
    runs = [progress(fold, repeat, lr=lr) for lr in (1e-3, 1e-2) for repeat in (0, 1) for fold in (0, 1)]
    found = folds.groups(runs, print)
    assert [len(group.cells) for group in found] == [4, 4] and all(group.pooled is None for group in found)
    assert found[0].line() == ("vit_differential 1M, digits, seed 0, lr=0.001, 2 folds. 4 of 4 runs are not finished")
    assert "lr=0.01" in found[1].line()
    (partly,) = folds.groups([progress(0, state="done"), progress(0, 1)], print)
    assert partly.line().endswith("1 of 2 runs are not finished, and 2 of 4 folds are not in the study")


def test_a_group_is_told_with_its_interval_and_its_repeats():
    one = Score(metric="accuracy", n=200, value=0.9, interval=wilson(180, 200), correct=180)
    two = Score(metric="accuracy", n=200, value=0.8, interval=wilson(160, 200), correct=160)
    first = progress(0, state="done")
    group = Group(cells=(first,), title="m, d", pooled=Pooled(folds=2, run_ids=("a",), repeats={0: one, 1: two}))
    assert group.line() == (
        "m, d, 2 folds: accuracy 85.00 % (95 % Wilson interval 79.39 % to 89.29 %, n = 200, mean of 2 repeats, "
        "80.00 % to 90.00 %)"
    )
    error = Score(metric="rmse", n=20, value=0.5, interval=(0.4, 0.6))
    group = Group(cells=(first,), title="m, d", pooled=Pooled(folds=2, run_ids=("a",), repeats={0: error}))
    assert group.line() == "m, d, 2 folds: RMSE 0.5 (95 % bootstrap interval 0.4 to 0.6, n = 20)"


def test_folds_that_cannot_be_pooled_are_reported_and_do_not_end_the_command(tmp_path):
    runs = [progress(fold, state="done") for fold in (0, 1)]
    for each in runs:
        each.run = SimpleNamespace(files=SimpleNamespace(record=tmp_path / "model_none.json"))
    said = []
    (group,) = folds.groups(runs, said.append)
    assert group.pooled is None and "They are not pooled" in group.line() and "does not exist" in said[0]
