"""No model fixes its batch, so that exported files take any batch: images, fields and signals, one output or many."""

import ast
import io
from pathlib import Path

import pytest
import torch

from app import models
from app.config.facts import DatasetFacts
from app.config.run import RunConfig, resolve
from app.errors import Inexact, InputError
from app.export import comparing, onnx, programs, subject
from app.export.exported import Request
from app.tables.families import FAMILIES
from app.tables.models import MODELS

SOURCES = sorted(Path(models.__file__).parent.rglob("*.py"))
FIELDS = DatasetFacts(name="nested_cylinder", classes=1, channels=1, kind="field", task="regression", image=(48, 32))
SIGNALS = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(600,))
_VIT = {"patch": 8, "d_model": 32, "depth": 1, "heads": 2, "mlp_ratio": 1.0}
_T2T = {"d_model": 32, "depth": 1, "heads": 2, "mlp_ratio": 1.0}
TINY = {
    "vit_classic": {"size": "10K", "d_model": 16, "patch": 8},
    "vit_differential": {"size": "10K", "d_model": 16, "patch": 8},
    "vit_differential_h32": {"size": "64K", "d_model": 64, "patch": 8},
    "vit_differential_wide": {"size": "64K", "d_model": 64, "patch": 8},
    "vit_grouped": {"size": "10K", "d_model": 16, "patch": 8}, "vit_dint": {"size": "10K", "d_model": 16, "patch": 8},
    "cnn": {"features": 2, "depth": 1}, "resnet": {"width": 4}, "resnet1d": {"width": 4}, "t2t": _T2T, "vit": _VIT,
    "cait": _VIT, "swin": {"width": 6}, "convmixer": {"patch": 8, "d_model": 8, "depth": 1},
    "mlpmixer": {"patch": 8, "d_model": 16, "depth": 1}, "mobilevit": {"width": 4, "image": 64}, "vgg": {"width": 4},
}  # fmt: skip


def tiny(name, facts=None):
    """The config of a small model of that name."""
    row = MODELS.get(name)
    cells = TINY.get(name) or TINY.get(row.family if row else "", {})
    if facts is None:
        cells = {"image": 32} | cells
    elif "size" in cells:
        cells = cells | {"size": "8.2K"}  # with two blocks
    cells = cells | {"model": name, "dataset": facts.name if facts else "cifar10"}
    return resolve(cells, facts) if facts else RunConfig.from_strings(cells)


def made(config):
    torch.manual_seed(0)
    return subject.deployed(subject.plain(config), config, Request(format="pt2"))


def test_no_forward_asks_a_tensor_for_its_length():
    """`len(x)` is a Python number, so a trace would fix the batch; `x.shape[0]` is not."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name == "forward":
                calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
                assert not [c.lineno for c in calls if ast.unparse(c.func) == "len"], f"{path.name}: {node.lineno}"


EVERY = [
    *((name, None if "image" in FAMILIES[row.family].kinds else SIGNALS) for name, row in MODELS.items()
      if not row.preset or name in ("cnn_6", "resnet50", "resnet1d_layer", "t2t_vit_t_14", "t2t_lanl")),
    ("cnn", FIELDS), ("t2t_vit", FIELDS), ("vit_classic", FIELDS), ("vit_differential", SIGNALS),
    ("timm/test_vit", None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "facts"), EVERY, ids=[f"{n}-{f.kind if f else 'image'}" for n, f in EVERY])
def test_no_model_specialises_the_batch(name, facts):
    if name.startswith("timm/"):
        subjects = made(RunConfig.from_strings({"model": name, "dataset": "cifar10", "image": 160}))
    else:
        subjects = made(tiny(name, facts))
    program = programs.traced(subjects, Request(format="pt2")).module()
    done = comparing.compared(subjects, Request(format="pt2"), program)
    assert done.error <= 1e-6 and done.output == ("values" if facts is FIELDS else "logits")


WRITERS = {"onnx": onnx.write_onnx, "pt2": programs.write_pt2, "torchscript": programs.write_torchscript}
SOME = [("vit_classic", None), ("vit_differential", SIGNALS), ("vit_grouped", None), ("vit_dint", None),
        ("t2t_vit", None), ("cnn", FIELDS), ("resnet1d", SIGNALS), ("swin", None)]  # fmt: skip
LONG = ("vit_grouped", "vit_dint")  # of these, whose attention is a sum of that of others


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "facts"),
    [pytest.param(*each, id=each[0], marks=pytest.mark.long if each[0] in LONG else ()) for each in SOME],
)
def test_every_format_computes_what_the_model_does(name, facts, tmp_path):
    pytest.importorskip("onnxscript")
    small = made(tiny(name, facts))
    for form, write in WRITERS.items():
        assert write(small, Request(format=form), tmp_path / form).error <= 5e-6, form


class Fixed(torch.nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :3] + torch.zeros(len(x), 1)


class Keyed(torch.nn.Module):
    def forward(self, x):
        return x.flatten(1) * dict.fromkeys(range(1, 9), 1.0)[x.shape[0]]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "reason"), [(Fixed, r"len\(x\)"), (Keyed, "(Key|Type)Error")])
def test_a_model_whose_code_fixes_its_batch_is_refused_with_the_reason(model, reason, tmp_path):
    fixed = made(tiny("cnn"))._replace(module=subject.Deployed(model()))
    for form, write in WRITERS.items():
        with pytest.raises(InputError, match=f"cannot be exported to {form} .*{reason}"):
            write(fixed, Request(format=form), tmp_path / form)


@pytest.mark.slow
def test_an_operator_that_onnx_lacks_is_named(tmp_path):
    pytest.importorskip("onnxscript")

    class Values(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x[:, 0, :4, :4])

    other = made(tiny("cnn"))._replace(module=subject.Deployed(Values()))
    with pytest.raises(InputError, match=r"No ONNX function found for .*svd"):
        onnx.write_onnx(other, Request(format="onnx"), tmp_path / "model.onnx")


def test_a_lack_of_memory_is_no_fault_of_the_model():
    with pytest.raises(RuntimeError, match="memory"), programs.blamed(Request(format="pt2")):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def test_torch_writes_a_program_to_memory_since_it_aborts_on_a_full_disk(tmp_path, monkeypatch):
    def save(_program, file, **_):
        assert isinstance(file, io.BytesIO)
        raise ZeroDivisionError

    monkeypatch.setattr(torch.export, "save", save)
    with pytest.raises(ZeroDivisionError):
        programs.write_pt2(made(tiny("cnn")), Request(format="pt2"), tmp_path / "model.pt2", object())


def test_a_model_without_finite_outputs_is_not_exported():
    small = made(tiny("cnn"))
    with torch.no_grad():
        next(small.module.parameters()).fill_(float("nan"))
    with pytest.raises(Inexact, match="not finite"):
        comparing.compared(small, Request(format="pt2"), small.module)


@pytest.mark.slow
def test_a_small_constant_is_no_zero_in_onnx(tmp_path):
    """torch's optimiser of ONNX graphs removes `+ 1e-8`, on which the performer of T2T-ViT depends."""
    pytest.importorskip("onnxscript")

    class Guarded(torch.nn.Module):
        def forward(self, x):
            small = 1e-8 * x.flatten(1).abs()
            return small / (small + 1e-8)

    small = made(tiny("cnn"))._replace(module=subject.Deployed(Guarded()))
    assert onnx.write_onnx(small, Request(format="onnx"), tmp_path / "model.onnx").error <= 1e-6
