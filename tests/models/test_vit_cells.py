"""What ViTs do otherwise: widths of heads, biases, norms, pooling, positions, patches; and the CIFAR zoo's rows."""

import copy
import itertools
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from app import models, optim
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts import family_of, meta, vit
from app.errors import InputError
from app.models.compiling import compiled
from app.models.vit import ViT
from app.tables.models import MODELS

CIFAR10 = DatasetFacts(name="cifar10", classes=10, native=32)
ZOO = [name for name, row in MODELS.items() if row.family == "vit" and not row.sized]
SMALL = {"image": 16, "patch": 4, "channels": 3, "classes": 7, "d_model": 32, "depth": 2, "heads": 2}
CHOICES = {
    "head_width": (None, 12), "qkv_bias": (True, False), "projection_bias": (True, False), "norm": vit.NORMS,
    "pooling": vit.POOLINGS, "positions": vit.POSITIONS, "patching": vit.PATCHINGS,
}  # fmt: skip
COMBINATIONS = [dict(zip(CHOICES, cells, strict=True)) for cells in itertools.product(*CHOICES.values())]


def small(row="vit", seed=0, **more):
    """A row's model, small: its own cells but for the width, depth and heads."""
    torch.manual_seed(seed)
    own = {name: value for name, value in MODELS[row].cells.items() if name not in SMALL}
    return ViT(**{**SMALL, **own, **more})


@pytest.mark.parametrize(
    ("model", "patch", "classes", "count"),
    [
        ("vit", None, 10, 9_523_722), ("vit", 2, 10, 9_603_594), ("vit", 8, 10, 9_572_874),
        ("vit", None, 100, 9_569_892), ("vit_small", None, 10, 9_622_512), ("vit_tiny", None, 10, 4_371_438),
        ("simplevit", None, 10, 9_486_858), ("dyt", None, 10, 9_523_735),
    ],
)  # fmt: skip
def test_a_model_of_the_zoo_has_exactly_its_parameters(model, patch, classes, count):
    request = {"model": model} | ({"patch": patch} if patch else {})
    config = resolve(request, DatasetFacts(name="cifar10", classes=classes, native=32))
    with torch.device("meta"):
        built = models.build(config, attention_path="sdpa")
    assert models.count(built) == config.parameters == count
    assert (config.size, config.patch, config.tokens) == (model, patch or 4, built.positions.shape[1])


@pytest.mark.parametrize(
    "attention",
    [pytest.param(each, marks=() if each == "differential" else pytest.mark.slow) for each in vit.ATTENTIONS],
)
@pytest.mark.parametrize(
    "norm", [vit.NORMS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in vit.NORMS[1:])]
)
def test_closed_forms_equal_the_built_model_with_every_two_choices(attention, norm):
    closed_forms_hold(attention, [cells for cells in COMBINATIONS if cells["norm"] == norm and choices(cells) <= 2])


@pytest.mark.slow
@pytest.mark.parametrize("attention", vit.ATTENTIONS)
def test_closed_forms_equal_the_built_model_in_every_combination(attention):
    closed_forms_hold(attention, COMBINATIONS)


def choices(cells):
    """How many cells, the norm aside, are not the first of their kind."""
    return sum(cells[name] != values[0] for name, values in CHOICES.items() if name != "norm")


def closed_forms_hold(attention, combinations):
    """Asserts that counts and FLOPs of the built models are what the closed forms say."""
    for cells in combinations:
        of_model = {**SMALL, "mlp_ratio": 1.5, "attention": attention, **cells}
        shape = family_of("vit").shape(of_model)
        vit.check(shape)
        built = meta.built(partial(ViT, **of_model, attention_path="plain"))
        with FlopCounterMode(display=False) as counted:
            built(torch.empty(1, 3, 16, 16, device="meta"))
        embedding = [p for name, p in built.named_parameters() if name.startswith(("cls", "positions", "patches"))]
        assert models.count(built) == vit.parameters(shape), cells
        assert sum(parameter.numel() for parameter in embedding) == vit.embedding_parameters(shape), cells
        assert abs(vit.flops(shape) / counted.get_total_flops() - 1) < 0.005, cells
        assert built.positions.shape[1] == vit.tokens(shape), cells


@pytest.mark.parametrize("image", [16, 32])
@pytest.mark.parametrize("model", ZOO)
@pytest.mark.parametrize("attention", vit.ATTENTIONS)
def test_every_attention_trains_every_parameter_of_every_row(attention, model, image):
    network = small(model, image=image, attention=attention)
    with torch.no_grad():  # shares of the logits that start at nothing hold back gradients
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    logits = network(torch.randn(2, 3, image, image))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    dead = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    assert not dead


@pytest.mark.parametrize("positions", vit.POSITIONS)
@pytest.mark.parametrize("attention", vit.ATTENTIONS)
def test_permuting_patches_with_their_positions_leaves_the_mean_of_tokens_unchanged(attention, positions):
    model = small(attention=attention, pooling="mean", positions=positions).double().eval()
    images, order = torch.randn(2, 3, 16, 16, dtype=torch.float64), torch.randperm(16)
    before = model(images)
    model.patches.register_forward_hook(lambda _, __, patches: patches[:, order])
    assert not torch.allclose(model(images), before, rtol=0, atol=1e-9)
    with torch.no_grad():
        model.positions.copy_(model.positions[:, order].clone())
    torch.testing.assert_close(model(images), before, rtol=0, atol=1e-12)


def test_the_mean_is_taken_of_all_tokens_before_the_last_norm_and_there_is_no_cls():
    model, taken = small("simplevit"), []
    model.blocks[-1].register_forward_hook(lambda _, __, out: taken.append(out))
    logits = model(torch.randn(2, 3, 16, 16))
    assert "cls" not in dict(model.named_parameters()) and taken[0].shape == (2, 16, 32)
    expected = model.head(F.layer_norm(taken[0].mean(1), (32,), eps=1e-5))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("pooling", "first"), [("cls", 1), ("mean", 0)])
def test_fixed_positions_are_no_parameters_nor_in_the_state_and_a_cls_token_has_none(pooling, first):
    model = small(positions="sincos", pooling=pooling)
    assert "positions" not in {*dict(model.named_parameters()), *model.state_dict()}
    assert model.positions.shape == (1, 16 + first, 32) and not model.positions[:, :first].any()
    assert model.positions[0, first:].any(-1).all()


@pytest.mark.parametrize(("attention", "queries"), [("classic", 24), ("differential", 48), ("lsa", 24)])
def test_the_width_of_heads_may_differ_from_the_model_s(attention, queries):
    block = small(attention=attention, head_width=12).blocks[0].attention
    assert (block.qkv.in_features, block.qkv.out_features) == (32, 3 * queries)
    assert (block.projection.in_features, block.projection.out_features) == (queries, 32)


@pytest.mark.parametrize("attention", [name for name, row in vit.ATTENTIONS.items() if len(row.paths) > 2])
def test_tiles_take_heads_of_any_width(attention):
    images, results = torch.randn(2, 3, 16, 16), []
    for path in ("plain", "tiled", "stored"):
        model = small("vit_tiny", attention=attention, attention_path=path)
        results.append([model(images), *torch.autograd.grad(model(images).square().sum(), model.parameters())])
    for other in results[1:]:
        for plain, same in zip(results[0], other, strict=True):
            torch.testing.assert_close(plain, same, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ZOO)
def test_sixteen_images_are_learnt_by_heart(model):
    network = small(model, depth=1, d_model=64)
    images, targets = torch.randn(16, 3, 16, 16), torch.arange(16) % 7
    optimizer = optim.adamw(network, lr=3e-3, weight_decay=0.01)
    losses = []
    for _ in range(100):
        loss = F.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("model", ZOO)
def test_a_saved_model_computes_the_same_when_loaded_into_another(model, tmp_path):
    one, other, images = small(model), small(model, seed=1), torch.randn(2, 3, 16, 16)
    assert not torch.equal(one(images), other(images))
    save_file(one.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(one(images), other(images))


@pytest.mark.parametrize("model", ZOO)
@pytest.mark.parametrize("attention", vit.ATTENTIONS)
def test_weights_of_linear_maps_are_decayed_and_nothing_else(attention, model):
    decayed, plain = optim.parameter_groups(small(model, attention=attention), 0.1)
    names = [{name for name, _ in group["params"]} for group in (decayed, plain)]
    maps = ("projection.weight", "qkv.weight", "queries.weight", "keys_values.weight", "expand.weight",
            "contract.weight", "head.weight")  # fmt: skip
    assert all(name.endswith(maps) and "lambda" not in name for name in names[0])
    assert not any(name.endswith(maps) and "lambda" not in name for name in names[1])


@pytest.mark.parametrize("model", ZOO)
def test_checkpointing_changes_no_bit_of_a_row_s_gradients(model):
    gradients = []
    for checkpointing in (False, True):
        network = small(model, dropout=0.1, checkpointing=checkpointing)
        torch.manual_seed(1)
        network(torch.ones(2, 3, 16, 16)).logsumexp(1).sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(kept, again) for kept, again in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (
            {"d_model": 510, "heads": 6, "positions": "sincos"},
            "d_model=510 is not a multiple of 4, which positions=sincos needs",
        ),
        ({"attention": "lsa", "pooling": "mean", "patch": 32}, "lets no token attend to itself, .* is a single token"),
        ({"head_width": 0}, "head_width=0 is out of range. Use a number above 0"),
        ({"heads": 5}, "d_model=512 does not divide into heads=5 of classic attention. Use 4 or 8"),
        ({"norm": "rms"}, "unknown norm 'rms'"),
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"positions": "rotary"}, "unknown positions 'rotary'"),
        ({"patching": "overlapping"}, "unknown patching 'overlapping'"),
    ],
)
def test_what_has_no_meaning_is_refused(request_, says):
    with pytest.raises(InputError, match=says):
        resolve({"model": "vit", **request_}, CIFAR10)


def test_heads_of_their_own_width_need_not_divide_the_model_s():
    config = resolve({"model": "vit", "heads": 5, "head_width": 24, "attention": "differential"}, CIFAR10)
    assert (vit.head_width(config.shape), vit.inner(config.shape)) == (24, 240)


def test_a_value_that_a_row_has_anyway_names_the_same_run_and_another_does_not():
    of_row = resolve({"model": "vit"}, CIFAR10)
    same = {"norm": "layer", "pooling": "cls", "positions": "learned", "patching": "linear", "qkv_bias": False,
            "projection_bias": True}  # fmt: skip
    assert resolve({"model": "vit", **same}, CIFAR10).run_id == of_row.run_id
    for other in ({"norm": "dyt"}, {"pooling": "mean"}, {"qkv_bias": True}, {"projection_bias": False}, {"heads": 4}):
        assert resolve({"model": "vit", **other}, CIFAR10).run_id != of_row.run_id


@pytest.mark.parametrize("model", ZOO)
def test_a_row_grows_in_depth_with_its_budget(model):
    config = resolve({"model": model, "size": "25M"}, CIFAR10)
    assert config.depth > MODELS[model].cells["depth"] and abs(config.parameters / 25e6 - 1) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "attention"),
    [
        ("vit_tiny", "lsa"),
        pytest.param("dyt", "differential", marks=pytest.mark.long),
        pytest.param("simplevit", "classic", marks=pytest.mark.long),
    ],
)
def test_a_compiled_row_is_three_programs_and_gives_the_same_numbers(model, attention, tmp_path, monkeypatch):
    inductor = torch.compile  # its kernels are tested in test_vit.py
    monkeypatch.setattr(torch, "compile", lambda part, **how: inductor(part, backend="aot_eager", **how))
    torch._dynamo.reset()
    eager = small(model, attention=attention, depth=4)
    whole = compiled(copy.deepcopy(eager), "blocks", cache=tmp_path)
    torch._dynamo.utils.counters.clear()
    images = torch.randn(3, 3, 16, 16)
    results = [[one(images), *torch.autograd.grad(one(images).square().sum(), one.parameters())]
               for one in (eager, whole)]  # fmt: skip
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 3
