"""`models`: the table of a dataset, however the dataset is named."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CIFAR-10", "uoft-cs/cifar10", "https://huggingface.co/datasets/uoft-cs/cifar10"])
def test_models_are_counted_alike_for_a_dataset_and_for_its_repository(call, name):
    ended = call(f"models --dataset {name}")
    assert (ended.code, ended.out) == (0, call("models --dataset cifar10").out)
    assert ended.out.startswith("on cifar10: 32 px; GFLOPs")


REMEMBERED = """
import sys
from app.cli import main
assert main(["models", "--dataset", "digits", "--json"]) == 0
assert not {"torch", "timm", "numpy"} & set(sys.modules)
"""


@pytest.mark.slow
def test_the_table_of_models_is_remembered_and_then_needs_no_torch(call, work):
    first = call("models --dataset digits --json")
    assert {row["model"] for row in json.loads(first.out)} >= {"swin", "vgg", "vit_differential"}
    root = Path(__file__).resolve().parents[2]
    again = subprocess.run(
        [sys.executable, "-c", REMEMBERED], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert again.stdout == first.out
