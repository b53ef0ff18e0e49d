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


def test_models_are_listed_by_name_and_size_in_short_shapes(call):
    ended = call("models --model vit_classic --model resnet18 --size 10M")
    assert ended.code == 0
    head, _, *rows = ended.out.splitlines()[2:6]
    assert head.split() == ["model", "size", "shape", "parameters", "GFLOPs", "tokens"]
    assert rows[0].split() == ["vit_classic", "10M", "d256", "L12", "h4", "p8", "9,753,956", "22.47", "785"]
    assert rows[1].startswith("resnet18") and " w" in rows[1]
    assert all(len(line) <= 80 for line in ended.out.splitlines()[2:6])
    wide = call("models --model vit_classic --size 10M --wide").out
    assert "attention classic, d_model 256, depth 12" in wide and "non-embedding" in wide


def test_a_model_without_the_asked_size_is_named(call):
    ended = call("models --model cnn_6 --size 10M")
    assert ended.code == 2 and "cnn_6" in ended.err and "Omit --size" in ended.err
    assert call("models --model vit_clasic").code == 2


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
