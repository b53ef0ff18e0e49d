"""The residual stream under bf16 autocast: float32, or rounded to bf16 after the embedding and by every sum."""

import copy

import pytest
import torch
from kept import bytes_kept

from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts import family_of
from app.counts.vit import ATTENTIONS
from app.models import build, compiling, drop_path
from app.models.attention.seen import seen
from app.models.layers import through

FACTS = DatasetFacts(name="cifar10", classes=10, native=32)
SMALL = {"d_model": 32, "depth": 3, "heads": 4, "dropout": 0.1, "drop_path": 0.2}
VIT = SMALL | {"patch": 8, "model": "vit"}
CASES = {
    **{attention: VIT | {"attention": attention} for attention in ATTENTIONS},
    "dyt, mean, shifted": VIT | {"norm": "dyt", "pooling": "mean", "patching": "shifted", "positions": "sincos"},
    "t2t": SMALL | {"model": "t2t_vit"},
    "t2t differential, values added": SMALL | {"model": "t2t_vit", "attention": "differential", "value_skip": True},
}
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def built(case, stream="bf16", **more):
    """A model in training, some of whose branches are dropped."""
    config = resolve(CASES[case] | {"residual_precision": stream} | more, FACTS)
    torch.manual_seed(0)
    model = build(config, attention_path="plain")
    for module in drop_path.paths(model):
        module.factors = torch.tensor([0.0, 1 / (1 - module.rate)])
    return model.train()


def outputs(model, enabled=True):
    """The logits of a model, and the input and output of each block."""
    found = []
    held = [block.register_forward_hook(lambda _, given, out: found.append((given[0], out))) for block in model.blocks]
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        logits = model(IMAGES)
    for each in held:
        each.remove()
    return logits, found


@pytest.mark.parametrize("case", CASES)
def test_each_block_reads_and_returns_the_stream_s_precision_with_dropped_branches_too(case):
    wanted = {"bf16": torch.bfloat16, "fp32": torch.float32}
    for stream, dtype in wanted.items():
        blocks = outputs(built(case, stream))[1]
        assert [one.dtype for pair in blocks for one in pair] == [dtype] * 6
    assert {one.dtype for pair in outputs(built(case), enabled=False)[1] for one in pair} == {torch.float32}


@pytest.mark.parametrize("case", ["classic", "differential", "t2t"])
def test_the_stream_is_rounded_once_after_the_embedding_and_once_by_each_sum(case):
    model = built(case, dropout=0, drop_path=0)
    with torch.autocast("cpu", torch.bfloat16):
        x = model.embedded(IMAGES)
        assert x.dtype == torch.float32
        x = x.bfloat16()
        for block in model.blocks:
            x = (x.float() + block.attention(block.norm_attention(x.float())).float()).bfloat16()
            x = (x.float() + block.mlp(block.norm_mlp(x.float())).float()).bfloat16()
        expected = model.head(model.norm(x[:, 0].float()))
    logits, blocks = outputs(model)
    assert torch.equal(blocks[-1][1], x) and torch.equal(logits, expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("enabled", [True, False])
def test_with_a_float32_stream_or_without_autocast_every_bit_is_that_of_the_sums(case, enabled):
    model = built(case, "fp32", dropout=0, drop_path=0)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        expected = model.classified(through(model.blocks, model.embedded(IMAGES), checkpointing=False))
    assert torch.equal(outputs(model, enabled)[0], expected)
    narrow = outputs(built(case, dropout=0, drop_path=0), enabled)[0]
    assert torch.equal(narrow, expected) is not enabled
    torch.testing.assert_close(narrow.float(), expected.float(), rtol=0.05, atol=0.02)


def gradients(model):
    logits, _ = outputs(model)
    return [logits, *torch.autograd.grad(logits.float().square().sum(), model.parameters())]


@pytest.mark.parametrize("case", ["classic", "differential", "dyt, mean, shifted", "t2t"])
def test_gradients_are_float32_and_checkpointing_and_parts_of_a_model_change_no_bit(case, monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "compile", lambda part, **_: part)
    whole = gradients(model := built(case))
    assert {each.dtype for each in whole[1:]} == {torch.float32}
    parts = compiling.compiled(copy.deepcopy(model), "blocks", cache=tmp_path)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = parts(IMAGES)
    again = [logits, *torch.autograd.grad(logits.float().square().sum(), parts.parameters())]
    assert all(map(torch.equal, whole, again))
    model.checkpointing = True
    assert all(map(torch.equal, whole, gradients(model)))


@pytest.mark.parametrize("case", ["classic", "differential", "t2t"])
def test_maps_and_hidden_states_are_computed_in_float32(case):
    model = built(case)
    logits, layers = seen(model, IMAGES)
    assert {(layer.hidden.dtype, layer.maps.first.dtype) for layer in layers} == {(torch.float32, torch.float32)}
    assert torch.equal(logits, model.eval()(IMAGES))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("case", ["classic", "differential", "t2t"])
def test_a_bf16_stream_keeps_as_many_bytes_less_as_the_counts_say(case, checkpointing):
    kept = {}
    for stream in ("fp32", "bf16"):
        model = built(case, stream)
        model.checkpointing = checkpointing
        with torch.autocast("cpu", torch.bfloat16):
            kept[stream] = bytes_kept(model, IMAGES)
    config = resolve(CASES[case], FACTS)
    family, last = family_of(config.model), 2 * config.tokens * 32  # bytes of the last block's output, rounded
    said = [
        family.kept_bytes(config.shape, precision="bf16", residual_precision=stream, maps_kept=True,
                          checkpointing=checkpointing)
        for stream in kept
    ]  # fmt: skip
    recomputed = 2 * 2 * config.tokens * 32 if checkpointing and case != "t2t" else 0  # of one block, not yet kept
    assert kept["fp32"] - kept["bf16"] == said[0] - said[1] + last - recomputed
    full = family.kept_bytes(config.shape, precision="fp32", residual_precision="bf16", maps_kept=True)
    assert full == family.activation_bytes(config.shape, maps_kept=True)


def test_the_counts_of_a_family_without_the_stream_are_halved_in_16_bits():
    family = family_of("cnn")
    shape = resolve({"model": "cnn"}, FACTS).shape
    full = family.activation_bytes(shape, maps_kept=False)
    stream = {"residual_precision": "fp32", "maps_kept": False}
    halves = [family.kept_bytes(shape, precision=precision, **stream) for precision in ("bf16", "fp16")]
    assert halves == [full // 2] * 2
