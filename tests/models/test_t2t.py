"""The T2T-ViT: its published counts, its closed forms against what is built."""

import copy
import math

import pytest
import torch
from kept import bytes_kept
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from app.config.sizing import nearest
from app.counts import family_of, t2t
from app.counts.vit import ATTENTIONS
from app.errors import InputError
from app.models import count
from app.models.attention import ATTENTION_CLASSES
from app.models.t2t import T2TViT, sinusoids
from app.models.tokens_to_token import soft_split
from app.tables.families import FAMILIES
from app.tables.models import MODELS
from app.tables.shape import plane

SMALL = {"image": (48, 32), "channels": 3, "classes": 7, "attention": "classic", "d_model": 32, "depth": 2, "heads": 2,
         "mlp_ratio": 2.0, "qkv_bias": False, "tokenizer": "performer", "value_skip": False}  # fmt: skip
PAPER = {"image": 224, "channels": 3, "classes": 1000}
LANL = {"image": (1700, 500), "channels": 1, "classes": 1}


def shape_of(**cells):
    """With the family's own values where none is given."""
    return FAMILIES["t2t"].shape(cells)


def cells(model, given):
    return {**MODELS[model].cells, **given}


def on_meta(shape, **more):
    with torch.device("meta"):
        return T2TViT(**shape, **more)


@pytest.mark.parametrize(
    ("model", "given", "trainable", "whole"),
    [
        ("t2t_vit_7", PAPER, 4_255_694, 4_310_222),
        ("t2t_vit_10", PAPER, 5_834_702, 5_889_230),
        ("t2t_vit_12", PAPER, 6_887_374, 6_941_902),
        ("t2t_vit_14", PAPER, 21_465_806, 21_545_550),
        ("t2t_vit_19", PAPER, 39_085_070, 39_177_422),
        ("t2t_vit_24", PAPER, 64_000_974, 64_105_934),
        ("t2t_vit_t_14", PAPER, 21_465_422, 21_541_070),
        ("t2t_vit_t_19", PAPER, 39_084_686, 39_172_942),
        ("t2t_vit_t_24", PAPER, 64_000_590, 64_101_454),
        ("t2t_lanl", LANL, 76_501_827, 76_724_035),
    ],
)
def test_a_row_has_exactly_its_published_parameters_trainable_and_with_what_is_frozen(model, given, trainable, whole):
    shape = cells(model, given)
    built, of_shape = on_meta(shape), FAMILIES["t2t"].shape(shape)
    assert count(built) == t2t.parameters(of_shape) == trainable
    buffers = sum(buffer.numel() for buffer in built.buffers())
    assert buffers == t2t.frozen(of_shape) == whole - trainable


def test_the_parts_of_lanls_model_have_their_published_parameters_and_tokens():
    built, shape = on_meta(cells("t2t_lanl", LANL)), shape_of(**cells("t2t_lanl", LANL))
    assert count(built.tokens_to_token) == t2t.tokenizer_parameters(shape) == 914_242
    assert count(built.blocks[0]) == t2t.block_parameters(shape) == 6_298_624
    assert built.positions.shape == (1, 217, 1024)
    assert t2t.grids(shape) == [(106, 31), (53, 16), (27, 8)]
    assert t2t.counts(shape) == [3286, 848, 216]
    assert [stage.mixer.scale for stage in built.tokens_to_token.stages] == [16**-0.5, 16**-0.5]


def test_the_default_model_is_the_smallest_of_the_papers_and_grows_in_depth():
    assert MODELS["t2t_vit"].cells == MODELS["t2t_vit_7"].cells
    shape = FAMILIES["t2t"].shape(cells("t2t_vit", PAPER))
    depth = nearest(family_of("t2t_vit"), shape, 10_000_000)
    sized = cells("t2t_vit", PAPER) | {"depth": depth}
    assert abs(count(on_meta(sized)) / 10_000_000 - 1) < 0.05


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("qkv_bias", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tokenizer", t2t.TOKENIZERS)
def test_closed_forms_equal_the_built_model(attention, qkv_bias, tokenizer):
    skip = qkv_bias and ATTENTIONS[attention].outputs == 1
    shape = {**SMALL, "image": (75, 130), "attention": attention, "qkv_bias": qkv_bias, "tokenizer": tokenizer,
             "mlp_ratio": 2.5, "channels": 2, "value_skip": skip}  # fmt: skip
    built, of_shape = on_meta(shape, attention_path="plain"), shape_of(**shape)
    with FlopCounterMode(display=False) as counted:
        built(torch.randn(1, 2, 75, 130, device="meta"))
    t2t.check(of_shape)
    assert count(built) == t2t.parameters(of_shape)
    assert count(built.tokens_to_token) + built.cls.numel() == t2t.embedding_parameters(of_shape)
    assert built.positions.shape[1] == t2t.tokens(of_shape)
    assert abs(t2t.flops(of_shape) / counted.get_total_flops() - 1) < 0.005


@pytest.mark.parametrize("image", [224, 32, (33, 97), (15, 19), (1700, 500)])
@pytest.mark.parametrize("tokenizer", t2t.TOKENIZERS)
def test_as_many_tokens_come_as_the_table_says(image, tokenizer):
    shape = shape_of(**{**SMALL, "image": image, "tokenizer": tokenizer})
    height, width = plane(shape.image)
    for split, (rows, columns) in zip(t2t.TOKENIZERS[tokenizer].splits, t2t.grids(shape), strict=True):
        assert soft_split(torch.empty(1, 1, height, width), split).shape[1] == rows * columns
        height, width = rows, columns
    assert t2t.tokens(shape) == rows * columns + 1


@pytest.mark.parametrize(("tokenizer", "least"), [("performer", 3), ("transformer", 3), ("transformer_31", 15)])
def test_an_image_needs_a_least_side_and_a_smaller_one_is_refused(tokenizer, least):
    shape = {**SMALL, "tokenizer": tokenizer, "image": (least, 40)}
    t2t.check(shape_of(**shape))
    assert T2TViT(**shape)(torch.randn(2, 3, least, 40)).shape == (2, 7)
    shape["image"] = (40, least - 1)
    with pytest.raises(InputError, match=f"image=40x{least - 1} is too small .* side of {least} px"):
        t2t.check(shape_of(**shape))
    with pytest.raises(ValueError, match=f"Use {least} px or more"):
        T2TViT(**shape)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tokenizer": "preformer"}, "Did you mean `performer`"),
        ({"attention": "classical"}, "Did you mean `classic`"),
        ({"heads": 5}, "d_model=32 does not divide into heads=5"),
        ({"attention": "differential", "heads": 32}, "does not divide into heads=32 of differential"),
        ({"attention": "differential_grouped", "value_skip": True}, "the values of attention=differential_grouped are"),
        ({"depth": 0}, "depth=0 is out of range. Use a number above 0"),
        ({"mlp_ratio": 0.01}, "mlp_ratio=0.01 leaves the MLP without a hidden layer. Use a larger value"),
        ({"image": 0}, "image=0 is out of range. Use a side above 0"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        t2t.check(shape_of(**(SMALL | wrong)))


def test_positions_are_sines_and_cosines_of_a_geometric_series_and_frozen():
    table = sinusoids(50, 7)
    for position in (0, 1, 49):
        for column in range(7):
            angle = position / 10_000 ** (2 * (column // 2) / 7)
            wanted = math.sin(angle) if column % 2 == 0 else math.cos(angle)
            assert abs(table[position, column] - wanted) < 1e-6
    model = T2TViT(**SMALL)
    assert torch.equal(model.positions[0], sinusoids(7, 32))
    assert not model.positions.requires_grad


@pytest.mark.parametrize(
    ("attention", "path"),
    [(kind, path) for kind, row in ATTENTIONS.items() for path in row.paths if path != "fused" and row.outputs == 1],
)
def test_value_skip_adds_the_values_to_the_attentions_output(attention, path):
    given = {"d_model": 16, "heads": 2, "layer": 1, "dropout": 0.0, "path": path, "bias": False}
    plain, skipping = (ATTENTION_CLASSES[attention](**given, value_skip=skip).double() for skip in (False, True))
    skipping.load_state_dict(plain.state_dict())
    x = torch.randn(2, 5, 16, dtype=torch.float64)
    last = plain.keys_values if attention == "differential_v2" else plain.qkv  # its last 16 rows make the values
    torch.testing.assert_close(skipping(x) - plain(x), x @ last.weight[-16:].T, rtol=0, atol=1e-12)
    assert last.bias is None


@pytest.mark.parametrize("tokenizer", t2t.TOKENIZERS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_checkpointing_changes_no_bit_of_the_gradients(attention, tokenizer):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        skip = ATTENTIONS[attention].outputs == 1
        shape = SMALL | {"attention": attention, "tokenizer": tokenizer, "value_skip": skip}
        model = T2TViT(**shape, dropout=0.1, checkpointing=checkpointing)
        torch.manual_seed(1)
        model(torch.randn(2, 3, 48, 32)).logsumexp(1).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    few = attention == "lsa" and tokenizer == "transformer_31"  # two tokens: each has one other to look at
    assert few or all(gradient.any() for gradient in gradients[0])
    assert all(torch.equal(kept, again) for kept, again in zip(*gradients, strict=True))


def test_at_dropout_0_nothing_is_left_to_chance_and_above_it_the_tokenizer_drops_too():
    images = torch.randn(2, 3, 48, 32)
    still, dropping = T2TViT(**SMALL).tokens_to_token, T2TViT(**SMALL, dropout=0.5).tokens_to_token
    assert torch.equal(still(images), still(images))
    assert not torch.equal(dropping(images), dropping(images))


def test_a_state_brings_a_model_back_with_its_random_features():
    first, second = T2TViT(**SMALL).eval(), T2TViT(**SMALL).eval()
    images = torch.randn(2, 3, 48, 32)
    assert not torch.allclose(first(images), second(images))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(first(images), second(images))
    assert "tokens_to_token.stages.0.mixer.directions" in first.state_dict()


def test_linear_maps_and_cls_start_as_truncated_normals_and_biases_as_zeros():
    torch.manual_seed(0)
    model = T2TViT(**SMALL | {"d_model": 128, "attention": "differential"})
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.dim() > 1:
            assert abs(parameter.std() / 0.02 - 1) < 0.2, name
            assert parameter.abs().max() < 0.15, name


@pytest.mark.parametrize("path", ["plain", "sdpa"])
@pytest.mark.parametrize("tokenizer", t2t.TOKENIZERS)
def test_a_forward_pass_keeps_the_bytes_that_the_table_says(tokenizer, path):
    shape = SMALL | {"image": (112, 80), "tokenizer": tokenizer}
    model = T2TViT(**shape, attention_path=path)
    said = t2t.activation_bytes(shape_of(**shape), maps_kept=path == "plain")
    assert 0.9 < said / bytes_kept(model, torch.randn(2, 3, 112, 80)) < 1.1


def test_with_checkpointing_inputs_are_kept_and_one_part_at_a_time_the_rest():
    shape = SMALL | {"image": (112, 80)}
    kept = bytes_kept(T2TViT(**shape, checkpointing=True), torch.randn(2, 3, 112, 80))
    largest = t2t.mixer_activation_bytes(t2t.TOKENIZERS["performer"], n=28 * 20, entries=147)
    said = t2t.activation_bytes(shape_of(**shape), maps_kept=False, checkpointing=True)
    assert 0.9 < (said - largest) / kept < 1.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attention", "tokenizer"),
    [
        pytest.param("classic", "performer", marks=pytest.mark.slow),
        ("classic", "transformer"),
        ("differential", "performer"),
        pytest.param("differential", "transformer", marks=pytest.mark.slow),
    ],
)
def test_a_hundred_steps_fit_sixteen_examples(tokenizer, attention):
    torch.manual_seed(0)
    shape = SMALL | {"image": 32, "tokenizer": tokenizer, "attention": attention}
    model, images, labels = T2TViT(**shape), torch.randn(16, 3, 32, 32), torch.arange(16) % 7
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    while len(losses) < 100 and not (losses and losses[-1] < 0.05 * losses[0]):
        losses.append(F.cross_entropy(model(images), labels))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.05 * losses[0]
