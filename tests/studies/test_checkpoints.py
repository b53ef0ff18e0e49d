"""Checkpoints of the CIFAR zoo become our weights: the same outputs as the zoo's own arithmetic, or a refusal."""

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from app import models
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.studies.legacy import checkpoints
from app.tables.datasets import DATASETS

PATCH, DEPTH, HEADS, D_MODEL, HIDDEN, SIDE = 8, 2, 2, 128, 64, 16
PARTS = {True: ("0.to_out", "1.net.1", "1.net.3"), False: ("0.fn.to_out.0", "1.fn.net.0", "1.fn.net.3")}
SHIFTS = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
STD, ZOO_STD = torch.tensor([0.2470, 0.2435, 0.2616]), torch.tensor([0.2023, 0.1994, 0.2010])


def weights(net, classes=100):
    """Random weights by the names of a net of the zoo."""
    pixels, shifted = 3 * PATCH**2 * (5 if net == "vit_small" else 1), net == "vit_small"
    first = "to_patch_embedding.to_patch_tokens.2" if shifted else "to_patch_embedding.1"
    shapes = {f"{first}.weight": (D_MODEL, pixels), f"{first}.bias": (D_MODEL,)}
    norms = {"to_patch_embedding.to_patch_tokens.1": pixels} if shifted else {}
    simple = net == "simplevit"
    if not simple:
        shapes |= {"pos_embedding": (1, (SIDE // PATCH) ** 2 + 1, D_MODEL), "cls_token": (1, 1, D_MODEL)}
    for i in range(DEPTH):
        layer, fn = f"transformer.layers.{i}", "" if simple else "fn."
        norms |= {f"{layer}.0.norm": D_MODEL, f"{layer}.1.net.0" if simple else f"{layer}.1.norm": D_MODEL}
        out, hidden, last = (
            ("0.to_out", "1.net.1", "1.net.3") if simple else ("0.fn.to_out.0", "1.fn.net.0", "1.fn.net.3")
        )
        shapes |= {f"{layer}.0.{fn}to_qkv.weight": (3 * 64 * HEADS, D_MODEL), f"{layer}.{out}.weight": (D_MODEL, 128),
                   f"{layer}.{hidden}.weight": (HIDDEN, D_MODEL), f"{layer}.{hidden}.bias": (HIDDEN,),
                   f"{layer}.{last}.weight": (D_MODEL, HIDDEN), f"{layer}.{last}.bias": (D_MODEL,)}  # fmt: skip
        shapes |= {} if simple else {f"{layer}.{out}.bias": (D_MODEL,)}
        shapes |= {f"{layer}.0.fn.temperature": ()} if shifted else {}
    head = "linear_head" if simple else "mlp_head"
    norms |= {f"{head}.0": D_MODEL}
    shapes |= {f"{head}.1.weight": (classes, D_MODEL), f"{head}.1.bias": (classes,)}
    shapes |= {f"{name}.{part}": (width,) for name, width in norms.items() for part in ("weight", "bias")}
    shapes |= {f"{name}.alpha": (1,) for name in norms} if net == "dyt" else {}
    draws = torch.Generator().manual_seed(0)
    return {name: 0.2 * torch.randn(shape, generator=draws) + (0.5 if not name.endswith("weight") else 0)
            for name, shape in shapes.items()}  # fmt: skip


def outputs(net, images, w):
    """The zoo's arithmetic, over its names."""

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(x, name):
        if net == "dyt":
            return torch.tanh(w[f"{name}.alpha"] * x) * w[f"{name}.weight"] + w[f"{name}.bias"]
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    if net == "vit_small":
        images = torch.cat(
            [images, *(F.pad(images, s) for s in ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1)))], 1
        )
    b, c, side, _ = images.shape
    x = (
        images.reshape(b, c, side // PATCH, PATCH, side // PATCH, PATCH)
        .permute(0, 2, 4, 3, 5, 1)
        .reshape(b, -1, PATCH**2 * c)
    )
    first = "to_patch_embedding.to_patch_tokens" if net == "vit_small" else "to_patch_embedding"
    x = linear(norm(x, f"{first}.1"), f"{first}.2") if net == "vit_small" else linear(x, f"{first}.1")
    if net == "simplevit":
        y, x_ = torch.meshgrid(torch.arange(side // PATCH), torch.arange(side // PATCH), indexing="ij")
        omega = 1 / 10_000 ** (torch.arange(D_MODEL // 4) / (D_MODEL // 4 - 1))
        y, x_ = y.flatten()[:, None] * omega, x_.flatten()[:, None] * omega
        x = x + torch.cat((x_.sin(), x_.cos(), y.sin(), y.cos()), 1)
    else:
        x = torch.cat([w["cls_token"].expand(b, -1, -1), x], 1) + w["pos_embedding"]
    for i in range(DEPTH):
        layer, simple = f"transformer.layers.{i}", net == "simplevit"
        qkv = linear(norm(x, f"{layer}.0.norm"), f"{layer}.0.{'' if simple else 'fn.'}to_qkv")
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
        scale = w[f"{layer}.0.fn.temperature"].exp() if net == "vit_small" else 64**-0.5
        dots = q @ k.mT * scale
        if net == "vit_small":
            dots = dots.masked_fill(torch.eye(dots.shape[-1], dtype=torch.bool), -torch.finfo(dots.dtype).max)
        out, inner, last = PARTS[simple]
        x = x + linear((dots.softmax(-1) @ v).transpose(1, 2).flatten(2), f"{layer}.{out}")
        before = norm(x, f"{layer}.1.net.0" if simple else f"{layer}.1.norm")
        x = x + linear(F.gelu(linear(before, f"{layer}.{inner}")), f"{layer}.{last}")
    head = "linear_head" if net == "simplevit" else "mlp_head"
    return linear(norm(x.mean(1) if net == "simplevit" else x[:, 0], f"{head}.0"), f"{head}.1")


def ours(found, images):
    """The outputs of our model of the converted weights."""
    name = "cifar10" if found.classes == 10 else "cifar100"
    config = resolve(
        {"dataset": name, "model": found.model, "image": SIDE, **found.cells}, dataset_facts(DATASETS[name])
    )
    model = models.build(config, attention_path="plain").eval()
    model.load_state_dict(found.weights)
    with torch.no_grad():
        return model(images)


@pytest.mark.parametrize("net", ["vit", "vit_small", "simplevit", "dyt"])
@pytest.mark.parametrize("classes", [10, 100])
def test_a_converted_vit_has_the_zoo_s_outputs(net, classes):
    theirs = weights(net, classes)
    found = checkpoints.converted({f"module.{name}": tensor for name, tensor in theirs.items()}, "x.t7")
    assert (found.model, found.classes) == (net, classes) and f"--patch {PATCH}" in found.options()
    images = torch.randn(3, 3, SIDE, SIDE)
    wanted = outputs(net, images, theirs)
    assert torch.allclose(ours(found, images), wanted, atol=2e-6 * wanted.abs().max().item(), rtol=0)
    again = checkpoints.normalised(found)
    if classes == 100 or net == "vit_small":
        assert again.weights.keys() == found.weights.keys() and bool(again.note) == (classes == 10)
        return
    scaled = images * (ZOO_STD / STD).view(1, 3, 1, 1)  # as isoscale divides
    assert torch.allclose(ours(again, scaled), wanted, atol=4e-6 * wanted.abs().max().item(), rtol=0)


def test_a_resnet_keeps_every_tensor_under_our_names(tmp_path):
    config = resolve(
        {"dataset": "cifar100", "model": "resnet18", "image": 32, "width": 4}, dataset_facts(DATASETS["cifar100"])
    )
    state = models.build(config, attention_path="none").state_dict()
    theirs = {
        name.replace("downsample", "shortcut").replace("fc.", "linear."): tensor for name, tensor in state.items()
    }
    torch.save({"net": theirs, "acc": 93.0, "epoch": 3}, tmp_path / "res18.t7")
    found = checkpoints.convert(tmp_path / "res18.t7", tmp_path / "res18.safetensors")
    assert found.options() == "--model resnet18 --width 4" and not found.note
    written = load_file(tmp_path / "res18.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in state.items()) and written.keys() == state.keys()


def renamed(name):
    """The zoo's name of a tensor of VGG or ConvMixer."""
    if name.startswith(("features", "head.fc")):
        return name.replace("head.fc", "classifier")
    part, _, rest = name.partition(".")
    number, _, rest = rest.partition(".") if part != "head" else ("7", "", rest)
    return f"{int(number) + 3 * (part == 'blocks')}.{rest}"


@pytest.mark.parametrize("net", ["vgg", "convmixer"])
def test_a_convolutional_net_of_the_zoo_s_layers_keeps_every_tensor_under_our_names(tmp_path, net):
    cells = {"d_model": 8, "depth": 2, "kernel": 4} if net == "convmixer" else {}
    config = resolve({"dataset": "cifar100", "model": net, "image": 32, **cells}, dataset_facts(DATASETS["cifar100"]))
    state = models.build(config, attention_path="none").state_dict()
    theirs = {renamed(name): tensor for name, tensor in state.items()}
    assert ("classifier.weight" if net == "vgg" else "3.0.fn.0.weight") in theirs
    torch.save({"net": theirs}, tmp_path / "net.t7")
    found = checkpoints.convert(tmp_path / "net.t7", tmp_path / "net.safetensors")
    assert found.options() == f"--model {net}" + (" --d-model 8 --depth 2 --kernel 4" if cells else "")
    written = load_file(tmp_path / "net.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in state.items()) and written.keys() == state.keys()


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("patch_transformer.layers.0.0.scale", "cait"), ("stage1.patch_partition.linear.weight", "swin"),
        ("mvit.0.conv1.0.weight", "mobilevit"), ("2.0.norm.weight", "mlpmixer"),
        ("blocks.0.attn.qkv.weight", "vit_timm"),
    ],
)  # fmt: skip
def test_a_net_that_is_not_converted_is_refused_by_its_name(name, net):
    with pytest.raises(InputError, match=f"the zoo's net {net}, which is not converted: .*--model {net}"):
        checkpoints.converted({f"module.{name}": torch.zeros(1), "mlp_head.1.bias": torch.zeros(10)}, "x.t7")


class Opens:
    """What a file that executes code when read contains."""

    def __reduce__(self):
        return open, ("made", "w")


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"net": {"a": torch.zeros(1)}}, "is not a checkpoint of the CIFAR zoo"), ({"net": 3}, "is not a checkpoint"),
        ({"model": weights("vit") | {"odd": torch.zeros(1)}}, "has the tensor odd"),
        ({"net": weights("vit"), "more": Opens()}, "more than plain tensors"), ([1], "is not a checkpoint"),
        ({"net": {n: t for n, t in weights("vit").items() if "mlp_head" not in n}}, "is not a checkpoint"),
    ],
)  # fmt: skip
def test_any_other_file_is_refused_and_nothing_is_executed_or_written(tmp_path, monkeypatch, held, says):
    monkeypatch.chdir(tmp_path)
    torch.save(held, "x.t7")
    with pytest.raises(InputError, match=says):
        checkpoints.convert(tmp_path / "x.t7", tmp_path / "x.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["x.t7"]
