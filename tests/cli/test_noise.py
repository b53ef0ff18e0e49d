"""Training under noise from the command line: labels by people, a run on them, and its test without their file."""

import shutil

import numpy as np
import pytest
import torch
from data.pictures import write_hub

from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs

TRAIN = "train --dataset ./cifar --image 16 --patch 4 --size 100K --d-model 64 --epochs 1 --batch-size 32 --threads 1"
LABELS = [row % 3 for row in range(60)]

pytestmark = pytest.mark.slow


@pytest.fixture
def cifar(work, cache_folder):
    """Images in the layout of CIFAR, and a file of labels by people."""
    write_hub(work / "cifar", {"train": LABELS, "test": LABELS[:12]}, ["airplane", "automobile", "bird"], size=(32, 32))
    worse = (np.array(LABELS) + (np.arange(60) % 5 < 2)) % 3
    torch.save({"clean_label": np.array(LABELS), "worse_label": worse}, work / "human.pt")
    return worse


def test_labels_by_people_are_converted_learned_from_and_found_in_the_run_again(call, work, cifar, cache_folder):
    done = call("data labels human.pt --dataset ./cifar --out labels")
    assert done.code == 0, done.err
    assert "worse_label: 40.00 % of 60 labels differ from the dataset's" in done.err
    path = done.out.strip()
    trained = call(f"{TRAIN} --label-noise {path} --test-distractors 3")
    assert trained.code == 0 and "training labels" in trained.err, trained.err
    (run,) = find_runs(work / "checkpoints")
    before, stored = Predictions.load(run.files.predictions), run.files.splits.read_bytes()
    assert run.config.label_noise.startswith("sha256:") and np.array_equal(before.labels, LABELS[:12])
    shutil.rmtree(cache_folder / "labels")
    again = call("evaluate checkpoints --again")
    assert again.code == 0 and run.files.splits.read_bytes() == stored, again.err
    assert np.array_equal(Predictions.load(run.files.predictions).logits, before.logits)
    found = call("robust checkpoints --corruption contrast --severity 1 --json")
    assert f'"clean": {run.record.test.top1}' in found.out, found.err
    assert "done already" in call(f"{TRAIN} --label-noise {path} --test-distractors 3").err


def test_a_file_that_does_not_fit_is_refused_by_the_plan_and_by_the_training(call, work, cifar):
    np.save(work / "short.npy", np.zeros(7, np.int64))
    assert call(f"{TRAIN} --epochs 1 --limit-train 20").code == 0  # the data are in the cache
    for command in (TRAIN, TRAIN.replace("train", "plan", 1)):
        ended = call(f"{command} --label-noise short.npy")
        assert ended.code == 2 and "has 7 labels, and 53 of 60 training rows have none" in ended.err
