"""The study's rows in heads: classic of 64, differential of 64, and differential of 32 in twice as many."""

import pytest
import torch

from app import models
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.counts.vit import head_width
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.sizes import named_sizes

SIZES = named_sizes()


def config_of(dataset="cifar100", **request):
    return resolve({"model": "vit_differential_h32", **request}, dataset_facts(DATASETS[dataset]))


@pytest.mark.parametrize(
    "dataset", [pytest.param(name, marks=() if name in ("cifar100", "bach") else pytest.mark.slow) for name in DATASETS]
)
@pytest.mark.parametrize("size", SIZES)
def test_heads_of_32_fill_the_width_of_every_size_of_every_dataset(dataset, size):
    config, usual = (config_of(dataset, size=size, **more) for more in ({}, {"model": "vit_differential"}))
    assert config.heads == config.d_model // 64 == {128: 2, 256: 4, 384: 6}[config.d_model]
    assert head_width(config.shape) == 32
    same = ("d_model", "depth", "mlp_ratio", "patch", "image", "attention")
    assert [getattr(config, name) for name in same] == [getattr(usual, name) for name in same]
    assert usual.parameters - config.parameters == config.depth * 6 * (head_width(usual.shape) - 32)
    assert config.flops == usual.flops and config.run_id != usual.run_id
    with torch.device("meta"):
        assert models.count(models.build(config, attention_path="plain")) == config.parameters


def test_heads_of_32_follow_a_width_that_is_asked_for_and_a_number_of_heads_is_kept():
    assert config_of(d_model=512, size="40M").heads == 8
    asked = config_of(heads=8, depth=9)  # wider inside than d_model
    assert (asked.heads, head_width(asked.shape)) == (8, 32)
    with pytest.raises(InputError, match=r"size=10M does not fit .*-18.2 %"):
        config_of(heads=2)
    assert config_of(head_width=64, size="10M").heads == 2  # those of vit_differential
    with pytest.raises(InputError, match=r"d_model=160 is not a multiple of the head width 32. Use a multiple of 64"):
        config_of(d_model=160, size="4M")


def test_the_rows_that_were_there_keep_their_heads_and_their_names():
    for dataset, heads in (("cifar100", (4, 2)), ("bach", (6, 3))):
        pair = [config_of(dataset, model=model) for model in ("vit_classic", "vit_differential")]
        assert [config.heads for config in pair] == [*heads]
        assert all(config.head_width is None and head_width(config.shape) == 64 for config in pair)


@pytest.mark.parametrize(
    ("attention", "says"), [("differential_v2", "--model vit_differential$"), ("classic", "--model vit_classic$"),
                            ("lsa", "--model vit_small$")],
)  # fmt: skip
def test_another_attention_of_the_row_is_refused_with_the_model_that_has_it(attention, says):
    with pytest.raises(InputError, match=says):
        config_of(attention=attention)
