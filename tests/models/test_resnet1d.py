"""The 1-D ResNet: its counts, lengths and choices, and a second head that labels teach nothing."""

import dataclasses

import pytest
import torch
from torch import nn

from app import models
from app.config.facts import DatasetFacts
from app.config.run import RunConfig, resolve
from app.counts import resnet1d
from app.errors import InputError
from app.models.resnet1d import ChannelNorm, ResNet1d
from app.tables.families import FAMILIES
from app.tables.models import MODELS

PATTERN = {"image": (3041,), "channels": 1}


def shape_of(name, **more):
    return FAMILIES["resnet1d"].shape({**PATTERN, **MODELS[name].cells, **more})


@pytest.mark.parametrize("classes", [14, 144, 230])
@pytest.mark.parametrize(
    ("name", "counts"),
    [("resnet1d", (627_311, 635_761, 641_351)), ("resnet1d_layer", (641_071, 649_521, 655_111))],
)
def test_both_heads_and_every_norm_make_the_original_s_parameters(name, counts, classes):
    shape = shape_of(name, classes=classes, discriminator=True)
    assert resnet1d.parameters(shape) == counts[(14, 144, 230).index(classes)]
    with torch.device("meta"):
        model = ResNet1d(**PATTERN, classes=classes, discriminator=True, **MODELS[name].cells)
    assert models.count(model) == resnet1d.parameters(shape)


@pytest.mark.parametrize(("name", "count"), [("resnet1d", 627_246), ("resnet1d_layer", 641_006)])
def test_a_row_has_one_head(name, count):
    with torch.device("meta"):
        model = ResNet1d(**PATTERN, classes=14, **MODELS[name].cells)
    assert models.count(model) == resnet1d.parameters(shape_of(name, classes=14)) == count
    assert model.discriminator is None


def test_a_config_of_revision_1_has_its_name_its_counts_and_its_second_head():
    facts = DatasetFacts(name="made/signals", classes=10, channels=1, kind="signal")
    config = resolve({"model": "resnet1d", "image": 400}, facts)
    written = {name: value for name, value in config.to_json().items() if "revision" not in name}
    earlier = RunConfig.from_json(written | {"stem_dropout": None})
    assert (earlier.run_id, earlier.parameters) == ("2cec88d2", 627_051)  # as before there were revisions
    assert (config.model_revision, config.parameters) == (3, 626_986) and config.run_id != earlier.run_id
    assert config.to_json()["model_revision"] == 3 and "model_revision" not in earlier.to_json()
    assert earlier in config.at_earlier_revisions()
    heads = [models.build(each, attention_path="none").discriminator for each in (earlier, config)]
    assert isinstance(heads[0], nn.Linear) and heads[1] is None


def test_the_option_for_the_second_head_has_the_same_meaning_at_each_revision():
    facts = DatasetFacts(name="made/signals", classes=10, channels=1, kind="signal")
    plain, off, on = (
        resolve({"model": "resnet1d", "image": 400} | more, facts)
        for more in ({}, {"discriminator": False}, {"discriminator": True})
    )
    assert off == plain and on.run_id != plain.run_id
    assert [each.shape.discriminator for each in (plain, on)] == [False, True]
    earlier = [dataclasses.replace(each, model_revision=1).shape.discriminator for each in (plain, on)]
    assert earlier == [True, True]
    assert not dataclasses.replace(plain, model_revision=1, discriminator=False).shape.discriminator


@pytest.mark.parametrize("name", ["resnet1d", "resnet1d_layer"])
def test_the_stem_drops_as_a_block_does_and_as_the_original_s_but_not_in_runs_of_earlier_revisions(name):
    facts = DatasetFacts(name="made/signals", classes=10, channels=1, kind="signal")
    config = resolve({"model": name, "image": 400, "dropout": 0.5}, facts)
    earlier = [each for each in config.at_earlier_revisions() if each.decoding_revision == config.decoding_revision]
    found = [models.build(each, attention_path="none") for each in (config, *earlier)]
    assert [[m.p for m in model.stem if isinstance(m, nn.Dropout)] for model in found] == [[0.5], [0.0], [0.0]]
    assert [model.discriminator is not None for model in found] == [False, False, True]
    dropped = (found[0].stem(torch.ones(2, 1, 400)) == 0).float().mean()
    assert dropped > 0.05 and torch.equal(*(found[1].stem(torch.ones(1, 1, 400)) for _ in range(2)))
    assert list(found[0].stem.state_dict()) == list(found[1].stem.state_dict())
    off = resolve({"model": name, "image": 400, "dropout": 0.5, "stem_dropout": False}, facts)
    assert off.run_id not in [each.run_id for each in (config, *config.at_earlier_revisions())]
    assert models.build(off, attention_path="none").stem[3].p == 0


def test_the_second_head_is_65_parameters():
    with_it, without = (resnet1d.parameters(shape_of("resnet1d", classes=14, discriminator=d)) for d in (True, False))
    assert (with_it, without) == (627_311, 627_246)


@pytest.mark.parametrize(
    ("length", "stem_pool", "samples"),
    [
        (3041, True, [432, 108, 27, 6, 2]), (3042, True, [432, 108, 27, 6, 2]), (8500, True, [1212, 303, 76, 16, 6]),
        (3041, False, [3029, 758, 190, 38, 13]),
    ],
)  # fmt: skip
def test_lengths_fall_as_in_the_original(length, stem_pool, samples):
    model = ResNet1d(image=(length,), channels=1, classes=14, width=4, stem_pool=stem_pool).eval()
    x, found = model.stem(torch.zeros(1, 1, length)), []
    found.append(x.shape[-1])
    for block in model.blocks:
        x = block(x)
        found.append(x.shape[-1])
    assert found[::2] == samples and found[1::2] == samples[1:]
    shape = shape_of("resnet1d", image=(length,), classes=14, stem_pool=stem_pool)
    counted = list(resnet1d.convolutions(shape))
    assert [counted[1].samples, counted[-1].samples] == [samples[1], samples[-1]]


@pytest.mark.parametrize("name", ["resnet1d", "resnet1d_layer"])
def test_one_model_takes_patterns_of_any_length(name):
    model = ResNet1d(**PATTERN, classes=14, **MODELS[name].cells).eval()
    with torch.no_grad():
        for length in (3041, 3042, 8500):
            assert model(torch.rand(2, 1, length)).shape == (2, 14)


def test_the_choices_are_in_the_modules():
    ours = ResNet1d(**PATTERN, classes=14)
    theirs = ResNet1d(**PATTERN, classes=14, **MODELS["resnet1d_layer"].cells)
    kinds = [{type(module) for module in model.modules()} for model in (ours, theirs)]
    assert kinds[0] >= {nn.BatchNorm1d, nn.MaxPool1d, nn.AdaptiveAvgPool1d} and ChannelNorm not in kinds[0]
    assert kinds[1] >= {ChannelNorm, nn.AdaptiveMaxPool1d} and not kinds[1] & {nn.BatchNorm1d, nn.MaxPool1d}
    projecting = [[isinstance(b.shortcut, nn.Sequential) for b in model.blocks] for model in (ours, theirs)]
    assert projecting == [[True, False] * 4, [True] * 8]


def test_a_channel_norm_is_each_sample_s_over_its_channels():
    x = ChannelNorm(6)(torch.randn(2, 6, 5) * 3 + 1)
    torch.testing.assert_close(x.mean(1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0)


def test_labels_teach_the_second_head_nothing_and_scores_do():
    torch.manual_seed(0)
    model = ResNet1d(image=(400,), channels=1, classes=3, width=4, norm="layer", discriminator=True)
    signals = torch.randn(4, 1, 400)
    logits = model(signals)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert model.discriminator.weight.grad.abs().max() == 0 and model.head.weight.grad.abs().max() > 0
    assert torch.equal(model.eval()(signals), logits)
    scores = model.scores(signals)
    scores.sum().backward()
    assert scores.shape == (4,) and model.discriminator.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"image": 224}, "takes signals, not images of 224 px. Use resnet18"),
        ({"image": (18,)}, "a signal of 18 samples is too short for resnet1d. Use 19 samples"),
        ({"norm": "dyt"}, "unknown norm 'dyt'"), ({"pooling": "cls"}, "unknown pooling 'cls'"),
        ({"projection": "none"}, "unknown projection 'none'"), ({"width": 0}, "width=0 is out of range"),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_be_built_is_refused_with_a_sentence(wrong, says):
    resnet1d.check(shape_of("resnet1d", image=(19,), classes=3))
    with pytest.raises(InputError, match=says):
        resnet1d.check(shape_of("resnet1d", **{"classes": 3, **wrong}))
