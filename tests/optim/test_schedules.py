"""Each schedule's rates at its corners, against torch's schedulers and the equations of its source."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app import optim
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.tables.datasets import DATASETS
from app.tables.protocols import SCHEDULES

FACTS = dataset_facts(DATASETS["digits"])


def rates(schedule, total, *, lr=1.0, warmup_steps=0, **more):
    return [
        optim.learning_rate(step, lr=lr, warmup_steps=warmup_steps, total_steps=total, schedule=schedule, **more)
        for step in range(1, total + 1)
    ]


@given(st.sampled_from(SCHEDULES), st.integers(1, 300), st.integers(0, 300), st.floats(0, 0.9), st.integers(1, 7))
def test_every_schedule_stays_between_its_ends_and_falls_after_the_warm_up(
    schedule, per_epoch, warmup_steps, low, epochs
):
    total = per_epoch * epochs
    found = rates(schedule, total, warmup_steps=warmup_steps, lr_min=low, epochs=epochs)
    after = found[warmup_steps:]
    assert all(0 < rate <= 1 for rate in found[:warmup_steps]) and all(low - 1e-12 <= rate <= 1 for rate in after)
    assert after == sorted(after, reverse=True)
    if after and schedule in ("cosine", "linear", "wsd"):
        assert after[-1] == pytest.approx(low, abs=1e-12)


@pytest.mark.parametrize("low", [0.0, 1e-3])
def test_the_cosine_by_epoch_is_torch_s_stepped_once_per_epoch(low):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9, eta_min=low)
    expected = []
    for _ in range(9):
        expected += [optimizer.param_groups[0]["lr"]] * 4
        optimizer.step()
        scheduler.step()
    assert rates("cosine_epoch", 36, lr=0.1, lr_min=low, epochs=9) == pytest.approx(expected, abs=1e-15)


def test_the_warm_up_of_the_cosine_by_epoch_multiplies_it():
    plain, warm = (rates("cosine_epoch", 12, epochs=3, warmup_steps=steps) for steps in (0, 6))
    assert plain == pytest.approx([1.0] * 4 + [0.75] * 4 + [0.25] * 4)
    assert warm == pytest.approx([rate * min(1, step / 6) for step, rate in enumerate(plain, 1)])


def test_the_linear_schedule_and_the_lowest_rate_are_straight_lines():
    assert rates("linear", 6, warmup_steps=2) == pytest.approx([0.5, 1, 0.75, 0.5, 0.25, 0])
    assert rates("linear", 4, lr_min=0.2) == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert rates("cosine", 2, lr_min=0.2) == pytest.approx([0.6, 0.2])


def test_warm_up_stable_decay_falls_in_the_last_fifth_by_one_minus_the_root():
    found = rates("wsd", 20, warmup_steps=2)
    assert found[:2] == [0.5, 1.0] and found[2:16] == [1.0] * 14
    assert found[16:] == pytest.approx([1 - math.sqrt(step / 4) for step in (1, 2, 3, 4)])
    assert rates("wsd", 3, warmup_steps=3) == pytest.approx([1 / 3, 2 / 3, 1])  # nothing is left to decay


def test_the_cosine_at_its_default_has_the_bits_of_earlier_versions():
    for step in range(1, 101):
        progress = (step - 10) / 90
        earlier = 3e-4 * step / 10 if step <= 10 else 3e-4 * 0.5 * (1 + math.cos(math.pi * progress))
        assert optim.learning_rate(step, lr=3e-4, warmup_steps=10, total_steps=100) == earlier


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"schedule": "constant", "lr_min": 1e-5}, "lr_min=1e-05 has no effect with --schedule constant"),
        ({"lr": 1e-4, "lr_min": 1e-4}, "lr_min=0.0001 is not below lr=0.0001"),
        ({"lr_min": -1.0}, "lr_min=-1.0 is out of range"),
        ({"schedule": "step"}, "unknown schedule 'step'.*wsd"),
    ],
)
def test_a_lowest_rate_without_effect_is_refused(request_, says):
    with pytest.raises(InputError, match=says):
        resolve({"size": "1M"} | request_, FACTS)


def test_the_lowest_rate_renames_a_run_unless_it_is_0():
    plain, zero, low = (resolve({"size": "1M"} | more, FACTS).run_id for more in ({}, {"lr_min": 0}, {"lr_min": 1e-6}))
    assert plain == zero != low
