"""Attention: equal to its definition and to timm's, whatever the path."""

import math

import pytest
import torch
from timm.layers import DiffAttention

from app import models
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.counts.vit import ATTENTIONS
from app.counts.vit import Attention as Row
from app.models.attention import ATTENTION_CLASSES
from app.models.attention.classic import ClassicAttention
from app.models.attention.differential import DifferentialAttention, lambda_init
from app.models.attention.differential_v2 import DifferentialAttentionV2
from app.models.attention.layer import Attention, Maps, attention_map, joined, linear_in, split
from app.models.attention.lsa import LocalityAttention
from app.models.attention.maps import maps_of
from app.models.attention.norm import UnitRMS
from app.models.attention.paths import candidates, pick_on_cpu, unfit
from app.models.attention.tiled import tiled
from app.place import own_threads
from app.tables.computing import PATHS

ON_CPU = {kind: [path for path in row.paths if path != "fused"] for kind, row in ATTENTIONS.items()}


def make(kind, path, *, d_model=48, heads=3, layer=2, dtype=torch.float64, seed=0, **more):
    torch.manual_seed(seed)
    return kind(d_model=d_model, heads=heads, layer=layer, dropout=0.0, path=path, **more).to(dtype)


def two_softmaxes(module, x):
    """arXiv:2410.05258, section 2.1, written head by head with loops and nothing shared with the module's forward."""
    width = x.shape[-1] // (2 * module.heads)
    q, k, v = (x @ w.T + b for w, b in zip(module.qkv.weight.chunk(3), module.qkv.bias.chunk(3), strict=True))
    weight = (
        math.e ** (module.lambda_q1 @ module.lambda_k1) - math.e ** (module.lambda_q2 @ module.lambda_k2)
    ) + module.lambda_init
    heads = []
    for head in range(module.heads):
        maps = []
        for member in (2 * head, 2 * head + 1):
            at = slice(member * width, (member + 1) * width)
            scores = torch.einsum("bnd,bmd->bnm", q[..., at], k[..., at]) / math.sqrt(width)
            maps.append(scores.exp() / scores.exp().sum(-1, keepdim=True))
        out = (maps[0] - weight * maps[1]) @ v[..., 2 * head * width : 2 * (head + 1) * width]
        scale = (out.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        heads.append(out * scale * module.norm.weight * (1 - module.lambda_init))
    return torch.cat(heads, -1) @ module.projection.weight.T + module.projection.bias


@pytest.mark.parametrize("path", ON_CPU["differential"])
def test_differential_attention_equals_the_two_softmax_definition_with_gradients(path):
    module = make(DifferentialAttention, path)
    x = torch.randn(2, 7, 48, dtype=torch.float64, requires_grad=True)
    probe = torch.randn(2, 7, 48, dtype=torch.float64)
    inputs = [x, *module.parameters()]
    ours, theirs = module(x), two_softmaxes(module, x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    gradients = (torch.autograd.grad((out * probe).sum(), inputs) for out in (ours, theirs))
    for mine, defined in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, defined, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", ON_CPU["differential"])
def test_differential_attention_equals_timms_with_copied_weights(path):
    ours = make(DifferentialAttention, path, dtype=torch.float32)
    theirs = DiffAttention(48, num_heads=3, qkv_bias=True, depth=2)
    names = {"projection.": "proj.", "norm.": "sub_norm."}
    state = {next((name.replace(a, b) for a, b in names.items() if name.startswith(a)), name): value
             for name, value in ours.state_dict().items()}  # fmt: skip
    theirs.load_state_dict(state)
    x = torch.randn(2, 9, 48)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_a_differential_map_sums_to_one_minus_lambda():
    module = make(DifferentialAttention, "plain")
    q1, q2, k1, k2, _ = module.heads_of(module.qkv(torch.randn(2, 7, 48, dtype=torch.float64)))
    difference = attention_map(q1, k1) - module.lambda_full() * attention_map(q2, k2)
    expected = (1 - module.lambda_full()).expand(2, 3, 7)
    torch.testing.assert_close(difference.sum(-1), expected, rtol=0, atol=1e-12)


def test_lambda_init_follows_the_layer_from_zero():
    published = [0.2, 0.355509, 0.470713, 0.556058, 0.619283, 0.666122, 0.700821, 0.726526, 0.745569]
    assert [round(lambda_init(layer), 6) for layer in range(9)] == published
    assert round(lambda_init(23), 6) == 0.799395


def test_lambda_starts_within_a_tenth_or_so_of_its_init():
    torch.manual_seed(0)
    off = [
        (module.lambda_full() - module.lambda_init).item()
        for module in (make(DifferentialAttention, "plain", d_model=128, heads=1, seed=seed) for seed in range(300))
    ]
    assert abs(torch.tensor(off).std() - 0.110) < 0.02  # width 64


@pytest.mark.parametrize("tokens", [7, 300])  # 300: several tiles, the last one short
@pytest.mark.parametrize("more", [{}, {"head_width": 20, "bias": False, "projection_bias": False}])
@pytest.mark.parametrize("kind", ON_CPU)
def test_all_paths_give_the_same_numbers_and_gradients(kind, tokens, more):
    torch.manual_seed(1)
    x = torch.randn(2, tokens, 48, dtype=torch.float64, requires_grad=True)
    probe = torch.randn(2, tokens, 48, dtype=torch.float64)
    results = []
    for path in ON_CPU[kind]:
        module = make(ATTENTION_CLASSES[kind], path, **more)
        out = module(x)
        results.append([out, *torch.autograd.grad((out * probe).sum(), [x, *module.parameters()])])
    for other in results[1:]:
        for plain, same in zip(results[0], other, strict=True):
            torch.testing.assert_close(plain, same, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("batch", "tokens"),
    [(1, 451), (3, 7), pytest.param(3, 451, marks=pytest.mark.slow)],  # 451: of two tiles one is short
)
@pytest.mark.parametrize("path", ["tiled", "stored"])
@pytest.mark.parametrize("kind", ["classic", "differential"])
def test_tiles_of_several_threads_hold_the_gradients_of_plain_products(kind, path, batch, tokens):
    """Each thread has an image of its own; the last images are fewer, and the last tile of a map has fewer rows."""
    x = torch.randn(batch, tokens, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    results = []
    with own_threads():
        torch.set_num_threads(2)
        for each in ("plain", path):
            module = make(ATTENTION_CLASSES[kind], each)
            out = module(x)
            results.append([out, *torch.autograd.grad(out.square().sum(), list(module.parameters()))])
    for plain, same in zip(*results, strict=True):
        torch.testing.assert_close(same, plain, rtol=1e-9, atol=1e-9)


def test_the_tiled_path_holds_in_bf16_as_far_as_plain_products_do():
    x = torch.randn(2, 300, 48)
    exact = make(DifferentialAttention, "plain", dtype=torch.float32)(x)
    with torch.autocast("cpu", torch.bfloat16):
        plain, tiled = (
            make(DifferentialAttention, path, dtype=torch.float32)(x).float() for path in ("plain", "tiled")
        )
    assert (tiled - exact).norm() < 1.5 * (plain - exact).norm()


@pytest.mark.parametrize("keep", [False, True])
def test_the_tiled_gradient_of_lambda_is_not_rounded_to_bf16_on_the_way(keep):
    """Every image and head pulls lambda the same way, as in training: only the sum's own error is left."""
    errors = []
    for seed in range(4):
        torch.manual_seed(seed)
        pull = torch.randn(2, 1, 96).expand(2, 300, 96)
        qkv = torch.randn(2, 300, 3 * 96)
        qkv[..., 2 * 96 :] += pull / 2
        qkv, pull = qkv.bfloat16(), pull.bfloat16()
        of_weight = []
        for dtype in (torch.bfloat16, torch.float64):
            weight = torch.tensor(0.4, dtype=torch.promote_types(dtype, torch.float32), requires_grad=True)
            out = tiled(qkv.to(dtype).requires_grad_(), weight, 3, keep=keep)
            of_weight.append(torch.autograd.grad(out, weight, pull.to(dtype))[0].item())
        errors.append(abs(of_weight[0] / of_weight[1] - 1))
    assert max(errors) < 2**-11  # a number that is rounded to bf16 errs by up to 2^-9


@pytest.mark.parametrize("path", ["tiled", "stored"])
def test_the_gradient_of_lambda_in_bf16_errs_about_as_little_as_that_of_plain_products(path):
    def gradient(path, seed, *, bf16):
        module = make(DifferentialAttention, path, dtype=torch.float32, seed=seed)
        x, probe = torch.randn(2, 300, 48), torch.randn(1, 1, 48)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = module(x + probe)
        return torch.autograd.grad((out.float() * probe).sum(), module.lambda_q1)[0]

    errors = {
        each: sum(
            float((gradient(each, seed, bf16=True) - exact).norm() / exact.norm())
            for seed in range(4)
            for exact in [gradient("plain", seed, bf16=False)]
        )
        for each in ("plain", path)
    }
    assert errors[path] < 2 * errors["plain"]


@pytest.mark.parametrize("path", ["tiled", "stored"])
def test_tiles_are_for_cpus(path):
    for attention in ("classic", "differential"):
        asked = {"attention": attention, "head_width": 64}
        for device in ("cuda", "mps"):
            assert f"the {path} path is for CPUs. On a {device} device" in unfit(path, **asked, device=device)
            assert path not in candidates(**asked, device=device)
        assert not unfit(path, **asked, device="cpu")
        assert {"plain", "sdpa", path} <= set(candidates(**asked, device="cpu"))


@pytest.mark.parametrize(("compiler", "able"), [("", False), ("gcc", True), ("clang", True), ("cc", False)])
def test_the_fused_path_takes_a_compiler_that_triton_finds(monkeypatch, compiler, able):
    pytest.importorskip("triton")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: name if name == compiler else None)
    monkeypatch.setattr("app.models.attention.fused.available", lambda device: True)
    why = unfit("fused", attention="differential", head_width=64, device="cuda")
    assert (why == "") == able and ("C compiler" in why) != able
    monkeypatch.setenv("CC", "/opt/cc")
    assert not unfit("fused", attention="differential", head_width=64, device="cuda")


@pytest.mark.slow
def test_the_tiled_operators_are_what_a_compiler_is_told():
    qkv = torch.randn(2, 5, 48, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.isoscale.tiled.default, (qkv, weight, 4, True))
    torch.library.opcheck(torch.ops.isoscale.tiled.default, (qkv, None, 4, False))


def test_unit_rms_is_torchs_norm_without_a_weight():
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(UnitRMS.apply(x, 1e-5)[0], torch.rms_norm(x, (8,), eps=1e-5), rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda x: UnitRMS.apply(x, 1e-5)[0], x)


def test_unit_rms_s_second_derivative_is_whole():
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: UnitRMS.apply(x, 0.5)[0], x)


def second_derivative(path):
    x = torch.randn(1, 5, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    first = torch.autograd.grad(make(DifferentialAttention, path)(x).square().sum(), x, create_graph=True)[0]
    return torch.autograd.grad(first.square().sum(), x)[0]


def test_a_second_derivative_by_tiles_is_refused_rather_than_wrong():
    for path in ("tiled", "stored"):
        with pytest.raises(RuntimeError, match="no autograd formula"):
            second_derivative(path)


def bytes_kept(module, x):
    """Bytes of all tensors that a forward pass keeps for the backward pass, parameters apart, each storage once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = module(x)
    assert out.requires_grad
    return sum(kept.values())


def test_tiled_differential_attention_keeps_a_tenth_more_than_classic_sdpa_at_most():
    x = torch.randn(2, 785, 256)
    classic = make(ClassicAttention, "sdpa", d_model=256, heads=4, dtype=torch.float32)
    tiled = make(DifferentialAttention, "tiled", d_model=256, heads=2, dtype=torch.float32)
    assert bytes_kept(tiled, x) < 1.1 * bytes_kept(classic, x)
    plain = make(DifferentialAttention, "plain", d_model=256, heads=2, dtype=torch.float32)
    assert bytes_kept(plain, x) > 4 * bytes_kept(tiled, x)


def test_the_second_version_subtracts_gated_heads_that_share_keys_and_values():
    module = make(DifferentialAttentionV2, "sdpa")
    x = torch.randn(2, 7, 48, dtype=torch.float64)
    q, k, v = module.queries(x), *module.keys_values(x).chunk(2, -1)
    gates = 1 / (1 + torch.exp(-(x @ module.lambda_projection.weight.T)))
    heads = []
    for head in range(3):
        at = slice(16 * head, 16 * (head + 1))
        first, second = (
            ((q[..., 16 * i : 16 * (i + 1)] @ k[..., at].mT) / 4).softmax(-1) @ v[..., at]
            for i in (2 * head, 2 * head + 1)
        )
        heads.append(first - gates[..., head : head + 1] * second)
    torch.testing.assert_close(module(x), module.projection(torch.cat(heads, -1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", ON_CPU["lsa"])
def test_attention_of_locality_equals_its_definition_head_by_head(path):
    module = make(LocalityAttention, path, head_width=20)
    torch.nn.init.constant_(module.log_temperature, -0.7)
    x = torch.randn(2, 7, 48, dtype=torch.float64)
    q, k, v = module.qkv(x).chunk(3, -1)
    heads = []
    for at in (slice(20 * head, 20 * (head + 1)) for head in range(3)):
        powers = (q[..., at] @ k[..., at].mT * math.exp(-0.7)).exp() * (1 - torch.eye(7))
        heads.append(powers / powers.sum(-1, keepdim=True) @ v[..., at])
    torch.testing.assert_close(module(x), module.projection(torch.cat(heads, -1)), rtol=0, atol=1e-12)


def test_a_map_of_locality_has_a_diagonal_of_zeros_and_rows_that_sum_to_one():
    module, x = make(LocalityAttention, "plain"), torch.randn(2, 3, 7, 16, dtype=torch.float64)
    map_ = module.attention_map(x, x)
    assert not map_.diagonal(dim1=-2, dim2=-1).any()
    torch.testing.assert_close(map_.sum(-1), torch.ones(2, 3, 7).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("head_width", "width"), [(None, 16), (20, 20)])
def test_the_temperature_of_locality_starts_at_the_root_of_a_head_s_width(head_width, width):
    module = make(LocalityAttention, "plain", head_width=head_width, dtype=torch.float32)
    assert module.log_temperature.exp().item() == pytest.approx(width**-0.5, rel=1e-6)


@pytest.mark.parametrize("kind", ATTENTION_CLASSES.values())
def test_without_biases_an_attention_of_nothing_is_nothing(kind):
    x = torch.zeros(2, 7, 48, dtype=torch.float64)
    assert not make(kind, "plain", bias=False, projection_bias=False)(x).any()
    assert make(kind, "plain", bias=False)(x).any() and make(kind, "plain", projection_bias=False)(x).any()


@pytest.mark.parametrize("kind", ATTENTION_CLASSES.values())
def test_attention_does_not_know_the_order_of_tokens(kind):
    module, x = make(kind, "plain"), torch.randn(2, 7, 48, dtype=torch.float64)
    order = torch.randperm(7)
    torch.testing.assert_close(module(x)[:, order], module(x[:, order]), rtol=0, atol=1e-12)


def test_a_kind_has_one_name_and_one_row_of_counts_and_paths():
    assert ATTENTION_CLASSES.keys() == ATTENTIONS.keys()
    assert all(make.kind == kind for kind, make in ATTENTION_CLASSES.items())
    assert all(row.paths[0] == "plain" and set(row.paths) <= set(PATHS) for row in ATTENTIONS.values())


def test_a_kind_that_nobody_measured_takes_the_plain_path_on_a_cpu():
    assert pick_on_cpu(attention="of tomorrow", tokens=785, precision="fp32") == "plain"
    assert pick_on_cpu(attention="classic", tokens=785, precision="fp32") == "sdpa"


@pytest.mark.parametrize("kind", ATTENTION_CLASSES)
def test_a_row_says_whether_a_token_may_attend_to_itself(kind):
    module = make(ATTENTION_CLASSES[kind], "plain")
    alone = module.maps(torch.randn(1, 3, 48, dtype=torch.float64)).first.diagonal(dim1=-2, dim2=-1)
    assert bool((alone == 0).all()) == ATTENTIONS[kind].masked


class CosineAttention(Attention):
    """softmax(cos(Q, K)) V: a kind as CONTRIBUTING has one added, by its three methods and `kind`."""

    kind = "cosine"

    def add_inputs(self, d_model, width, *, layer, bias):
        del layer
        self.qkv = torch.nn.Linear(d_model, 3 * self.heads * width, bias=bias)

    def softmaxes(self, x):
        queries, keys, _ = linear_in(self.qkv, x).chunk(3, -1)
        q, k = (torch.nn.functional.normalize(split(part, self.heads), dim=-1) for part in (queries, keys))
        return Maps((q @ k.mT).softmax(-1))

    def attended(self, x):
        values = self.qkv(x).chunk(3, -1)[2]
        return joined(self.softmaxes(x).first @ split(values, self.heads)), values


def test_a_kind_is_added_by_a_class_a_line_and_a_row(monkeypatch):
    row = Row(parts=1, linear=3, products=2, paths=("plain",))
    monkeypatch.setitem(ATTENTION_CLASSES, "cosine", CosineAttention)
    monkeypatch.setitem(ATTENTIONS, "cosine", row)
    facts = DatasetFacts(name="cifar10", classes=10, native=32)
    config = resolve({"model": "vit", "attention": "cosine", "depth": 2}, facts)
    assert candidates(attention="cosine", head_width=64, device="cpu") == ["plain"]
    path = pick_on_cpu(attention="cosine", tokens=config.tokens, precision="bf16")
    model = models.build(config, attention_path=path)
    assert models.count(model) == config.parameters
    (first, _) = maps_of(model, torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(first.combined.sum(-1), torch.ones(2, 8, config.tokens), rtol=0, atol=1e-5)
