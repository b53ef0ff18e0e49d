"""What torch does not publish stands in one file, and still does there what it did."""

import re
from pathlib import Path

import pytest
import torch

import app
from app.models import internals

ROOT = Path(app.__file__).parent
PRIVATE = re.compile(r"\b(?:torch|nn|F|timm|torchvision)(?:\.\w+)*\._[a-z]\w*|_inductor|_dynamo")


def test_private_names_of_libraries_stand_in_one_file_of_the_models():
    files = {path.relative_to(ROOT / "models").as_posix(): PRIVATE.findall(path.read_text())
             for path in (ROOT / "models").rglob("*.py")}  # fmt: skip
    assert {path for path, names in files.items() if names} == {"internals.py"}


def test_the_matrix_units_of_a_cpu_are_what_the_system_reports():
    assert isinstance(internals.has_amx(), bool)
    flags = Path("/proc/cpuinfo")
    if flags.exists() and " amx_tile " not in flags.read_text():
        assert not internals.has_amx()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_gradient_of_softmax_is_autograd_s_and_is_written_in_place(dtype):
    scores = torch.randn(2, 5, 7, dtype=dtype, requires_grad=True)
    map_, probe, out = scores.softmax(-1), torch.randn(2, 5, 7, dtype=dtype), torch.empty(2, 5, 7, dtype=dtype)
    assert internals.softmax_backward(probe, map_.detach(), out=out).data_ptr() == out.data_ptr()
    assert torch.equal(out, torch.autograd.grad((map_ * probe).sum(), scores)[0])


@torch._dynamo.config.patch(recompile_limit=8, optimize_ddp=True)  # both are restored afterwards
def test_a_module_has_as_many_programs_as_it_is_allowed():
    programs = []

    def noted(graph, _):
        programs.append(graph)
        return graph.forward

    internals.allow_programs(3)
    layer = torch.nn.Linear(2, 2)
    layer.compile(backend=noted, dynamic=False)
    for batch in range(2, 8):
        layer(torch.ones(batch, 2))
    assert len(programs) == 3
    internals.cut_to_buckets(False)
    assert torch._dynamo.config.optimize_ddp is False
