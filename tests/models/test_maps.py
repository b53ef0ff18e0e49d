"""Attention maps: what they sum to, and that the layer's output follows from them, for every kind and path."""

import pytest
import torch
from timm.layers import DiffAttention
from torch import nn

from app.counts.vit import ATTENTIONS
from app.errors import InputError
from app.models.attention import ATTENTION_CLASSES
from app.models.attention.layer import Attention
from app.models.attention.maps import maps_of
from app.models.t2t import T2TViT
from app.models.tokens_to_token import TokenPerformer
from app.models.vit import ViT

KINDS = [(kind, path) for kind, row in ATTENTIONS.items() for path in row.paths if path != "fused"]
SHAPES = {
    "vit": (ViT, {"image": 16, "patch": 4, "head_width": 10}),
    "t2t": (T2TViT, {"image": 48, "tokenizer": "performer", "value_skip": True}),
    "t2t of transformers": (T2TViT, {"image": 48, "tokenizer": "transformer"}),
}
every_kind_and_path = pytest.mark.parametrize(("kind", "path"), KINDS)
every_model = pytest.mark.parametrize("name", SHAPES)


def model_of(name, kind, path, *, dtype=torch.float32, **more):
    make, shape = SHAPES[name]
    if ATTENTIONS[kind].outputs != 1:  # its values are narrower than its outputs
        shape = shape | ({"value_skip": False} if "value_skip" in shape else {})
    torch.manual_seed(4)
    model = make(channels=3, classes=5, d_model=24, depth=3, heads=2, attention=kind, attention_path=path, **shape,
                 **more)  # fmt: skip
    for parameter in model.parameters():  # maps far from uniform, biases and temperatures that count
        nn.init.normal_(parameter, std=0.3)
    return model.to(dtype)


def images_of(model, dtype=torch.float32, count=2):
    side = 16 if isinstance(model, ViT) else 48
    return torch.randn(count, 3, side, side, dtype=dtype, generator=torch.Generator().manual_seed(5))


def layers_of(model):
    return [module for module in model.modules() if isinstance(module, Attention)]


def inputs_of(model, images):
    """What each attention layer takes, by hooks of the test's own."""
    found = []
    hooks = [layer.register_forward_pre_hook(lambda _, given: found.append(given[0])) for layer in layers_of(model)]
    with torch.no_grad():
        model.eval()(images)
    for hook in hooks:
        hook.remove()
    return found


def output_from(layer, maps, x):
    """The layer's output, from its maps and its parameters alone."""
    signals = ATTENTIONS[layer.kind].signals  # outputs of a head, which share its values
    values = (layer.keys_values if layer.kind == "differential_v2" else layer.qkv)(x)[
        ..., -layer.projection.in_features // signals :
    ]
    of_heads = values.unflatten(-1, (layer.heads, -1)).transpose(1, 2).repeat_interleave(signals, 1)
    heads = maps.combined @ of_heads  # (B, H, N, v)
    if layer.kind in ("differential", "differential_grouped", "dint"):
        scale = (heads.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        heads = heads * scale * layer.norm.weight * (1 - layer.lambda_init)
    out = layer.projection(heads.transpose(1, 2).flatten(2))
    return out + values if layer.value_skip else out


@every_model
@every_kind_and_path
@pytest.mark.parametrize(
    ("dtype", "error"), [pytest.param(torch.float32, 1e-5, marks=pytest.mark.slow), (torch.float64, 1e-12)]
)
def test_the_maps_give_every_layer_s_output(name, kind, path, dtype, error):
    model = model_of(name, kind, path, dtype=dtype)
    images = images_of(model, dtype)
    maps = list(maps_of(model, images))
    inputs = inputs_of(model, images)
    assert len(maps) == len(inputs) == 3
    for layer, one, x in zip(layers_of(model), maps, inputs, strict=True):
        assert one.first.dtype == dtype
        with torch.no_grad():
            out = layer(x)
            torch.testing.assert_close(output_from(layer, one, x), out, rtol=error, atol=error * float(out.abs().max()))


@every_model
@every_kind_and_path
def test_a_map_sums_to_one_and_a_difference_to_one_minus_lambda_or_with_its_integral_to_one(name, kind, path):
    model = model_of(name, kind, path)
    for layer, maps in zip(layers_of(model), maps_of(model, images_of(model)), strict=True):
        batch, heads, tokens, _ = maps.first.shape
        assert (batch, heads) == (2, 2 * ATTENTIONS[kind].signals) and maps.first.shape[2:] == (tokens, tokens)
        ones = torch.ones(batch, heads, tokens)
        torch.testing.assert_close(maps.first.sum(-1), ones, rtol=0, atol=1e-5)
        if kind in ("classic", "lsa"):
            assert maps.second is None and maps.lambdas is None and maps.combined is maps.first
        else:
            torch.testing.assert_close(maps.second.sum(-1), ones, rtol=0, atol=1e-5)
            rest = 1 if kind == "dint" else (1 - maps.lambdas).expand(2, heads, tokens, tokens)[..., 0]
            torch.testing.assert_close(maps.combined.sum(-1), rest * ones, rtol=0, atol=1e-5)
        if kind in ("differential", "differential_grouped", "dint"):
            torch.testing.assert_close(maps.lambdas, layer.lambda_full().detach(), rtol=0, atol=0)
            assert maps.lambdas.shape == ()


@pytest.mark.parametrize("path", ATTENTIONS["lsa"].paths)
def test_a_map_of_locality_has_zeros_on_its_diagonal_and_follows_its_temperature(path):
    model = model_of("vit", "lsa", path)
    for layer in layers_of(model):
        nn.init.constant_(layer.log_temperature, -0.5)
    softer, images = list(maps_of(model, images_of(model))), images_of(model)
    for layer in layers_of(model):
        nn.init.constant_(layer.log_temperature, 0.5)
    sharper = list(maps_of(model, images))
    for maps in (*softer, *sharper):
        assert not maps.first.diagonal(dim1=-2, dim2=-1).any()
    assert sharper[0].first.amax(-1).mean() > softer[0].first.amax(-1).mean()


@pytest.mark.parametrize("path", ATTENTIONS["differential_v2"].paths)
def test_lambda_of_the_second_version_lies_between_0_and_1_for_each_token_and_head(path):
    model = model_of("vit", "differential_v2", path)
    for layer, maps, x in zip(layers_of(model), maps_of(model, images_of(model)), inputs_of(model, images_of(model)),
                              strict=True):  # fmt: skip
        assert maps.lambdas.shape == (2, 2, 17, 1)
        assert ((maps.lambdas > 0) & (maps.lambdas < 1)).all() and maps.lambdas.std() > 0.01
        gates = 1 / (1 + torch.exp(-x @ layer.lambda_projection.weight.T))  # (B, N, H)
        torch.testing.assert_close(maps.lambdas[..., 0].mT, gates, rtol=0, atol=1e-6)


@every_kind_and_path
def test_a_map_is_float32_under_bf16_as_for_a_model_of_bf16(kind, path):
    torch.manual_seed(0)
    layer = ATTENTION_CLASSES[kind](d_model=48, heads=3, layer=2, dropout=0.0, path=path)
    x = torch.randn(2, 9, 48).bfloat16()
    exact = layer.maps(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.float()).dtype == torch.bfloat16
        under = layer.maps(x)
    for part, same in zip(exact, under, strict=True):
        assert part is same is None or (same.dtype == torch.float32 and torch.equal(part, same))
    rounded = layer.bfloat16().maps(x)
    assert all(part is None or part.dtype == torch.float32 for part in rounded)
    assert float((rounded.first.sum(-1) - 1).abs().max()) < 1e-6
    torch.testing.assert_close(rounded.first, exact.first, rtol=0, atol=0.01)


@every_kind_and_path
def test_gradients_of_maps_are_kept_only_if_they_are_asked_for(kind, path):
    model = model_of("vit", kind, path, checkpointing=True)
    for maps in maps_of(model, images_of(model)):
        assert not any(part.requires_grad for part in maps if part is not None)
    images = images_of(model).requires_grad_()
    last = list(maps_of(model, images, gradients=True))[-1].combined
    assert torch.autograd.grad(last.square().sum(), images)[0].any()
    with torch.no_grad():
        kept = next(maps_of(model, images, gradients=True)).first
    assert kept.requires_grad and torch.is_grad_enabled()


def test_the_maps_are_those_of_eval_mode_and_every_module_keeps_its_mode():
    model = model_of("vit", "differential", "tiled", dropout=0.5)
    expected = [maps.combined for maps in maps_of(model.eval(), images_of(model))]
    model.train()
    model.blocks[1].eval()
    before = [module.training for module in model.modules()]
    for one, other in zip(maps_of(model, images_of(model)), expected, strict=True):
        torch.testing.assert_close(one.combined, other, rtol=0, atol=0)
    assert [module.training for module in model.modules()] == before
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_model_that_fails_keeps_its_mode_and_no_hook():
    model = model_of("vit", "classic", "sdpa").train()
    with pytest.raises(RuntimeError):
        maps_of(model, torch.randn(2, 1, 16, 16))
    assert model.training and not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.slow
def test_a_compiled_block_gives_its_maps_too():
    model = model_of("vit", "differential", "sdpa")
    images = images_of(model)
    expected = [maps.combined for maps in maps_of(model, images)]
    for block in model.blocks:
        block.compile(backend="eager")
    with torch.no_grad():
        model.eval()(images)
    found = [maps.combined for maps in maps_of(model, images)]
    assert len(found) == 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_performer_refuses_in_a_sentence_while_its_backbone_has_maps():
    model = model_of("t2t", "classic", "sdpa")
    performers = [module for module in model.modules() if isinstance(module, TokenPerformer)]
    assert len(performers) == 2 and len(list(maps_of(model, images_of(model)))) == 3
    with pytest.raises(InputError, match="a performer has no attention maps"):
        performers[0].maps(torch.randn(1, 4, 27))


@pytest.mark.parametrize(
    "model", [DiffAttention(24, num_heads=2), nn.Sequential(nn.Conv2d(3, 4, 3))], ids=["timm", "a CNN"]
)
def test_models_without_attention_of_ours_refuse_in_a_sentence(model):
    with pytest.raises(InputError, match=f"a {type(model).__name__} has no attention maps"):
        maps_of(model, torch.randn(1, 4, 24))


@pytest.mark.gpu
@pytest.mark.parametrize("value_skip", [False, True])
def test_the_maps_give_the_output_of_the_fused_path(value_skip):
    torch.manual_seed(0)
    given = {"d_model": 64, "heads": 2, "layer": 2, "dropout": 0.0, "value_skip": value_skip}
    layer = ATTENTION_CLASSES["differential"](**given, path="fused").cuda()
    x = torch.randn(2, 70, 64, device="cuda")
    with torch.no_grad():
        torch.testing.assert_close(output_from(layer, layer.maps(x), x), layer(x), rtol=0, atol=1e-4)
