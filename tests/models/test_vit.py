"""The ViT: equal to timm's, its counts, its symmetries, its initialisation."""

import copy
import dataclasses
import shutil

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch.utils.flop_counter import FlopCounterMode

from app import models
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts import vit
from app.counts.vit import ATTENTIONS
from app.models.compiling import compiled
from app.models.vit import ViT

SMALL = {"image": 16, "patch": 4, "channels": 3, "classes": 7, "d_model": 32, "depth": 3, "heads": 2}
FACTS = {
    "cifar100": DatasetFacts(name="cifar100", classes=100, native=32),
    "bach": DatasetFacts(name="bach", classes=4),
}
TIMMS = {"patches.projection": "patch_embed.proj", "cls": "cls_token", "positions": "pos_embed",
         "norm_attention": "norm1", "norm_mlp": "norm2", "attention.projection": "attn.proj", "attention": "attn",
         "mlp.expand": "mlp.fc1", "mlp.contract": "mlp.fc2"}  # fmt: skip


def timms_name(name):
    for mine, timms in TIMMS.items():
        name = name.replace(mine, timms)
    return name


def test_the_classic_vit_equals_timms_with_copied_weights():
    torch.manual_seed(0)
    ours = ViT(**SMALL, attention="classic").eval()
    theirs = VisionTransformer(
        img_size=16, patch_size=4, num_classes=7, embed_dim=32, depth=3, num_heads=2, qkv_bias=True
    ).eval()
    theirs.load_state_dict({timms_name(name): value for name, value in ours.state_dict().items()})
    images = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "size", "dataset", "count"),
    [
        ("vit_classic", "10M", "cifar100", 9_753_956), ("vit_differential", "10M", "cifar100", 9_758_564),
        ("vit_classic", "25M", "cifar100", 24_759_396), ("vit_differential", "25M", "cifar100", 24_771_300),
        ("vit_classic", "50M", "cifar100", 50_031_716), ("vit_differential", "50M", "cifar100", 50_055_908),
        ("vit_classic", "10M", "bach", 9_563_908), ("vit_differential", "10M", "bach", 9_565_828),
        ("vit_classic", "25M", "bach", 25_534_084), ("vit_differential", "25M", "bach", 25_539_460),
        ("vit_classic", "50M", "bach", 50_376_580), ("vit_differential", "50M", "bach", 50_387_332),
        ("vit_differential_h32", "10M", "cifar100", 9_756_260), ("vit_differential_h32", "10M", "bach", 9_564_868),
        ("vit_differential_h32", "25M", "cifar100", 24_765_348), ("vit_differential_h32", "25M", "bach", 25_536_772),
        ("vit_differential_h32", "50M", "cifar100", 50_043_812), ("vit_differential_h32", "50M", "bach", 50_381_956),
    ],
)  # fmt: skip
def test_a_study_model_has_exactly_its_rows_parameters(model, size, dataset, count):
    config = resolve({"model": model, "size": size}, FACTS[dataset])
    with torch.device("meta"):
        built = models.build(config, attention_path="sdpa")
    assert models.count(built) == config.parameters == count


@pytest.mark.parametrize("dataset", FACTS)
@pytest.mark.parametrize("size", ["10M", "25M", "50M"])
def test_classic_and_differential_are_within_a_thousandth(size, dataset):
    models = ("vit_classic", "vit_differential")
    counts = [resolve({"model": model, "size": size}, FACTS[dataset]).parameters for model in models]
    assert abs(counts[0] / counts[1] - 1) < 0.001


@pytest.mark.parametrize(("model", "count"), [("vit_classic", 1_019_236), ("vit_differential", 1_020_196)])
def test_the_trial_size_has_exactly_its_parameters_at_32_px(model, count):
    assert resolve({"model": model, "size": "1M", "image": 32, "patch": 4}, FACTS["cifar100"]).parameters == count


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_closed_forms_equal_the_built_model(attention):
    shape = {**SMALL, "mlp_ratio": 3.0, "attention": attention}
    with torch.device("meta"):
        built = ViT(**shape, attention_path="plain")
        with FlopCounterMode(display=False) as counted:
            built(torch.randn(1, 3, 16, 16))
    config = resolve({"size": "1M", "image": 32, "patch": 4}, FACTS["cifar100"])
    of_shape = dataclasses.replace(config.shape, **shape)
    assert models.count(built) == vit.parameters(of_shape)
    assert abs(vit.flops(of_shape) / counted.get_total_flops() - 1) < 0.005


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_permuting_patches_and_positions_together_leaves_logits_unchanged(attention):
    torch.manual_seed(0)
    model = ViT(**SMALL, attention=attention).double().eval()
    order = torch.randperm(16)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4).flatten(2, 3)[:, :, order]  # (B, C, N, 4, 4)
    shuffled = patches.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(2, 3, 16, 16)
    before = model(images)
    with torch.no_grad():
        model.positions[:, 1:] = model.positions[:, 1:][:, order].clone()
    torch.testing.assert_close(model(shuffled), before, rtol=0, atol=1e-12)


def test_initialisation_is_as_the_design_says():
    torch.manual_seed(0)
    model = ViT(**{**SMALL, "d_model": 128, "depth": 8}, attention="differential")
    parameters = dict(model.named_parameters())
    assert abs(parameters["blocks.3.mlp.expand.weight"].std() - 0.02) < 0.001
    assert abs(parameters["blocks.3.mlp.contract.weight"].std() - 0.02 / 4) < 0.0003
    assert abs(parameters["blocks.3.attention.projection.weight"].std() - 0.02 / 4) < 0.0003
    assert abs(parameters["positions"].std() - 0.02) < 0.002
    assert all(not value.any() for name, value in parameters.items() if name.endswith("bias"))


def test_an_image_that_does_not_split_into_patches_is_refused():
    with pytest.raises(ValueError, match="not a multiple"):
        ViT(**{**SMALL, "image": 18}, attention="classic")


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_activation_checkpointing_changes_no_bit_of_the_gradients(attention):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = ViT(**SMALL, attention=attention, dropout=0.1, checkpointing=checkpointing)
        torch.manual_seed(1)
        model(torch.ones(2, 3, 16, 16)).logsumexp(1).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(kept, again) for kept, again in zip(*gradients, strict=True))


def test_activation_checkpointing_keeps_less():
    kept = []
    for checkpointing in (False, True):
        model, held = ViT(**SMALL, checkpointing=checkpointing), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, held=held: held.append(t.nbytes) or t, lambda t: t):
            model(torch.ones(2, 3, 16, 16))
        kept.append(sum(held))
    assert kept[1] < kept[0] / 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="a compiler is wanted")
@pytest.mark.parametrize(
    ("attention", "path"), [pytest.param("classic", "sdpa", marks=pytest.mark.long), ("differential", "tiled")]
)
def test_a_compiled_model_is_three_programs_and_gives_the_same_numbers(attention, path, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.manual_seed(0)
    eager = ViT(**{**SMALL, "depth": 2}, attention=attention, attention_path=path)
    whole = compiled(copy.deepcopy(eager), "blocks", cache=tmp_path)
    torch._dynamo.utils.counters.clear()
    images = torch.randn(3, 3, 16, 16)
    results = [[model(images), *torch.autograd.grad(model(images).square().sum(), model.parameters())]
               for model in (eager, whole)]  # fmt: skip
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 3
    assert list(whole.state_dict()) == list(eager.state_dict())


def test_each_call_of_a_model_in_graphs_begins_a_generation_of_outputs(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(torch, "compile", lambda forward, **how: calls.append(how) or forward)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: calls.append("begin"))
    model = compiled(torch.nn.Linear(2, 2), "graphs", cache=tmp_path)
    for _ in range(2):
        assert torch.equal(model(torch.zeros(1, 2)), model.bias[None])
    assert calls == [{"mode": "reduce-overhead", "dynamic": False}, "begin", "begin"]
