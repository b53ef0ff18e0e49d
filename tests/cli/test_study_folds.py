"""`train --folds`: a study of one run per fold, pooled over all labelled rows."""

import json

import pytest

LINE = "--dataset digits --size 100K --d-model 64 --epochs 2 --batch-size 128 --threads 1 --folds 3"


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
