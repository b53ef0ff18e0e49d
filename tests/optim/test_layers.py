"""The layer of each parameter, the factor of its rate, and the matrices that Muon updates."""

import pytest
import torch

from app import models, optim
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.optim.layers import layers, scales
from app.tables.datasets import DATASETS

TINY = {"vit": {"d_model": 32, "depth": 3, "heads": 2}, "t2t_vit": {"d_model": 32, "depth": 3, "heads": 2},
        "cait": {"d_model": 32, "depth": 2, "heads": 2}, "convmixer": {"d_model": 16, "depth": 2},
        "vit_tiny": {"d_model": 32, "depth": 2, "heads": 2}, "mlpmixer": {"d_model": 16, "depth": 2}}  # fmt: skip


def built(model, dataset="cifar10", **more):
    config = resolve({"model": model, **TINY.get(model, {}), **more}, dataset_facts(DATASETS[dataset]))
    with torch.device("meta"):
        return config, models.build(config, attention_path="plain")


@pytest.mark.parametrize("model", ["vit", "t2t_vit"])
def test_layers_rise_from_the_patches_to_the_head(model):
    _, network = built(model)
    found = layers(network)
    assert found.keys() == {name for name, _ in network.named_parameters()}
    assert found["cls"] == 0 and found["blocks.0.mlp.expand.bias"] == 1 and found["blocks.2.mlp.expand.weight"] == 3
    assert found["norm.weight"] == 3 and found["head.weight"] == found["head.bias"] == 4
    by_layer = {found[name]: scale for name, scale in scales(network, 0.5).items()}
    assert by_layer == {0: 1 / 16, 1: 1 / 8, 2: 1 / 4, 3: 1 / 2, 4: 1.0}


@pytest.mark.parametrize("name", ["timm/vit_tiny_patch16_224", "timm/resnet18", "convmixer", "cait"])
def test_the_scales_of_timm_s_models_are_timm_s(name):
    from timm.optim import param_groups_layer_decay

    _, network = built(name, **({"image": 32} if name == "timm/vit_tiny_patch16_224" else {}))
    ours = scales(network, 0.75)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    for group in param_groups_layer_decay(network, layer_decay=0.75):
        assert {ours[names[id(parameter)]] for parameter in group["params"]} == {group["lr_scale"]}


def test_our_vit_has_the_scales_of_timm_s_vit_of_that_depth():
    _, ours = built("vit", depth=12)
    _, theirs = built("timm/vit_tiny_patch16_224", image=32)
    one, other = scales(ours, 0.7), scales(theirs, 0.7)
    pairs = {"patches.projection.weight": "patch_embed.proj.weight", "positions": "pos_embed", "cls": "cls_token",
             "blocks.0.mlp.expand.weight": "blocks.0.mlp.fc1.weight", "norm.bias": "norm.bias",
             "blocks.11.norm_mlp.bias": "blocks.11.norm2.bias", "head.weight": "head.weight"}  # fmt: skip
    assert {name: one[name] for name in pairs} == {name: other[name_] for name, name_ in pairs.items()}


def test_a_run_s_groups_are_scaled_and_keep_which_parameters_decay():
    config, network = built("vit", layer_decay=0.5, weight_decay=0.1)
    groups = optim.of(config, network).param_groups
    assert {group["lr_scale"] for group in groups} == {1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0}
    assert {group["weight_decay"] for group in groups} == {0.1, 0.0} and len(groups) == 10
    assert sum(len(group["params"]) for group in groups) == len([*network.parameters()])
    with torch.device("meta"):
        same = optim.parameter_groups(network, 0.1)
    assert [len(group["params"]) for group in same] == [
        sum(len(group["params"]) for group in groups if group["weight_decay"] == decay) for decay in (0.1, 0.0)
    ]


@pytest.mark.parametrize(
    ("model", "dataset", "has", "lacks"),
    [
        ("vit", "cifar10", "blocks.1.attention.qkv.weight", ["patches.projection.weight", "positions", "cls"]),
        ("vit_tiny", "cifar10", "blocks.0.mlp.expand.weight", ["patches.projection.weight"]),
        ("t2t_vit", "cifar10", "tokens_to_token.projection.weight", ["tokens_to_token.stages.0.mixer.qkv.weight"]),
        ("resnet18", "cifar10", "layer2.0.downsample.0.weight", ["conv1.weight", "bn1.weight", "fc.weight"]),
        ("convmixer", "cifar10", "blocks.1.1.weight", ["blocks.1.0.fn.0.weight", "stem.0.weight"]),
        ("cnn", "nested_cylinder", "reduction.0.convolution.weight", ["blocks.0.convolution.weight"]),
        ("resnet1d", "diffraction", "blocks.0.branch.0.weight", ["stem.0.weight"]),
        ("mlpmixer", "cifar10", "blocks.0.mlp_tokens.fc1.weight", ["stem.proj.weight"]),
    ],
)
def test_muon_updates_hidden_matrices_and_neither_the_input_s_nor_the_head_s(model, dataset, has, lacks):
    _, network = built(model, dataset)
    found = optim.matrices(network)
    assert has in found and not found & {*lacks, "head.weight"}
    sizes = {name: parameter.dim() for name, parameter in network.named_parameters()}
    assert all(sizes[name] >= 2 for name in found)
