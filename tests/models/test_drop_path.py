"""Stochastic depth: timm's rates and scale, draws by example whatever the micro-batch or the rank, and their share."""

import numpy as np
import pytest
import torch
from timm.layers import drop_path as timm_s

from app import models
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.models import drop_path
from app.models.drop_path import DropPath, paths, rates
from app.place import Place
from app.tables.datasets import DATASETS

HERE = Place(torch.device("cpu"), "fp32")
SHAPES = {
    "vit": {"d_model": 32, "depth": 3, "heads": 2}, "t2t_vit": {"d_model": 32, "depth": 3, "heads": 2},
    "cait": {"d_model": 32, "depth": 3, "heads": 2}, "mlpmixer": {"d_model": 16, "depth": 3}, "swin": {"width": 6},
    "timm/test_vit": {"image": 32},
}  # fmt: skip


def built(name, rate=0.4):
    facts = dataset_facts(DATASETS["cifar10"])
    config = resolve({"model": name, "dropout": 0, "drop_path": rate, **SHAPES[name]}, facts)
    torch.manual_seed(0)
    return config, models.build(config, attention_path="plain")


def drawn(dropping, examples, key=(1, 2), place=HERE):
    drop_path.draw(dropping, np.array(examples), place=place, key=key)
    return torch.stack([module.factors for module in dropping])


@pytest.mark.parametrize("depth", [1, 2, 12])
def test_the_rates_are_timm_s(depth):
    assert rates(0.3, depth) == pytest.approx(torch.linspace(0, 0.3, depth).tolist())


@pytest.mark.parametrize("name", SHAPES)
def test_each_model_drops_branches_of_training_examples_and_only_in_training(name):
    config, model = built(name)
    dropping, images = paths(model), torch.randn(4, 3, config.image, config.image)
    found = [module.rate for module in dropping]
    assert found == sorted(found) and found[-1] == pytest.approx(0.4)
    assert (len({*found}) == 1) is (name in ("cait", "mlpmixer"))  # as timm builds them
    drawn(dropping, [0, 1, 2, 3])
    for parameter in model.parameters():  # a mixer's head is initially 0
        torch.nn.init.normal_(parameter, std=0.2)
    model.eval()
    whole = model(images)
    model.train()
    assert not torch.allclose(model(images), whole, atol=1e-4)
    for module in dropping:
        module.factors = torch.zeros(4)
    first = model(images)
    assert torch.isfinite(first).all() and not torch.equal(first, whole)
    assert not any(type(module).__module__.startswith("timm.layers.drop") and getattr(module, "drop_prob", 0)
                   for module in model.modules())  # fmt: skip


@pytest.mark.parametrize("name", ["vit", "cait"])
def test_a_model_has_the_same_weights_with_and_without_it(name):
    with_it, without = built(name)[1].state_dict(), built(name, 0.0)[1].state_dict()
    assert with_it.keys() == without.keys() and all(torch.equal(with_it[key], without[key]) for key in without)
    assert not paths(built(name, 0.0)[1])


def test_a_branch_is_scaled_as_timm_s(monkeypatch):
    module, x = DropPath(0.25).train(), torch.randn(6, 3, 2)
    factors = drawn([module], range(6))[0]
    kept = (factors > 0).float().view(-1, 1, 1)
    monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda self, p: self.copy_(kept) if p == 0.75 else None)
    assert torch.equal(module(x), timm_s(x, 0.25, training=True))
    assert {*factors.tolist()} == {0.0, float(1 / np.float32(0.75))}
    assert torch.equal(module.eval()(x), x) and module.train()(x.bfloat16()).dtype == torch.bfloat16


def test_a_draw_depends_on_seed_step_place_and_example_and_on_nothing_else():
    dropping, examples = [DropPath(0.5) for _ in range(4)], list(range(3, 60))
    whole = drawn(dropping, examples)
    parts = [drawn(dropping, examples[start : start + 7]) for start in range(0, 57, 7)]
    assert torch.equal(torch.cat(parts, 1), whole)
    shuffled = np.random.default_rng(0).permutation(57)
    assert torch.equal(drawn(dropping, np.array(examples)[shuffled]), whole[:, shuffled])
    ranks = [Place(torch.device("cpu"), "fp32", rank=rank, ranks=2) for rank in (0, 1)]
    shares = [drawn(dropping, here.share(np.array(examples)), place=here) for here in ranks]
    assert torch.equal(torch.cat(shares, 1), whole)
    assert all(not torch.equal(drawn(dropping, examples, key), whole) for key in ((1, 3), (2, 2)))
    assert len({tuple(row.tolist()) for row in whole}) == 4


def test_the_share_of_dropped_examples_is_the_rate_and_the_mean_factor_is_1():
    dropping = [DropPath(rate) for rate in (0.1, 0.5, 0.9)]
    factors = drawn(dropping, range(40_000))
    assert (factors == 0).float().mean(1).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.01)
    assert factors.mean(1).tolist() == pytest.approx([1, 1, 1], abs=0.1)


@pytest.mark.parametrize("name", ["resnet18", "cnn", "convmixer", "vgg19"])
def test_a_family_without_droppable_branches_refuses_it(name):
    with pytest.raises(InputError, match=r"--drop-path has no effect on"):
        resolve({"model": name, "drop_path": 0.1}, dataset_facts(DATASETS["cifar10"]))
