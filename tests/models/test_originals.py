"""Models of others compute what the originals compute with the same weights, where a norm's epsilon shows too."""

import dataclasses
import math

import originals
import pytest
import torch
from torch import nn

from app import models
from app.config.facts import DatasetFacts, dataset_facts
from app.config.run import RunConfig, resolve
from app.counts import family_of
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.models import MODELS

CIFAR10 = dataset_facts(DATASETS["cifar10"])
FIELDS = DatasetFacts(
    name="nested_cylinder", classes=1, channels=1, kind="field", image=(1700, 500), task="regression", fingerprint="f"
)
FIELD_FILES = {"dataset": "nested_cylinder", "data": "fields"}
OURS = ["vit_classic", "vit_differential", "vit_differential_h32", "vit_differential_wide", "vit_grouped", "vit_dint"]
WITH_1E_5 = [name for name, row in MODELS.items() if row.cells.get("norm_eps") == 1e-5]


def built(config, dtype=torch.float32):
    torch.manual_seed(0)
    model = models.build(config, attention_path="plain" if config.attention else "none").eval().to(dtype)
    return model, dict(model.state_dict()) | {name: p.detach() for name, p in model.named_parameters()}


def lanl(**more):
    return resolve({**FIELD_FILES, "model": "t2t_lanl", "depth": 2, **more}, FIELDS)


def smooth():
    """A density that varies slowly over (1700, 500): within a soft split it is nearly flat."""
    y, x = torch.linspace(0, math.pi, 1700), torch.linspace(-1, 1, 500)
    return (0.3 + 0.01 * y.sin()[:, None] * (1 - x**2)[None])[None, None]


@pytest.mark.slow
@torch.no_grad()
def test_lanls_t2t_vit_equals_the_original_on_smooth_fields():
    model, weights = built(lanl())
    wanted = originals.lanl_t2t_vit(smooth(), weights, depth=2)
    torch.testing.assert_close(model(smooth()), wanted, rtol=0, atol=1e-6)
    other = originals.lanl_t2t_vit(smooth(), weights, depth=2, eps=1e-6)
    assert (model(smooth()) - other).abs().max() > 1e-4  # what revision 1 computed


@pytest.mark.slow
@torch.no_grad()
def test_lanls_t2t_vit_of_its_own_depth_equals_the_original_in_double_precision():
    config = resolve({**FIELD_FILES, "model": "t2t_lanl"}, dataclasses.replace(FIELDS, image=(340, 100)))
    model, weights = built(config, torch.float64)
    field = smooth()[:, :, :340, :100].double()
    torch.testing.assert_close(model(field), originals.lanl_t2t_vit(field, weights, depth=12), rtol=0, atol=1e-10)


@pytest.mark.parametrize("level", [0.0, 0.5, -1.7])
@pytest.mark.parametrize(("name", "heads"), [("vit_small", 8), ("vit_tiny", 6)])
@torch.no_grad()
def test_the_zoos_vits_of_small_datasets_equal_the_originals_on_a_flat_image(name, heads, level):
    config = resolve({"model": name, "dataset": "cifar10"}, CIFAR10)
    model, weights = built(config)
    flat = torch.full((2, 3, 32, 32), level)
    shape = {"patch": 4, "depth": config.depth, "heads": heads}
    wanted = originals.zoo_vit_of_small_datasets(flat, weights, **shape)
    torch.testing.assert_close(model(flat), wanted, rtol=0, atol=1e-6)
    other = originals.zoo_vit_of_small_datasets(flat, weights, **shape, eps=1e-6)
    assert (model(flat) - other).abs().max() > 1e-5


def epsilons(config):
    """Of every layer norm of the model that a config builds, on the meta device."""
    with torch.device("meta"):
        model = models.build(config, attention_path="plain")
    return {module.eps for module in model.modules() if isinstance(module, nn.LayerNorm)}


def test_the_rows_of_others_have_the_epsilon_of_the_originals_and_ours_have_timms():
    zoo = {"vit", "vit_small", "vit_tiny", "simplevit"}
    assert {*zoo, *(name for name, row in MODELS.items() if row.family == "t2t")} == set(WITH_1E_5)
    assert all(MODELS[name].revision == 2 and MODELS[name].earlier[1]["norm_eps"] == 1e-6 for name in WITH_1E_5)
    for name in WITH_1E_5:
        config = resolve({"model": name, "dataset": "cifar10", "image": 64}, CIFAR10)
        assert (config.norm_eps, epsilons(config)) == (1e-5, {1e-5})
    for name in OURS:
        config = resolve({"model": name, "dataset": "cifar10"}, CIFAR10)
        assert (config.norm_eps, config.shape.norm_eps, epsilons(config)) == (None, 1e-6, {1e-6})


@pytest.mark.parametrize("name", [*WITH_1E_5, *OURS, "dyt"])
def test_a_record_without_an_epsilon_is_read_as_1e_6(name):
    config = resolve({"model": name, "dataset": "cifar10", "image": 64}, CIFAR10)
    new = ("model_revision", "norm_eps", "token_dropout")
    earlier = RunConfig.from_json({key: value for key, value in config.to_json().items() if key not in new})
    assert earlier.shape.norm_eps == 1e-6 and epsilons(earlier) <= {1e-6}
    assert (earlier.run_id == config.run_id) is (name not in WITH_1E_5)
    assert [each.run_id for each in config.at_earlier_revisions()] == [earlier.run_id] * (name in WITH_1E_5)
    assert RunConfig.from_json(config.to_json()) == config


def test_an_epsilon_that_is_asked_for_is_built_and_is_part_of_the_id():
    plain = resolve({"model": "vit_classic", "dataset": "cifar10"}, CIFAR10)
    same = resolve({"model": "vit_classic", "dataset": "cifar10", "norm_eps": 1e-6}, CIFAR10)
    other = resolve({"model": "vit_classic", "dataset": "cifar10", "norm_eps": 1e-3}, CIFAR10)
    assert same == plain and other.run_id != plain.run_id and epsilons(other) == {1e-3}
    ours = resolve({"model": "vit", "dataset": "cifar10", "norm_eps": 1e-6}, CIFAR10)
    assert epsilons(ours) == {1e-6} and RunConfig.from_json(ours.to_json()).shape.norm_eps == 1e-6
    for asked in ({"model": "dyt"}, {"model": "vit", "norm": "dyt"}):
        with pytest.raises(InputError, match="--norm-eps has no effect with --norm dyt"):
            resolve({**asked, "dataset": "cifar10", "norm_eps": 1e-3}, CIFAR10)
    assert epsilons(resolve({"model": "vit_small", "norm": "dyt", "norm_eps": 1e-3}, CIFAR10)) == {1e-3}
    with pytest.raises(InputError, match="norm_eps"):
        resolve({"model": "vit", "norm_eps": 0.0}, CIFAR10)
    with pytest.raises(InputError, match="norm-eps has no effect on resnet18"):
        resolve({"model": "resnet18", "norm_eps": 1e-5}, CIFAR10)


@pytest.mark.parametrize(
    ("name", "drops"), [("t2t_vit", True), ("t2t_vit_14", True), ("t2t_vit_t_14", False), ("t2t_lanl", False)]
)
def test_a_token_transformer_drops_nothing_as_the_originals_and_a_performer_what_is_asked(name, drops):
    config = resolve({"model": name, "dataset": "cifar10", "image": 64, "dropout": 0.5}, CIFAR10)
    (earlier,) = config.at_earlier_revisions()
    switched = resolve({"model": name, "dataset": "cifar10", "image": 64, "dropout": 0.5, "token_dropout": not drops},
                       CIFAR10)  # fmt: skip
    for each, wanted in ((config, drops), (earlier, True), (switched, not drops)):
        with torch.device("meta"):
            model = models.build(each, attention_path="plain")
        rates = {module.p for module in model.tokens_to_token.modules() if isinstance(module, nn.Dropout)}
        assert rates == {0.5 if wanted else 0.0}
        assert {module.p for module in model.blocks.modules() if isinstance(module, nn.Dropout)} == {0.5}
    assert len({each.run_id for each in (config, earlier, switched)}) == 3


def test_a_tokenizer_that_is_asked_for_brings_its_own_dropout():
    asked = {"model": "t2t_vit", "dataset": "cifar10", "image": 64}
    found = [resolve(asked | {"tokenizer": name}, CIFAR10) for name in ("performer", "transformer", "transformer_31")]
    assert [config.shape.token_dropout for config in found] == [True, False, False]
    assert found[0] == resolve(asked, CIFAR10)
    kept = resolve(asked | {"tokenizer": "transformer", "token_dropout": True}, CIFAR10)
    assert kept.shape.token_dropout and kept.run_id != found[1].run_id


@pytest.mark.parametrize(
    ("model", "epochs"), [("t2t_lanl", 500), ("t2t_vit", 500), ("cnn", 250), ("cnn_12", 250), ("vit_classic", 250)]
)
def test_lanls_t2t_vit_trains_for_500_epochs_and_its_cnn_for_250(model, epochs):
    config = resolve({**FIELD_FILES, "model": model}, FIELDS)
    assert config.epochs == epochs
    assert (config.train_batches, config.val_batches, config.batch_size, config.lr) == (3000, 1000, 4, 1e-3)
    assert [each.epochs for each in config.at_earlier_revisions()] == [250] * (family_of(model).name == "t2t")
    asked = resolve({**FIELD_FILES, "model": model, "epochs": 7}, FIELDS)
    assert {asked.epochs, *(each.epochs for each in asked.at_earlier_revisions())} == {7}
