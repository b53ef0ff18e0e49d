"""Conditions on settings: parsed as the settings declare, refused with what to write."""

import dataclasses

import pytest

from app.config.conditions import conditions
from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS


def config(**asked):
    """A config as the index of runs has it."""
    found = resolve({"dataset": "cifar100", "model": "vit_classic", **asked}, dataset_facts(DATASETS["cifar100"]))
    return found.to_json()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("seed=3", True), ("seed=0-3", True), ("seed=0,2-4,9", True), ("seed=0-2", False), ("seed=4-9,0", False),
        ("--seed=3", True), (" seed = 3 ", True), ("model=VIT_classic", True), ("model=resnet18,vit_classic", True),
        ("model=resnet18", False), ("size=10m", True), ("size=10000K", True), ("size=25M", False),
        ("size=resnet18", False), ("dataset=CIFAR-100", True), ("dataset=uoft-cs/cifar100", True),
        ("dataset=./photos", False), ("lr=1e-4", True), ("lr=0.0001,3", True), ("lr=1e-3", False),
        ("clip_norm=none", True), ("clip-norm=1", False), ("augment=none", True), ("image=224", True),
        ("image=224x224", True), ("image=128x256", False), ("qkv_bias=none", True), ("qkv_bias=off", False),
        ("pretrained=no", True),
        ("task=classification", True), ("classes=100", True), ("model_revision=1", True), ("val_split=none", True),
        ("field=rho,pressure", False), ("precision=auto,fp32", True),
    ],
)  # fmt: skip
def test_a_value_is_compared_as_its_setting_declares_it(text, fits):
    [condition] = conditions([text])
    assert condition.fits(config(seed=3)) is fits


def test_each_condition_has_to_hold():
    both = conditions(["seed=3", "lr=1"])
    assert [condition.fits(config(seed=3)) for condition in both] == [True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed", r"--where seed .*SETTING=VALUE"), ("seed=", "SETTING=VALUE"), ("=3", "SETTING=VALUE"),
        ("sed=1", "did you mean seed|Did you mean `seed`"), ("seed=x", "whole number"), ("seed=2-0", "0-2"),
        ("seed=-1", "seed=-1"), ("lr=fast", "lr='fast'"), ("model=vit_clasic", "vit_classic"),
        ("precision=fp23", "fp32"), ("size=10B", "10M"), ("state=done", "--state done"), ("image=0x5", "image"),
        ("qkv_bias=maybe", "true"), ("checkpoints=x", "checkpoints"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_what_to_write(text, says):
    with pytest.raises(InputError, match=says):
        conditions([text])


def test_every_setting_of_a_configuration_can_be_named_by_its_own_value():
    values = config(seed=3)
    for field in dataclasses.fields(RunConfig):
        value = values.get(field.name, field.default)
        text = "none" if value is None else f"{value}"
        [condition] = conditions([f"{field.name}={text}"])
        assert condition.fits(values), field.name
