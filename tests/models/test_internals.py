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


def graph_of(function):
    """The graph of a function of one tensor, as a compiler gets it."""
    graphs = []

    def noted(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    torch.compile(function, backend=noted)(torch.ones(2, 4, requires_grad=True))
    return graphs[0]


def function(factor):
    """A function whose gradient alone depends on the factor."""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * factor

    return Doubled.apply


@pytest.mark.slow
@torch._functorch.config.patch(autograd_cache_allow_custom_autograd_functions=False)  # it is restored afterwards
def test_programs_of_functions_are_kept_and_those_of_another_derivative_are_others():
    from torch._functorch._aot_autograd import autograd_cache

    one, other, same = (graph_of(function(factor)) for factor in (2, 3, 2))
    with pytest.raises(autograd_cache.BypassAOTAutogradCache):
        autograd_cache.check_cacheable(one)
    internals.keep_programs_of_functions()
    autograd_cache.check_cacheable(one)
    keys = []
    for graph in (one, other, same):
        with autograd_cache.sanitize_gm_for_cache(graph):  # as for the key
            keys.append(autograd_cache.AOTAutogradCachePickler(graph).dumps(graph))
    assert keys[0] == keys[2] != keys[1]
