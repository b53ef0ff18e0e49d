"""Fused differential attention equals its definition: on the CPU in Triton's interpreter, on a GPU as it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fused_cases import CASES, WIDTHS, findings

from app.errors import InputError
from app.models.attention import blocks, fused

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("out", "d_q", "d_k", "d_v", "d_weight")
QUICK = ["33 tokens", "bf16"]  # ten seconds in the interpreter; the others take half a minute
SLOW = [name for name in CASES if name not in QUICK]
ONE = ["33 tokens", "one token", "lambda -0.3", "bf16"]  # a few seconds
LONG = [name for name in CASES | WIDTHS if name not in ONE]
HALF = {torch.bfloat16: 3e-2, torch.float16: 4e-3}
LOW = {"all scores low": 1e-4}  # a score of -300 is 433 in base 2, where float32 has steps of 3e-5


def assert_equal_to_the_definition(found, dtype, case=""):
    limit = LOW.get(case) or HALF.get(dtype, 2e-5)
    assert {name: found[name] for name in PARTS if not found[name] <= limit} == {}, case
    assert found["repeats"], case
    assert found["view"]
    assert found["dtypes"] == [str(dtype), str(dtype), "torch.float32"]


def in_the_interpreter(backward, names):
    """What `fused_cases.py` finds for some cases, with the backward pass in "one pass" or "two passes"."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    script = str(Path(__file__).with_name("fused_cases.py"))
    command = [sys.executable, "-W", "ignore", script, backward, *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert list(found) == names
    return found


@pytest.mark.slow
@pytest.mark.parametrize("names", [QUICK, pytest.param(SLOW, marks=pytest.mark.long)], ids=["quick", "slow"])
def test_in_the_interpreter_output_and_gradients_equal_the_definition_in_float64_and_bits_repeat(names):
    for name, found in in_the_interpreter("two passes", names).items():
        assert_equal_to_the_definition(found, (CASES | WIDTHS)[name].get("dtype", torch.float32), name)


@pytest.mark.slow
@pytest.mark.parametrize("names", [ONE, pytest.param(LONG, marks=pytest.mark.long)], ids=["quick", "long"])
def test_in_the_interpreter_gradients_in_one_pass_equal_the_definition_in_float64_and_bits_repeat(names):
    for name, found in in_the_interpreter("one pass", names).items():
        assert_equal_to_the_definition(found, (CASES | WIDTHS)[name].get("dtype", torch.float32), name)


@pytest.mark.slow
def test_importing_it_does_not_import_triton():
    command = "import sys, app.models.attention.fused; assert 'triton' not in sys.modules"
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True, timeout=120)


def test_it_is_not_available_on_a_cpu():
    assert not fused.available("cpu")


def test_every_width_that_fits_has_its_blocks_and_other_widths_do_not_fit():
    assert {(size, width) for size in (2, 4) for width in fused.WIDTHS} == blocks.TABLE.keys()
    assert [width for width in range(1, 257) if fused.fits(width)] == [16, 32, 64, 128]


@pytest.mark.parametrize(
    ("packed", "heads", "dtype"), [(6 * 24, 1, torch.float32), (96, 1, torch.float64), (100, 1, None)]
)
def test_a_width_or_dtype_without_a_kernel_is_refused(packed, heads, dtype):
    with pytest.raises(InputError, match="Use the path sdpa"):
        fused.normalised_difference(torch.zeros(1, 5, packed, dtype=dtype), torch.tensor(0.5), heads=heads, eps=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", fused.WIDTHS)
@pytest.mark.parametrize("tokens", [17, 785, 1025])
def test_on_a_gpu_output_and_gradients_equal_the_definition(tokens, width, dtype):
    found = findings(batch=2, heads=2, tokens=tokens, width=width, dtype=dtype, device="cuda")
    assert_equal_to_the_definition(found, dtype)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu_every_case_equals_the_definition(name):
    found = findings(**CASES[name], device="cuda")
    assert_equal_to_the_definition(found, CASES[name].get("dtype", torch.float32), name)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", fused.WIDTHS)
@pytest.mark.parametrize("tokens", [1, 17, 785, 1025])
def test_on_a_gpu_gradients_in_one_pass_equal_the_definition(tokens, width, dtype, monkeypatch):
    size = dtype.itemsize
    key = (blocks.known(fused.architecture(torch.device("cuda:0"))), size, width)
    one = blocks.OnePass(blocks.ONE_PASS_BLOCKS[size, width], resident=1, ratio=0.0)
    monkeypatch.setitem(blocks.ONE_PASS, key, one)
    monkeypatch.setattr("app.models.attention.kernels.queries_kernel", None)  # so that two kernels would fail
    found = findings(batch=2, heads=2, tokens=tokens, width=width, dtype=dtype, device="cuda")
    assert_equal_to_the_definition(found, dtype)


@pytest.mark.gpu
def test_on_a_gpu_nothing_waits_for_the_device():
    qkv = torch.randn(2, 785, 768, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weight = torch.tensor(0.4, device="cuda", requires_grad=True)
    for mode in ("default", "error"):  # the first pass compiles
        torch.cuda.set_sync_debug_mode(mode)
        try:
            fused.normalised_difference(qkv, weight, heads=2, eps=1e-5).sum().backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert qkv.grad is not None


@pytest.mark.gpu
def test_on_a_gpu_nothing_of_size_n_by_n_is_kept():
    qkv = torch.randn(1, 4097, 768, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    before = torch.cuda.memory_allocated()
    out = fused.normalised_difference(qkv, torch.tensor(0.4, device="cuda"), heads=2, eps=1e-5)
    kept = 2 * 4097 * 256 * 2 + 3 * 2 * 4097 * 4  # x_hat and the second output, three numbers per token and head
    assert out.shape == (1, 2, 4097, 128)
    whole = 2 << 20  # of blocks that are up to 1 MiB larger, which torch leaves uncut; a map is 34 MB
    assert torch.cuda.memory_allocated() - before <= kept + whole + 4096
