"""The Triton kernels compile for GPUs that are not here, and fit into what consumer cards have."""

import re

import pytest

from app.models.attention.blocks import ONE_PASS_BLOCKS, TABLE

pytestmark = pytest.mark.slow
POINTERS = {"scale": "fp32", "eps": "fp32"} | dict.fromkeys(("weight", "stats", "deltas", "scratch"), "*fp32")
TENSORS = {"qkv", "x_hat", "second", "upstream", "d_qkv"}


def compiled(kernel, cut, width, dtype, capability):
    """A kernel as compiled ahead of time with the assembler that Triton brings."""
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
    return compile_kernel(source, target=GPUTarget("cuda", capability, 32), options=options)


@pytest.mark.parametrize(  # each size and width, and each capability with the one that takes most memory
    ("size", "width", "capability"), [(2, 64, 90), (2, 128, 80), (2, 128, 86), (2, 128, 90), (4, 64, 90)]
)
def test_kernels_compile_and_fit_into_99_kib_of_shared_memory(size, width, capability, tmp_path, monkeypatch):
    pytest.importorskip("triton")
    from app.models.attention import kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    made = (kernels.forward_kernel, kernels.keys_kernel, kernels.queries_kernel)
    dtype = {2: "bf16", 4: "fp32"}[size]
    pairs = zip(made, TABLE[size, width], strict=True)
    assert 0 < max(compiled(*pair, width, dtype, capability).metadata.shared for pair in pairs) <= 99 * 1024


EVERYWHERE = [(size, width, at) for at in (80, 86, 89, 90, 100, 120) for size, width in ONE_PASS_BLOCKS]
QUICK = [(2, 64, 90), (2, 128, 80), (4, 64, 100)]


@pytest.mark.parametrize(
    ("size", "width", "capability"),
    [pytest.param(*one, marks=[] if one in QUICK else pytest.mark.long) for one in EVERYWHERE],
)
def test_the_backward_pass_in_one_kernel_fits_too_and_reads_no_sum_before_all_threads_wrote_theirs(
    size, width, capability, tmp_path, monkeypatch
):
    pytest.importorskip("triton")
    from app.models.attention import one_pass

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    dtype = {2: "bf16", 4: "fp32"}[size]
    cut = ONE_PASS_BLOCKS[size, width]
    made = compiled(one_pass.backward_kernel, cut, width, dtype, capability)
    assert 0 < made.metadata.shared <= 99 * 1024
    code = made.asm["ttgir"]
    sums = re.findall(r"(tt\.load|tt\.store|async_copy_global_to_local) %d_q", code)  # of dQ, in the order of the code
    assert sums == ["tt.load", "tt.store"] * (len(sums) // 2) != []  # none is copied ahead
    after = code.rpartition("tt.store")[2]
    assert "ttg.barrier all" in after.partition("}")[0]  # the last operation of the loop over keys
    assert re.search(r"bar\.sync\s+0;", made.asm["ptx"].rpartition("st.global")[2])
