"""The averaged weights of a run on the command line: evaluated, reproduced, predicted with, listed, and their card."""

import json

import pytest
from PIL import Image

from app.artifacts.runs import find_runs
from app.sharing import card

TRAIN = (
    "train --dataset digits --size 100K --d-model 64 --epochs 1 --limit-train 64 --limit-val 16 --limit-test 20 "
    "--batch-size 32 --ema 0.5 --threads 1 --device cpu"
)


@pytest.fixture
def averaged(call, cache_folder, work):
    """A finished run with an average."""
    assert cache_folder and call(TRAIN).code == 0
    (run,) = find_runs(work / "checkpoints")
    return run


def test_evaluate_reproduce_and_show_know_the_average(call, averaged, work):
    tested = json.loads(call("evaluate checkpoints --ema --json").out)
    assert tested["weights"] == "ema" and tested["n"] == 20
    assert "averaged weights" in call("evaluate checkpoints --ema").out
    again = json.loads(call("reproduce checkpoints --ema --json").out)
    assert again["weights"] == "ema" and again["reproduced"]
    assert "averaged weights" in call("runs show checkpoints").out
    elsewhere = averaged.files.record.read_text()
    assert '"test_ema"' in elsewhere and '"ema_predictions"' in elsewhere
    Image.new("L", (8, 8)).save(work / "a.png")
    assert json.loads(call("predict checkpoints a.png --ema --json").out)["weights"] == "ema"
    text = card.run_card(find_runs(work / "checkpoints")[0], "hf://owner/name/x")
    assert averaged.files.ema.name in text and "half-life of 0.5 epochs" in text


def test_a_damaged_average_is_refused_and_deleting_the_run_deletes_it(call, averaged, work):
    averaged.files.ema.write_bytes(b"damaged")
    ended = call("evaluate checkpoints --ema --again")
    assert ended.code == 4 and averaged.files.ema.name in ended.err
    assert call("runs rm checkpoints --yes").code == 0 and not [*(work / "checkpoints").rglob("*ema*")]


@pytest.mark.parametrize("line", ["evaluate checkpoints", "predict checkpoints a.png", "reproduce checkpoints"])
def test_weights_that_a_run_lacks_or_two_at_once_end_with_2(call, run, line):
    assert run.config.ema is None
    lacks, both = call(f"{line} --ema"), call(f"{line} --ema --best")
    assert lacks.code == both.code == 2
    assert "was trained without --ema" in lacks.err and "choose different weights" in both.err


def test_the_average_goes_to_the_hub_and_comes_back(call, averaged, online, work):
    folder = f"vit_differential/{averaged.files.stem}"
    assert call(f"{TRAIN} --upload").code == 0
    assert f"{folder}/{averaged.files.ema.name}" in online.files("tester/runs")
    assert call(f"download {folder} back/{averaged.files.stem}").code == 0
    back = next((work / "back").rglob("*_ema.safetensors"))
    assert back.read_bytes() == averaged.files.ema.read_bytes()
    here, there = (json.loads(call(f"evaluate {where} --ema --again --json").out) for where in ("checkpoints", "back"))
    assert here == there
