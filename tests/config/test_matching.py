"""A model matched to another: the growth axis where parameters or FLOPs come nearest, under one name."""

import dataclasses

import pytest

from app.config.facts import dataset_facts
from app.config.run import RunConfig, resolve
from app.counts import family_of
from app.errors import InputError
from app.tables.datasets import DATASETS

FACTS = {name: dataset_facts(row) for name, row in DATASETS.items()}


def flops(config):
    return family_of(config.model).flops(config.shape)


@pytest.mark.parametrize("dataset", ["cifar100", "bach"])
@pytest.mark.parametrize("size", ["10M", "20M", "25M", "50M"])
def test_a_differential_model_is_matched_to_the_classic_within_a_thousandth(size, dataset):
    classic = resolve({"model": "vit_classic", "size": size}, FACTS[dataset])
    config = resolve({"match": "params", "like": "vit_classic", "size": size}, FACTS[dataset])
    assert abs(config.parameters / classic.parameters - 1) < 0.001
    assert config.run_id == resolve({"size": size}, FACTS[dataset]).run_id


def test_t2t_takes_the_depth_of_nearest_flops_and_the_size_that_it_then_has():
    classic = resolve({"model": "vit_classic"}, FACTS["cifar100"])
    config = resolve({"model": "t2t_vit", "match": "flops", "like": "vit_classic"}, FACTS["cifar100"])
    off = [abs(flops(dataclasses.replace(config, size="t2t_vit", depth=config.depth + by)) - flops(classic))
           for by in (0, -1, 1)]  # fmt: skip
    assert off[0] == min(off) and off[0] < 0.01 * flops(classic)
    assert config.size == "47.18M" and config.parameters == 47_183_946
    again = resolve({"model": "t2t_vit", "size": config.size}, FACTS["cifar100"])
    assert again == config and RunConfig.from_json(config.to_json()) == config


def test_a_model_of_the_size_table_keeps_the_width_that_it_was_matched_at():
    config = resolve({"model": "vit_classic", "match": "flops", "like": "t2t_vit_14"}, FACTS["cifar10"])
    other = resolve({"model": "t2t_vit_14"}, FACTS["cifar10"])
    assert (config.d_model, config.size) == (256, "1.61M") and abs(flops(config) / flops(other) - 1) < 0.05


def test_the_other_model_sees_the_image_and_has_the_patch_that_were_asked_for():
    request = {"model": "vit_differential", "match": "flops", "like": "vit_classic", "image": 112, "patch": 16}
    config = resolve(request, FACTS["cifar100"])
    classic = resolve({"model": "vit_classic", "image": 112, "patch": 16}, FACTS["cifar100"])
    assert (config.image, config.patch, config.tokens) == (112, 16, classic.tokens)
    assert flops(config) == flops(classic)


@pytest.mark.parametrize(
    ("model", "wanted", "size"), [("vit_tiny", "vit_classic", "10M"), ("vit_classic", "vit", "9.53M")]
)
def test_what_is_matched_is_called_by_the_other_s_size_only_where_that_size_is_the_same_model(model, wanted, size):
    config = resolve({"model": model, "match": "params", "like": wanted}, FACTS["cifar10"])
    assert (config.size == size) is (config == resolve({"model": model, "size": size}, FACTS["cifar10"]))
    other = resolve({"model": wanted}, FACTS["cifar10"])
    assert abs(config.parameters / other.parameters - 1) < 0.05


def test_what_no_integer_reaches_is_refused_with_what_is_reachable():
    with pytest.raises(InputError, match=r"no depth of vit .* 0.0\d+ GFLOPs of vit_classic. Reachable: .* at depth=1,"):
        resolve({"model": "vit", "match": "flops", "like": "vit_classic", "size": "1M"}, FACTS["digits"])


def test_an_unknown_attention_is_refused_before_it_is_counted():
    for more in ({"size": "10M"}, {"match": "params", "like": "vit_classic"}):
        with pytest.raises(InputError, match=r"unknown attention 'differntial'. Did you mean `differential`"):
            resolve({"model": "t2t_vit", "attention": "differntial", **more}, FACTS["cifar100"])
