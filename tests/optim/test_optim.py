"""Which parameters decay, how long a warm-up may be, and the learning rate of every step."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from app import models, optim
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.tables.datasets import DATASETS

rates = st.floats(1e-8, 10)
schedules = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(rates, schedules)
def test_the_rate_rises_to_its_highest_at_the_end_of_the_warm_up_and_then_only_falls(lr, schedule):
    warmup_steps, total = schedule
    steps = sorted(
        {1, 2, warmup_steps, warmup_steps + 1, (warmup_steps + total) // 2, total} & set(range(1, total + 1))
    )
    found = [optim.learning_rate(step, lr=lr, warmup_steps=warmup_steps, total_steps=total) for step in steps]
    assert all(0 <= rate <= lr * (1 + 1e-15) for rate in found)
    rising = [rate for step, rate in zip(steps, found, strict=True) if step <= warmup_steps]
    falling = [rate for step, rate in zip(steps, found, strict=True) if step >= warmup_steps]
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True)
    if warmup_steps:
        assert found[steps.index(warmup_steps)] == pytest.approx(lr, rel=1e-15)
    if warmup_steps < total:
        assert found[-1] <= 1e-15 * lr


def test_the_schedule_is_linear_then_half_a_cosine():
    rate = [optim.learning_rate(step, lr=1.0, warmup_steps=4, total_steps=8) for step in range(1, 9)]
    assert rate[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rate[4:] == pytest.approx([0.8535534, 0.5, 0.1464466, 0.0])


@pytest.mark.parametrize(
    ("asked", "total", "clamp", "steps"),
    [
        (500, 5000, True, 500), (500, 2500, True, 500), (500, 2499, True, 250), (500, 600, True, 60),
        (500, 600, False, 500), (None, 600, True, 60), (None, 3, True, 1), (0, 100, True, 0), (1, 1, True, 1),
    ],
)  # fmt: skip
def test_a_warm_up_of_more_than_a_fifth_becomes_a_tenth_and_says_so(asked, total, clamp, steps):
    found, said = optim.warmup(asked, total, clamp=clamp)
    assert found == steps
    assert bool(said) is (asked is not None and found != asked)


@pytest.mark.parametrize(
    ("asked", "total", "says"),
    [
        (500, 1, "500 warm-up steps are more than the run's 1 step: shortened to 1 (--warmup-steps sets it)"),
        (
            2000,
            1500,
            "2,000 warm-up steps are more than the run's 1,500 steps: shortened to 150 (--warmup-steps sets it)",
        ),
        (500, 600, "500 warm-up steps are 83 % of the run's 600 steps: shortened to 60 (--warmup-steps sets it)"),
    ],
)
def test_a_clamped_warm_up_is_told_in_words_that_fit_the_numbers(asked, total, says):
    assert optim.warmup(asked, total, clamp=True)[1] == says


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_norms_biases_positions_cls_and_lambdas_do_not_decay_and_all_else_does(model):
    config = resolve({"model": model, "size": "1M"}, dataset_facts(DATASETS["digits"]))
    with torch.device("meta"):
        built = models.build(config, attention_path="plain")
    decayed, plain = optim.parameter_groups(built, 0.01)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    names = {name for name, _ in decayed["params"]}
    assert len(names) + len(plain["params"]) == len(list(built.parameters()))
    assert all(name.endswith("weight") and "norm" not in name for name in names)
    assert not any(word in name for name in names for word in ("bias", "positions", "cls", "lambda"))
    assert sum(parameter.numel() for _, parameter in decayed["params"]) > 0.95 * config.parameters


def test_tokens_and_positions_of_timm_s_models_do_not_decay():
    model = nn.Module()
    for name in ("cls_token", "dist_token", "reg_token", "pos_embed", "weight"):
        model.register_parameter(name, nn.Parameter(torch.zeros(1, 2, 3)))
    decayed, plain = optim.parameter_groups(model, 0.1)
    assert [name for name, _ in decayed["params"]] == ["weight"] and len(plain["params"]) == 4


def test_adamw_is_torch_s_with_decay_apart_from_the_gradient():
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    other.load_state_dict(one.state_dict())
    mine = optim.adamw(one, lr=0.1, weight_decay=0.5)
    groups = [{"params": [other.weight], "weight_decay": 0.5}, {"params": [other.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.1, foreach=False, fused=False)
    for network, optimizer in ((one, mine), (other, reference)):
        for _ in range(5):
            network(torch.arange(6.0).view(2, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-5, atol=1e-6)


def test_a_constant_schedule_stays_at_its_rate_after_the_warm_up():
    def rates(warmup_steps):
        numbers = {"lr": 0.5, "warmup_steps": warmup_steps, "total_steps": 6, "schedule": "constant"}
        return [optim.learning_rate(step, **numbers) for step in range(1, 7)]

    assert rates(0) == [0.5] * 6 and rates(2) == [0.25, *[0.5] * 5]


def test_a_run_s_optimiser_is_torch_s_of_its_name_with_its_eps():
    facts = dataset_facts(DATASETS["digits"])
    chosen = {"size": "100K", "d_model": 64, "optimizer": "adam", "eps": 1e-5, "weight_decay": 0.1}
    for request, kind, eps in (({}, torch.optim.AdamW, 1e-8), (chosen, torch.optim.Adam, 1e-5)):
        config = resolve({"size": "100K", "d_model": 64} | request, facts)
        found = optim.of(config, models.build(config, attention_path="plain"))
        assert type(found) is kind and {group["eps"] for group in found.param_groups} == {eps}
        assert {group["weight_decay"] for group in found.param_groups} == {config.weight_decay, 0.0}


def test_the_protocols_of_fields_and_patterns_are_the_published_ones():
    fields = resolve({"model": "cnn"}, dataset_facts(DATASETS["nested_cylinder"]))
    patterns = resolve({"model": "resnet1d"}, dataset_facts(DATASETS["diffraction"]))
    cells = ("optimizer", "eps", "schedule", "lr", "weight_decay", "batch_size", "train_batches", "val_batches")
    assert [getattr(fields, cell) for cell in cells] == ["adamw", 1e-8, "constant", 1e-3, 0.01, 4, 3000, 1000]
    assert [getattr(patterns, cell) for cell in cells] == ["adam", 1e-5, "constant", 5e-4, 0.0, 500, None, None]
    assert fields.epochs == 250 and fields.image == (1700, 500) and fields.warmup_steps == patterns.warmup_steps == 0
