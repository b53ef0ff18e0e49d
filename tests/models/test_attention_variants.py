"""Variants of differential attention: equal to their papers' equations, written with loops, and matched to classic."""

import math
import re
from pathlib import Path

import pytest
import torch

from app import models
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.counts.vit import ATTENTIONS, head_width
from app.errors import InputError
from app.models.attention.differential import DifferentialAttention
from app.models.attention.differential_grouped import GroupedDifferentialAttention
from app.models.attention.dint import DintAttention
from app.tables.datasets import DATASETS

VARIANTS = ("vit_differential_wide", "vit_grouped", "vit_dint")
SIZES = [(size, dataset) for size in ("10M", "25M", "50M") for dataset in ("cifar100", "bach")]


def made(kind, path, *, heads=2, seed=0):
    torch.manual_seed(seed)
    return kind(d_model=48, heads=heads, layer=2, dropout=0.0, path=path).double()


def softmax_of(q, k):
    """One map, from (B, N, d) each."""
    powers = (torch.einsum("bnd,bmd->bnm", q, k) / math.sqrt(q.shape[-1])).exp()
    return powers / powers.sum(-1, keepdim=True)


def weight_of(module):
    """The lambda of a layer (arXiv:2410.05258, equation 2)."""
    first, second = module.lambda_q1 @ module.lambda_k1, module.lambda_q2 @ module.lambda_k2
    return math.e**first - math.e**second + module.lambda_init


def normed(module, out):
    """An output of a head after its norm (arXiv:2410.05258, equation 3)."""
    scale = (out.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    return out * scale * module.norm.weight * (1 - module.lambda_init)


def dint_by_loops(module, x):
    """arXiv:2501.17486, section 2: the difference, plus lambda times a matrix whose rows are the mean row of A1."""
    width, tokens, weight = 48 // (2 * module.heads), x.shape[1], weight_of(module)
    q, k, v = (x @ w.T + b for w, b in zip(module.qkv.weight.chunk(3), module.qkv.bias.chunk(3), strict=True))
    outputs = []
    for head in range(module.heads):
        one, two = (slice(member * width, (member + 1) * width) for member in (2 * head, 2 * head + 1))
        first, second = (softmax_of(q[..., at], k[..., at]) for at in (one, two))
        mean = sum(first[:, i] for i in range(tokens)) / tokens  # (B, N)
        integral = torch.stack([mean] * tokens, 1)
        values = v[..., 2 * head * width : 2 * (head + 1) * width]
        outputs.append(normed(module, (first - weight * second + weight * integral) @ values))
    return torch.cat(outputs, -1) @ module.projection.weight.T + module.projection.bias


def grouped_by_loops(module, x, signals=3):
    """arXiv:2510.06949, section 2.2, in Motif's layout: a head's signal queries, then its noise query; keys alike."""
    width, weight = 48 // ((signals + 1) * module.heads), weight_of(module)
    wide = (signals + 1) * module.heads * width
    q, k, v = (x @ module.qkv.weight.T + module.qkv.bias).split([wide, wide, 2 * module.heads * width], -1)
    outputs = []
    for head in range(module.heads):
        at = [slice(i * width, (i + 1) * width) for i in range(head * (signals + 1), (head + 1) * (signals + 1))]
        *signal, noise = (softmax_of(q[..., part], k[..., part]) for part in at)
        values = v[..., 2 * head * width : 2 * (head + 1) * width]
        outputs += [normed(module, (each - weight * noise) @ values) for each in signal]
    return torch.cat(outputs, -1) @ module.projection.weight.T + module.projection.bias


DEFINITIONS = {DintAttention: dint_by_loops, GroupedDifferentialAttention: grouped_by_loops}


@pytest.mark.parametrize("path", ["plain", "sdpa"])
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_variant_equals_its_paper_s_equation_with_gradients(kind, path):
    module = made(kind, path)
    torch.nn.init.normal_(module.norm.weight)
    x = torch.randn(2, 7, 48, dtype=torch.float64, requires_grad=True)
    probe, inputs = torch.randn(2, 7, 48, dtype=torch.float64), [x, *module.parameters()]
    ours, theirs = module(x), DEFINITIONS[kind](module, x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    gradients = (torch.autograd.grad((out * probe).sum(), inputs) for out in (ours, theirs))
    for mine, defined in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, defined, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", ["plain", "sdpa"])
def test_a_row_of_dint_sums_to_one_whatever_lambda_is(path):
    module, x = made(DintAttention, path), torch.randn(2, 7, 48, dtype=torch.float64)
    for of_lambda in (-2.0, 0.0, 5.0):
        torch.nn.init.constant_(module.lambda_init, of_lambda)
        sums = module.maps(x).combined.sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-12)


def test_the_integral_of_dint_is_one_row_for_all_tokens_and_vanishes_with_lambda():
    module, x = made(DintAttention, "plain"), torch.randn(2, 7, 48, dtype=torch.float64)
    maps = module.maps(x)
    assert maps.integral.shape == (2, 2, 1, 7)
    torch.testing.assert_close(maps.integral.sum(-1), torch.ones(2, 2, 1).double(), rtol=0, atol=1e-12)
    alone = maps._replace(lambdas=torch.zeros((), dtype=torch.float64))
    assert torch.equal(alone.combined, maps.first)


@pytest.mark.parametrize("path", ["plain", "sdpa"])
def test_grouped_attention_with_one_signal_is_differential_attention(path, monkeypatch):
    monkeypatch.setitem(ATTENTIONS, "differential_grouped", ATTENTIONS["differential"])
    grouped, usual = made(GroupedDifferentialAttention, path), made(DifferentialAttention, path)
    assert {name: value.shape for name, value in grouped.state_dict().items()} == {
        name: value.shape for name, value in usual.state_dict().items()
    }
    grouped.load_state_dict(usual.state_dict())
    x = torch.randn(2, 7, 48, dtype=torch.float64)
    torch.testing.assert_close(grouped(x), usual(x), rtol=0, atol=1e-12)
    for mine, theirs in zip(grouped.maps(x), usual.maps(x), strict=True):
        assert mine is theirs is None or torch.equal(mine, theirs)


def test_the_three_signals_of_a_group_share_one_noise_map():
    maps = made(GroupedDifferentialAttention, "plain").maps(torch.randn(2, 7, 48, dtype=torch.float64))
    assert maps.first.shape == maps.second.shape == (2, 6, 7, 7)
    for head in range(2):
        noise, signals = maps.second[:, 3 * head : 3 * head + 3], maps.first[:, 3 * head : 3 * head + 3]
        assert torch.equal(noise[:, 0], noise[:, 1]) and torch.equal(noise[:, 0], noise[:, 2])
        assert not torch.allclose(signals[:, 0], signals[:, 1]) and not torch.allclose(signals[:, 0], noise[:, 0])
    assert not torch.allclose(maps.second[:, 0], maps.second[:, 3])


@pytest.mark.parametrize(("size", "dataset"), SIZES)
@pytest.mark.parametrize("model", VARIANTS)
def test_a_variant_is_within_a_thousandth_of_classic_at_the_study_s_width_and_depth(model, size, dataset):
    facts = dataset_facts(DATASETS[dataset])
    ours, classic = (resolve({"model": name, "size": size}, facts) for name in (model, "vit_classic"))
    if size == "10M":  # deeper models differ in the number of equal blocks
        with torch.device("meta"):
            assert models.count(models.build(ours, attention_path="plain")) == ours.parameters
    assert abs(ours.parameters / classic.parameters - 1) < 0.001
    assert (ours.d_model, ours.depth, ours.tokens) == (classic.d_model, classic.depth, classic.tokens)


@pytest.mark.parametrize(
    ("model", "heads", "width"),
    [("vit_differential_wide", {"cifar100": 8, "bach": 12}, 32), ("vit_dint", {"cifar100": 2, "bach": 3}, 64),
     ("vit_grouped", {"cifar100": 1, "bach": 2}, None)],
)  # fmt: skip
def test_the_heads_of_a_variant_by_dataset(model, heads, width):
    for dataset, count in heads.items():
        config = resolve({"model": model, "size": "10M"}, dataset_facts(DATASETS[dataset]))
        assert config.heads == count
        assert head_width(config.shape) == (width or {"cifar100": 64, "bach": 48}[dataset])


def test_a_variant_keeps_its_attention_and_other_attention_names_the_model_that_has_it():
    facts = dataset_facts(DATASETS["cifar100"])
    for model, attention, other in (
        ("vit_dint", "differential", "vit_differential"),
        ("vit_differential", "dint", "vit_dint"),
        ("vit_classic", "differential_grouped", "vit_grouped"),
    ):
        with pytest.raises(InputError, match=f"Use --model {other}$"):
            resolve({"model": model, "attention": attention}, facts)


def test_the_counts_of_the_page_on_attention_are_those_of_the_models():
    page = (Path(__file__).parents[2] / "docs" / "attention.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if re.match(r"\| `vit_\w+` \| \d[\d,]{8}", line)]
    assert len(rows) == 6
    for model, *counts in rows:
        columns = [(size, dataset) for dataset in ("cifar100", "bach") for size in ("10M", "25M", "50M")]
        for (size, dataset), count in zip(columns, counts, strict=True):
            config = resolve({"model": model.strip(" `"), "size": size}, dataset_facts(DATASETS[dataset]))
            assert f"{config.parameters:,}" == count.strip()


def test_eight_heads_of_width_16_have_the_shape_of_the_size_table():
    facts = dataset_facts(DATASETS["cifar100"])
    config = resolve({"model": "vit_differential", "size": "10M", "heads": 8, "head_width": 16}, facts)
    assert (config.d_model, config.depth, config.mlp_ratio) == (256, 12, 4)
    assert config.parameters == 9_753_956 + 12 * 6 * 16
