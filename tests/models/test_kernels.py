"""The Triton kernels compile for GPUs that are not here, and fit into what consumer cards have."""

import pytest

from app.models.attention.fused import TABLE

pytestmark = pytest.mark.slow
POINTERS = {"weight": "*fp32", "stats": "*fp32", "deltas": "*fp32", "scale": "fp32", "eps": "fp32"}
TENSORS = {"qkv", "x_hat", "second", "upstream", "d_qkv"}


def shared_memory(kernel, cut, width, dtype, capability):
    """Bytes of shared memory per program, as compiled ahead of time with the assembler that Triton brings."""
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    chosen = {"W": width, "BLOCK_M": cut.queries, "BLOCK_N": cut.keys}
    types = {name: f"*{dtype}" if name in TENSORS else POINTERS.get(name, "i32") for name in kernel.arg_names}
    aligned = {
        (at,): [["tt.divisibility", 16]]
        for at, (name, kind) in enumerate(types.items())
        if kind.startswith("*") or name.startswith("stride")
    }
    source = ASTSource(kernel, types | dict.fromkeys(chosen, "constexpr"), constexprs=chosen, attrs=aligned)
    options = {"num_warps": cut.warps, "num_stages": cut.stages, "enable_fp_fusion": True}
    return compile_kernel(source, target=GPUTarget("cuda", capability, 32), options=options).metadata.shared


@pytest.mark.parametrize(  # each size and width, and each capability with the one that takes most memory
    ("size", "width", "capability"), [(2, 64, 90), (2, 128, 80), (2, 128, 86), (2, 128, 90), (4, 64, 90)]
)
def test_kernels_compile_and_fit_into_99_kib_of_shared_memory(size, width, capability, tmp_path, monkeypatch):
    pytest.importorskip("triton")
    from app.models.attention import kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    made = (kernels.forward_kernel, kernels.keys_kernel, kernels.queries_kernel)
    dtype = {2: "bf16", 4: "fp32"}[size]
    used = [shared_memory(*pair, width, dtype, capability) for pair in zip(made, TABLE[size, width], strict=True)]
    assert 0 < max(used) <= 99 * 1024
