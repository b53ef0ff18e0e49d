"""Deterministic kernels are switched on for CUDA devices only, and what has none is explained."""

from pathlib import Path

import pytest
import torch

from app.errors import InputError
from app.models.attention import paths
from app.system import deterministic

CPU, CUDA, MPS = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


@pytest.fixture
def switches(monkeypatch):
    """torch's switches, without an import of its compiler, and restored afterwards."""
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: torch._C._set_deterministic_algorithms(on))
    with deterministic.kept():
        yield


def test_kernels_are_deterministic_on_a_cuda_device_and_switched_back(switches):
    with deterministic.kept():
        deterministic.use(True, CUDA)
        assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.deterministic
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_the_sdpa_path_is_not_deterministic_on_a_cuda_device(switches):
    asked = {"attention": "classic", "head_width": 64}
    assert paths.unfit("sdpa", device="cuda", **asked) == ""
    deterministic.use(True, CUDA)
    assert "use plain or fused" in paths.unfit("sdpa", device="cuda", **asked)
    assert paths.unfit("sdpa", device="cpu", **asked) == paths.unfit("plain", device="cuda", **asked) == ""


def test_a_cpu_keeps_its_kernels(switches):
    deterministic.use(True, CPU)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("given", "available"), [(None, True), (":16:8", True), (":0:0", False)])
def test_cublas_gets_a_workspace_with_which_it_repeats_its_sums_unless_the_user_chose_one(
    monkeypatch, given, available
):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if given:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", given)
    deterministic.reserve_workspace()
    assert (deterministic.unavailable(CUDA) == "") is available
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")


def test_a_device_without_torch_s_promise_is_named():
    assert deterministic.unavailable(CPU) == "" and "mps" in deterministic.unavailable(MPS)


def test_an_operator_without_a_deterministic_kernel_is_named_and_other_errors_stay():
    said = "avg_pool3d_backward_cuda does not have a deterministic implementation, but you set 'torch.use_...'"
    named = r"for timm/x on this device: avg_pool3d_backward_cuda .* --no-deterministic"
    with pytest.raises(InputError, match=named), deterministic.explained("timm/x"):
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="something else"), deterministic.explained("timm/x"):
        raise RuntimeError("something else")


def test_the_kernels_of_the_fused_path_add_without_atomics():
    code = Path(paths.__file__).with_name("kernels.py").read_text()
    assert "tl.store" in code and "atomic" not in code
