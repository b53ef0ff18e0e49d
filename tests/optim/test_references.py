"""Each optimiser makes the steps of its reference: timm's, torch's, or its equations written out."""

import copy
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from app.optim import optimisers
from app.optim.adan import Adan, AdanOfLucidrains
from app.optim.lion import Lion
from app.optim.muon import Muon, newton_schulz
from app.optim.optimisers import OPTIMISERS, Numbers
from app.tables.optimizers import OPTIMIZERS, kept_shares
from benchmarks import optimisers as comparing

STEPS, LR, DECAY = 10, 0.01, 0.05


def networks(count=2):
    """Equal small networks in float64, of a matrix, a bias and a convolution."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(16, 5)).double()
    return [first, *(copy.deepcopy(first) for _ in range(count - 1))]


def trained(network, optimizer):
    """The parameters after ten steps on a loss that changes with the step."""
    inputs = torch.randn(8, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for step in range(STEPS):
        (network(inputs).cos() * (step + 1)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in network.parameters()]


def groups(network):
    return [{"params": [*network.parameters()], "weight_decay": DECAY}]


def timm_s(name, **more):
    from timm.optim import create_optimizer_v2

    return lambda network: create_optimizer_v2(
        network, opt=name, lr=LR, weight_decay=DECAY, filter_bias_and_bn=False, **more
    )


def torch_s(kind, **more):
    return lambda network: kind(network.parameters(), lr=LR, weight_decay=DECAY, foreach=False, fused=False, **more)


CASES = {
    "adamw": ({}, torch_s(torch.optim.AdamW)),
    "adamw betas": ({"betas": (0.8, 0.99), "eps": 1e-4}, torch_s(torch.optim.AdamW, betas=(0.8, 0.99), eps=1e-4)),
    "adam": ({"betas": (0.8, 0.99)}, torch_s(torch.optim.Adam, betas=(0.8, 0.99))),
    "sgd": ({}, torch_s(torch.optim.SGD)),
    "sgd nesterov": ({"momentum": 0.9, "nesterov": True}, torch_s(torch.optim.SGD, momentum=0.9, nesterov=True)),
    "adan": ({"betas": (0.98, 0.92, 0.99)}, timm_s("adan")),
    "adan betas": ({"betas": (0.95, 0.9, 0.8), "eps": 1e-3}, timm_s("adan", betas=(0.95, 0.9, 0.8), eps=1e-3)),
    "lion": ({"betas": (0.9, 0.99)}, timm_s("lion")),
}


@pytest.mark.parametrize("name", CASES)
def test_ten_steps_in_float64_are_those_of_the_reference(name):
    numbers, reference = CASES[name]
    one, other = networks()
    ours = trained(one, OPTIMISERS[name.split()[0]](one, groups(one), Numbers(lr=LR, **numbers)))
    for found, expected in zip(ours, trained(other, reference(other)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "name"), [(Adan, "adan"), (Lion, "lion")])
def test_adan_and_lion_have_timm_s_bits_in_float32(kind, name):
    one, other = (network.float() for network in networks())
    optimizers = kind(groups(one), lr=LR), timm_s(name)(other)
    inputs = torch.linspace(-1, 1, 96).view(8, 2, 6)
    for network, optimizer in zip((one, other), optimizers, strict=True):
        for _ in range(STEPS):
            network(inputs).cos().square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


def lucidrains(gradients, new, *, lr, decay, eps=1e-8):
    """The parameter after each step of adan-pytorch 0.1.0, from 1, with shares of new information; plain floats."""
    b1, b2, b3 = new
    x, m, v, n, before, found = 1.0, 0.0, 0.0, 0.0, 0.0, []
    for step, g in enumerate(gradients):
        if step > 0:
            m = (1 - b1) * m + b1 * g
            v = (1 - b2) * v + b2 * (g - before)
            n = (1 - b3) * n + b3 * (g + (1 - b2) * (g - before)) ** 2
        cm, cv, cn = (1 / (1 - (1 - b) ** (step + 1)) for b in new)
        x = (x - lr / (math.sqrt(n * cn) + eps) * (m * cm + (1 - b2) * v * cv)) / (1 + decay * lr)
        before = g
        found.append(x)
    return found


def steps_of(optimizer_kind, gradients, **numbers):
    """The only parameter after each step, from 1."""
    parameter = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer, found = optimizer_kind([{"params": [parameter], "weight_decay": numbers.pop("decay", 0.0)}],
                                      **numbers), []  # fmt: skip
    for gradient in gradients:
        parameter.grad = torch.full((1,), gradient, dtype=torch.float64)
        optimizer.step()
        found.append(parameter.item())
    return found


def test_the_other_adan_is_adan_pytorch_s_whose_first_step_moves_nothing():
    gradients, new = [0.5, -1.0, 2.0, 0.3, 0.3, -0.1, 4.0, 1.0, 1.0, 0.2], (0.035, 0.11, 0.015)
    found = steps_of(AdanOfLucidrains, gradients, lr=LR, betas=kept_shares(new), decay=DECAY)
    assert found == pytest.approx(lucidrains(gradients, new, lr=LR, decay=DECAY), abs=1e-12)
    constant = [1.0, *steps_of(AdanOfLucidrains, [3.0] * 8, lr=LR)]
    moved = [(before - after) / LR for before, after in itertools.pairwise(constant)]
    assert moved == pytest.approx([0, 0.71, 0.82, 0.87, 0.90, 0.92, 0.93, 0.94], abs=0.005)


def test_the_first_step_of_adan_is_the_learning_rate():
    assert steps_of(Adan, [3.0], lr=LR) == pytest.approx([1 - LR])


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch is too old for Muon")
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(5, 16), (16, 5)])
def test_muon_s_steps_of_matrices_are_torch_s(shape, nesterov):
    one, other = (nn.Parameter(torch.linspace(-1, 1, 80).view(shape)) for _ in range(2))
    ours = Muon([{"params": [one], "weight_decay": DECAY}], lr=LR, momentum=0.9, nesterov=nesterov)
    reference = torch.optim.Muon(
        [other], lr=LR, weight_decay=DECAY, momentum=0.9, nesterov=nesterov, adjust_lr_fn="match_rms_adamw"
    )
    for parameter, optimizer in ((one, ours), (other, reference)):
        for step in range(STEPS):
            parameter.grad = (parameter.detach() * (step + 1)).cos()
            optimizer.step()
    assert torch.equal(one, other)


def test_muon_s_step_of_a_convolution_is_that_of_its_matrix():
    kernel, matrix = (
        nn.Parameter(torch.arange(90.0).view(5, 6, 3).sin()),
        nn.Parameter(torch.arange(90.0).sin().view(5, 18)),
    )
    for parameter in (kernel, matrix):
        optimizer = Muon([parameter], lr=LR)
        for _ in range(3):
            parameter.grad = parameter.detach().exp()
            optimizer.step()
    assert torch.equal(kernel.flatten(1), matrix)
    spectrum = torch.linalg.svdvals(newton_schulz(torch.randn(20, 9)).float())
    assert spectrum.min() > 0.5 and spectrum.max() < 1.4


def test_every_row_of_the_table_is_built_and_its_state_has_the_bytes_that_the_table_states():
    assert OPTIMISERS.keys() == OPTIMIZERS.keys()
    for name, row in OPTIMIZERS.items():
        (network,) = networks(1)
        given = {
            part: getattr(row, part) for part in ("betas", "momentum", "nesterov") if getattr(row, part) is not None
        }
        optimizer = OPTIMISERS[name](network, [{"params": [*network.named_parameters()]}], Numbers(lr=LR, **given))
        trained(network, optimizer)
        floats = {
            sum(part.numel() for part in state.values() if torch.is_tensor(part) and part.dim()) / parameter.numel()
            for parameter, state in optimizer.state.items()
        }
        assert max(floats) == row.floats, name


def test_muon_steps_hidden_matrices_and_adamw_the_rest_at_one_rate():
    (network,) = networks(1)
    network.append(nn.Linear(5, 5).double())
    optimizer = optimisers.OPTIMISERS["muon"](network, [{"params": [*network.named_parameters()]}], Numbers(lr=LR))
    muon, adamw = optimizer.parts
    names = {parameter: name for name, parameter in network.named_parameters()}
    assert [names[each] for group in muon.param_groups for each in group["params"]] == ["2.weight"]
    assert {names[each] for group in adamw.param_groups for each in group["params"]} == set(names.values()) - {
        "2.weight"
    }
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [parameter.clone() for parameter in network.parameters()]
    assert all(map(torch.equal, before, trained(network, optimizer)))


def test_the_table_of_differences_has_every_optimiser_and_no_difference_above_rounding():
    table = Path("docs/optimisers.md").read_text().split("## Differences from the references")[1].split("## ")[0]
    assert {name.split()[0] for name in comparing.REFERENCES} == OPTIMIZERS.keys()
    for name, (reference, *_) in comparing.REFERENCES.items():
        assert f"| `{name}` | {reference} | " in table
        assert comparing.difference(name, seed=0) <= 1e-12, name
