"""`train --folds`: a study of one run per fold, pooled over all labelled rows."""

import json

import numpy as np
import pytest

from app import log
from app.artifacts import split_rows
from app.artifacts.runs import find_runs

from .test_study import trainings  # noqa: F401 (cells are trained in this process)

LINE = "--dataset digits --size 100K --d-model 64 --epochs 3 --batch-size 128 --threads 1 --folds 3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train --dataset digits --folds 3 --fold 3", "fold=3 does not exist in 3 folds. Use fold=0 to fold=2"),
        ("train --dataset digits --repeats 2", "has no effect without folds. Give --folds"),
        ("train --dataset digits --folds 3 --repeat 1 --repeats 2", "both choose partitions. Omit one"),
        ("train --dataset digits --repeat 1", "repeat=1 has no effect without folds. Give --folds, or omit --repeat"),
        ("train --dataset bach --folds 3 --fold 1 --test-split test", "both choose the test rows. Omit one"),
        ("study --dataset digits", "the study has no runs"),
    ],
)
def test_bad_folds_end_with_2_and_say_what_to_do(call, line, message):
    ended = call(line)
    assert ended.code == 2 and message in ended.err.replace("\n", " ")


def test_a_study_lists_every_fold_of_every_repeat(call):
    ended = call(f"study status {LINE} --repeats 2 --cross seed=0-1 --json")
    found = json.loads(ended.out)
    named = [(cell["config"]["seed"], cell["config"]["repeat"], cell["config"]["fold"]) for cell in found]
    assert named == [(seed, repeat, fold) for seed in (0, 1) for repeat in (0, 1) for fold in range(3)]
    assert len({cell["run_id"] for cell in found}) == 12 and all(cell["pooled"] is None for cell in found)
    shown = call(f"study status {LINE} --repeats 2 --cross seed=0-1").out
    assert "2/3, repeat 1" in shown and shown.count("3 folds. 6 of 6 runs are not finished") == 2
    plain = json.loads(call("study status --dataset digits --cross seed=0-1 --json").out)
    assert "pooled" not in plain[0] and "fold" not in call("study status --dataset digits --cross seed=0-1").out


def test_kept_checkpoints_are_asked_for_where_there_are_none(call):
    line = "--dataset digits --model vit_classic --size 1M --cross seed=0"
    for command in ("best", "clean"):
        ended = call(f"study {command} {line}")
        assert ended.code == 2 and "none of the 0 finished runs" in ended.err and "--keep-every" in ended.err


@pytest.mark.slow
def test_folds_are_pooled_and_their_best_checkpoints_are_tested_and_the_others_deleted(call, work, trainings):  # noqa: F811
    ended = call(f"train {LINE} --keep-every 1")
    assert ended.code == 0 and len(trainings) == 3, ended.err
    runs = find_runs(work / "checkpoints")
    tests = [split_rows.of_test(run.files) for run in runs]
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(1797))
    correct = sum(run.record.test.correct for run in runs)
    assert f"3 folds: accuracy {100 * correct / 1797:.2f} % (95 % Wilson interval" in ended.out
    cells = json.loads(call(f"study status {LINE} --json").out)
    assert {(cell["pooled"]["n"], cell["pooled"]["correct"]) for cell in cells} == {(1797, correct)}
    assert call(f"train {LINE} --fold 1").code == 0 and len(trainings) == 3  # it is done already

    assert "Run `study best` first" in call(f"study clean {LINE} --yes").err
    ended = call(f"study best {LINE} --json")
    assert ended.code == 0 and len(json.loads(ended.out)) == 3
    for before, run in zip(runs, find_runs(work / "checkpoints"), strict=True):
        losses = {row["epoch"]: row["loss"] for row in log.read(run.files.log)[1] if row["split"] == "val_full"}
        best = min(losses, key=losses.__getitem__)
        assert [(each.epoch, each.val_loss) for each in run.record.kept] == [*losses.items()]
        results = run.record.results
        assert results.test_kept.epoch == best and results.test == before.record.test and results.test_best is None
        assert run.record.best.epoch == best and run.files.kept_predictions.exists()
        run.require_whole()
        again = run.files.record.read_bytes()
    assert call(f"study best {LINE}").code == 0 and run.files.record.read_bytes() == again

    refused = call(f"study clean {LINE}")
    assert refused.code == 2 and "--yes" in refused.err and len(run.files.kept()) == 3
    cleaned = call(f"study clean {LINE} --yes")
    assert cleaned.code == 0 and [*run.files.kept()] == sorted({run.record.kept[-1].epoch, best})
    assert "nothing to delete" in call(f"study clean {LINE} --yes").err
    assert call(f"evaluate {run.record.run_id}").code == call(f"runs rm {run.record.run_id} --yes").code == 0
    assert not list(run.files.folder.glob(f"*{run.record.run_id}*"))
