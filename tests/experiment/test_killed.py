"""A run killed without warning is finished by the same command, with the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import log

MEASURED = {"seconds": 0, "wait_ms": 0, "peak_bytes": 0}
RUN = Path(__file__).resolve().parents[2] / "run.py"
COMMAND = [
    sys.executable, str(RUN), "train", "--dataset", "digits", "--size", "100K", "--d-model", "64", "--epochs", "6",
    "--limit-train", "320", "--batch-size", "32", "--augment", "flip_crop+erasing", "--mixup", "0.8", "--cutmix", "1",
    "--mix-mode", "element", "--state-every", "0", "--threads", "1", "--label-noise", "symmetric:0.3",
    "--distractors", "2", "--test-distractors", "2", "--corrupt-train", "gaussian_noise:2",
]  # fmt: skip


def environment(cache):
    return os.environ | {"ISOSCALE_CACHE": str(cache)}


def killed_at(command, folder, cache, step):
    """Starts the command and kills it once its log has reached a step; returns whether it was still running."""
    process = subprocess.Popen(command, cwd=folder, env=environment(cache), stderr=subprocess.DEVNULL)
    while process.poll() is None:
        logs = list(folder.glob("checkpoints/*/*_training.log"))  # not in folders that come and go
        if logs and f'"step": {step}, ' in logs[0].read_text():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.01)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vit_differential"])  # the study that is killed again and again has both
def test_a_run_killed_twice_at_random_steps_ends_in_the_same_bytes(tmp_path, shared_cache, model):
    command = [*COMMAND, "--model", model]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    steps = sorted(random.Random(model).sample(range(2, 55), 2))
    assert all(killed_at(command, cut, shared_cache, step) for step in steps)
    for folder in (whole, cut):
        subprocess.run(command, cwd=folder, env=environment(shared_cache), check=True, capture_output=True)
    names = {path.relative_to(whole) for path in whole.rglob("*") if path.suffix in (".safetensors", ".parquet")}
    assert len(names) == 4
    for name in names:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    rows = [log.read(next(folder.rglob("*.log")))[1] for folder in (whole, cut)]
    for one, other in zip(*rows, strict=True):
        assert one | MEASURED == other | MEASURED


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adan", "adan_lucidrains", "lion", "muon"])
def test_every_state_of_a_recipe_survives_a_kill(tmp_path, shared_cache, optimizer):
    more = f"--optimizer {optimizer} --lr 1e-3 --ema 1 --drop-path 0.3 --layer-decay 0.8 --precision fp16 --loss bce"
    command = [*COMMAND, "--model", "vit_classic", *more.split(), "--schedule", "wsd", "--best-by", "accuracy"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    assert killed_at(command, cut, shared_cache, random.Random(optimizer).randrange(5, 50))
    for folder in (whole, cut):
        subprocess.run(command, cwd=folder, env=environment(shared_cache), check=True, capture_output=True)
    names = {path.relative_to(whole) for path in whole.rglob("*") if path.suffix in (".safetensors", ".parquet")}
    assert len(names) == 5
    for name in names:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
