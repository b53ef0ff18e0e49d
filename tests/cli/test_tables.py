"""`models`: the table of a dataset, however the dataset is named."""

import pytest


@pytest.mark.parametrize("name", ["CIFAR-10", "uoft-cs/cifar10", "https://huggingface.co/datasets/uoft-cs/cifar10"])
def test_models_are_counted_alike_for_a_dataset_and_for_its_repository(call, name):
    ended = call(f"models --dataset {name}")
    assert (ended.code, ended.out) == (0, call("models --dataset cifar10").out)
    assert ended.out.startswith("on cifar10: 32 px; GFLOPs")
