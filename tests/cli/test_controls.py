"""Negative controls on real digits runs: where nothing is to be found, the complete program finds nothing."""

import itertools
import json

import numpy as np
import pytest

SEEDS = 6
TINY = "train --model vit_classic --d-model 16 --depth 3 --heads 2 --lr 5e-3 --device cpu"
DIGITS = f"{TINY} --dataset digits --size 10K --epochs 6"


def pictures(folder, *, shuffled):
    """The digits of scikit-learn as a folder of images: 500 to train on, 300 to test on, a folder per class.

    `shuffled` puts every image, also those of the test set, into the folder of another one's class.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = np.random.default_rng(18).permutation(len(found.target))[:800]
    labels = found.target[chosen]
    if shuffled:
        labels = np.random.default_rng(0).permutation(labels)
    for place, (row, label) in enumerate(zip(chosen, labels, strict=True)):
        path = folder / ("train" if place < 500 else "test") / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((found.images[row] * 15).astype(np.uint8)).save(path)
    return folder


def accuracy_of(call, data, checkpoints):
    """The test of a tiny model that was trained on a folder of images: accuracy and its interval."""
    shape = "--size 11K --image 8 --patch 4 --augment none --batch-size 32 --epochs 20"
    made = call(f"{TINY} --dataset {data} {shape} --checkpoints {checkpoints}")
    assert made.code == 0, made.err
    shown = json.loads(call(f"evaluate --model vit_classic --checkpoints {checkpoints} --json").out)
    return shown["top1"], shown["top1_interval"]


@pytest.mark.slow
def test_a_model_trained_on_shuffled_labels_is_at_chance(call, tmp_path):
    accuracy, (low, high) = accuracy_of(call, pictures(tmp_path / "shuffled", shuffled=True), tmp_path / "a")
    assert low < 0.1 < high
    accuracy, (low, _) = accuracy_of(call, pictures(tmp_path / "true", shuffled=False), tmp_path / "b")
    assert accuracy > 0.4 and low > 0.3  # the same recipe learns from true labels


@pytest.mark.slow
def test_the_same_command_in_two_folders_is_identical(call, tmp_path):
    for name in "ab":
        assert call(f"{DIGITS} --checkpoints {tmp_path / name}").code == 0
    records = [next((tmp_path / name).rglob("model_*.json")) for name in "ab"]
    ended = call(f"compare {records[0]} {records[1]} --checkpoints {tmp_path / 'a'} --json")
    assert ended.code == 0, ended.err
    (pair,) = json.loads(ended.out)["pairs"]
    assert pair["verdict"] == "identical" and pair["difference"] == 0


@pytest.mark.slow
def test_six_seeds_of_one_model_differ_in_at_most_one_of_ten_splits(call, tmp_path):
    for seed in range(SEEDS):
        assert call(f"{DIGITS} --seed {seed} --checkpoints {tmp_path}").code == 0
    found, words = set(), []
    for half in itertools.combinations(range(SEEDS), SEEDS // 2):
        if 0 not in half:
            continue  # its other half is the same split
        rest = [seed for seed in range(SEEDS) if seed not in half]
        arms = " ".join(f"model=vit_classic,seed={','.join(map(str, seeds))}" for seeds in (half, rest))
        ended = call(f"compare {arms} --checkpoints {tmp_path} --json")
        answer = json.loads(ended.out)
        found |= {result for arm in answer["arms"] for result in arm["results"]}
        words.append(answer["pairs"][0]["verdict"])
    assert len(words) == 10 and len(found) > 3  # the runs do differ
    assert sum(word in ("better", "worse") for word in words) <= 1, words
