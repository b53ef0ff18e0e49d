"""MixUp and CutMix: distributions against torchvision, and partners that no micro-batch or rank changes."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torchvision.transforms import v2

from app import loop, task
from app.computing.arithmetic import Arithmetic
from app.data.splits.resident import Split
from app.data.transforms import chain, mixing
from app.data.transforms.mixing import Mixing
from app.data.transforms.normalise import AsFloat
from app.losses import Objective
from app.place import Place

HERE = Place(torch.device("cpu"), "fp32")
RULES = {
    "mixup": Mixing(mixup=0.8, cutmix=0), "cutmix": Mixing(mixup=0, cutmix=1.0),
    "both": Mixing(mixup=1.0, cutmix=1.0, prob=0.7, switch=0.3),
    "both-by-element": Mixing(mixup=0.2, cutmix=0.5, mode="element"),
    "mixup-by-element": Mixing(mixup=0.4, cutmix=0, prob=0.5, mode="element"),
}  # fmt: skip
KINDS = ("images", "signals", "values")


def split(rule, kind="images", *, n=53, augment="flip_crop+erasing:0.5"):
    """A small split of noise: images, signals with classes, or fields with values."""
    generator = torch.Generator().manual_seed(n)
    labels = torch.arange(n) % 5 if kind != "values" else torch.rand(n, generator=generator)
    rows = np.arange(n)
    common = {"labels": labels, "members": rows, "rows": rows, "send": lambda tensor: tensor, "seed": 3, "mixing": rule}
    if kind == "images":
        images = torch.randint(0, 256, (n, 3, 16, 16), generator=generator).to(torch.uint8)
        way = chain.of_images(augment, stored=16, side=16, mean=torch.full((3,), 0.5), std=torch.full((3,), 0.2))
        return Split(images=images, transforms=way, **common)
    shape = (n, 2, 12, 20) if kind == "values" else (n, 1, 40)
    return Split(images=torch.randn(shape, generator=generator), transforms=(AsFloat(),), **common)


def batches(rows, *, size, micro, ranks):
    """Inputs and mixed targets of an epoch in its order, as ranks with micro-batches see them."""
    order, seen = rows.order(1), []
    for start in range(0, len(order), size):
        pairs = rows.paired(order[start : start + size], 1)
        for rank in range(ranks):
            mine = dataclasses.replace(HERE, rank=rank, ranks=ranks).share(pairs)
            seen += [rows.batch(mine[at : at + micro], epoch=1) for at in range(0, len(mine), micro)]
    inputs = torch.cat([inputs for inputs, _ in seen])
    return inputs, [torch.cat(each) for each in zip(*(targets for _, targets in seen), strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", [*RULES])
def test_micro_batches_and_ranks_see_the_same_inputs_and_targets(rule, kind):
    if "signals" in kind and "mixup" not in rule:
        pytest.skip("CutMix is for images and fields")
    rows = split(RULES[rule], kind)
    inputs, targets = batches(rows, size=16, micro=16, ranks=1)
    for micro, ranks in ((1, 1), (7, 1), (64, 1), (16, 2), (3, 2)):
        others, other_targets = batches(rows, size=16, micro=micro, ranks=ranks)
        assert torch.equal(others, inputs)
        assert all(torch.equal(a, b) for a, b in zip(other_targets, targets, strict=True))
    plain = split(None, kind)
    assert not torch.equal(plain.batch(rows.order(1), epoch=1)[0], inputs)


@pytest.mark.parametrize("mode", ["batch", "element"])
def test_a_mixture_is_the_shares_of_both_augmented_examples(mode):
    rule = Mixing(mixup=0.6, cutmix=0, mode=mode)
    rows, plain = split(rule), split(None)
    pairs = rows.paired(np.arange(20), 0)
    inputs, targets = rows.batch(pairs, epoch=0)
    x, labels = plain.batch(np.arange(20), epoch=0)
    share = torch.from_numpy(pairs["share"].copy())[:, None, None, None]
    expected = share * x + (1 - share) * x[pairs["partner"]]
    torch.testing.assert_close(inputs, expected, atol=1e-6, rtol=0)
    assert torch.equal(targets.targets, labels) and torch.equal(targets.partners, labels[pairs["partner"]])
    assert (pairs["partner"] != pairs["example"]).all()
    assert len({*pairs["share"]}) == (1 if mode == "batch" else 20)
    assert len({*((pairs["partner"] - pairs["example"]) % 20)}) == 1 or mode == "element"


def test_a_box_has_the_partner_s_pixels_and_the_share_counts_them():
    rows = split(RULES["cutmix"], augment="none")
    pairs = rows.paired(np.arange(40), 2)
    inputs, targets = rows.batch(pairs, epoch=2)
    x, _ = split(None, augment="none").batch(np.arange(40), epoch=2)
    partner = x[pairs["partner"]]
    from_partner = (inputs == partner).all(1)
    assert torch.equal(inputs, torch.where(from_partner[:, None], partner, x))
    torch.testing.assert_close(targets.share, 1 - from_partner.flatten(1).float().mean(1), atol=1e-6, rtol=0)
    assert from_partner.any(1).sum(1).float().std() == 0 or RULES["cutmix"].mode == "batch"


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_have_the_beta_distribution(alpha):
    pairs = Mixing(mixup=alpha, cutmix=0, mode="element").paired(np.arange(5000), seed=1, epoch=0)
    assert stats.kstest(pairs["share"], stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_boxes_are_distributed_as_torchvision_s():
    images, labels = torch.zeros(1, 1, 32, 20), torch.zeros(1, dtype=torch.int64)
    pairs = Mixing(mixup=0, cutmix=1.0, mode="element").paired(np.arange(4000), seed=0, epoch=0)
    places = torch.zeros(2, 4000, dtype=torch.int64)
    _, targets = mixing.mixed(images, labels, places, torch.from_numpy(mixing.numbers(pairs)))
    original = v2.CutMix(num_classes=2, alpha=1.0)
    torch.manual_seed(0)
    theirs = [original.make_params([torch.empty(2, 1, 32, 20)])["lam_adjusted"] for _ in range(4000)]
    assert stats.ks_2samp(targets.share.numpy(), theirs).pvalue > 1e-3


def test_probabilities_and_the_last_mixed_epoch_are_kept():
    each = Mixing(mixup=1.0, cutmix=1.0, prob=0.6, switch=0.3, mode="element", epochs=4)
    pairs = each.paired(np.arange(10_000), seed=0, epoch=3)
    mixed = pairs["partner"] != pairs["example"]
    assert abs(mixed.mean() - 0.6) < 5 * math.sqrt(0.24 / 10_000)
    assert abs(pairs["cut"][mixed].mean() - 0.3) < 5 * math.sqrt(0.21 / 6000)
    assert (pairs["share"][~mixed] == 1).all() and not pairs["cut"][~mixed].any()
    for unmixed in (each.paired(np.arange(50), seed=0, epoch=4), each.paired(np.arange(7, 8), seed=0, epoch=0)):
        assert (unmixed["partner"] == unmixed["example"]).all() and (unmixed["share"] == 1).all()
    by_batch = dataclasses.replace(each, mode="batch")
    kinds = [by_batch.paired(np.arange(first, first + 8), seed=0, epoch=0) for first in range(0, 8000, 8)]
    assert {len({*each["share"]}) for each in kinds} == {1}
    assert abs(np.mean([(each["partner"] != each["example"]).all() for each in kinds]) - 0.6) < 0.08


def test_an_example_that_is_not_mixed_is_unchanged():
    rule = Mixing(mixup=1.0, cutmix=1.0, prob=0.5, mode="element")
    rows, plain = split(rule), split(None)
    pairs = rows.paired(rows.order(0), 0)
    inputs, targets = rows.batch(pairs, epoch=0)
    x, labels = plain.batch(rows.order(0), epoch=0)
    same = torch.from_numpy(pairs["partner"] == pairs["example"])
    assert 10 < same.sum() < 45 and torch.equal(inputs[same], x[same])
    assert torch.equal(
        task.classes.blended(targets, torch.zeros(53, 5))[same], nn.functional.one_hot(labels[same], 5).float()
    )


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0, 1.0, 0.5)])
def test_the_loss_is_that_of_the_mixed_targets_and_the_count_that_of_the_example(weights):
    weights = None if weights is None else torch.tensor(weights)
    arithmetic = Arithmetic(place=HERE, seed=0, task=task.classes, objective=Objective(weights=weights))
    outputs = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    mixed = task.Mixed(torch.arange(9) % 5, (torch.arange(9) * 2) % 5, torch.linspace(0, 1, 9))
    loss, correct = arithmetic.training_sums(outputs, mixed)
    losses = [nn.functional.cross_entropy(outputs, each, weight=weights, reduction="none") for each in mixed[:2]]
    torch.testing.assert_close(loss, (mixed.share * losses[0] + (1 - mixed.share) * losses[1]).sum())
    assert int(correct) == int((outputs.argmax(1) == mixed.targets).sum())


def test_a_mixed_value_is_the_weighted_mean_and_the_error_that_of_the_example():
    arithmetic = Arithmetic(place=HERE, seed=0, task=task.values)
    outputs = torch.tensor([[1.0], [2.0]])
    mixed = task.Mixed(torch.tensor([1.0, 4.0]), torch.tensor([3.0, 0.0]), torch.tensor([0.5, 0.25]))
    loss, absolute = arithmetic.training_sums(outputs, mixed)
    assert (float(loss), float(absolute)) == ((1 - 2) ** 2 + (2 - 1) ** 2, 0 + 2)


def trained(rows, *, micro, ranks=1):
    """The gradients of a step of a linear model, over micro-batches and ranks."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 5)).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = loop.Schedule(
        epochs=1, batch_size=20, val_batch_size=4, micro_batch_size=micro, clip_norm=None, learning_rate=lambda _: 0.1
    )
    arithmetic = Arithmetic(place=HERE, seed=0, task=task.classes)
    double = _Doubled(rows)
    loop.fit(model, optimizer, train=double, val=double, schedule=schedule, arithmetic=arithmetic, observers=[])
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class _Doubled:
    """A split whose inputs are in float64, so that only rounding of 1e-12 is left between micro-batches."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getattr__(self, name):
        return getattr(self.rows, name)

    def batch(self, examples, *, epoch=None):
        inputs, targets = self.rows.batch(examples, epoch=epoch)
        return inputs.double(), targets


def test_training_does_not_depend_on_the_micro_batch():
    rows = split(RULES["both-by-element"])
    weights = [trained(rows, micro=micro) for micro in (1, 7, 20, 64)]
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], atol=1e-10, rtol=0)
