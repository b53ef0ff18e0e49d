"""Fused differential attention against its definition in float64, on any device.

`TRITON_INTERPRET=1 python fused_cases.py "one pass"` runs the cases on the CPU in Triton's interpreter, with the
backward pass in one kernel, and `"two passes"` in two. The interpreter must be chosen before the kernels are made, so
this is a separate process. It prints what each case found as JSON.
"""

import json
import sys

import torch

from app.models.attention import blocks, fused

EPS = 1e-5
# name -> what differs from `findings`' defaults
CASES = {
    "17 tokens": {"tokens": 17},
    "33 tokens": {"tokens": 33, "heads": 2, "batch": 2},
    "65 tokens": {"tokens": 65},
    "48 tokens": {"tokens": 48},
    "one token": {"tokens": 1},
    "width 32": {"width": 32},
    "width 64": {"width": 64},
    "width 128": {"width": 128, "tokens": 18},
    "lambda 0": {"weight": 0.0},
    "lambda 1": {"weight": 1.0, "heads": 2},
    "lambda -0.3": {"weight": -0.3, "tokens": 17},
    "scores of 80": {"spread": 80.0},
    "all scores low": {"offset": -300.0, "tokens": 35},
    "strided": {"layout": "strided", "batch": 2},
    "transposed": {"layout": "transposed", "batch": 2},
    "bf16": {"dtype": torch.bfloat16},
    "fp16": {"dtype": torch.float16},
    "compiled": {"how": "compiled", "tokens": 17},
    "checkpointed": {"how": "checkpointed", "tokens": 17},
    "autocast": {"how": "autocast", "dtype": torch.bfloat16, "tokens": 17},
}
WIDTHS = {  # every width with every dtype of the table of block sizes
    f"{str(dtype).removeprefix('torch.')}, width {width}": {"dtype": dtype, "width": width, "tokens": 35}
    for dtype in fused.DTYPES
    for width in fused.WIDTHS
}


def definition(qkv, weight, heads):
    """Two softmaxes and a norm, written out: (B, N, 3 D) -> (B, H, N, 2 d)."""
    q, k, v = qkv.chunk(3, -1)
    q1, q2 = q.unflatten(-1, (heads, 2, -1)).permute(3, 0, 2, 1, 4)
    k1, k2 = k.unflatten(-1, (heads, 2, -1)).permute(3, 0, 2, 1, 4)
    first, second = ((a @ b.mT / a.shape[-1] ** 0.5).softmax(-1) for a, b in ((q1, k1), (q2, k2)))
    out = (first - weight * second) @ v.unflatten(-1, (heads, -1)).transpose(1, 2)
    return out * (out.square().mean(-1, keepdim=True) + EPS).rsqrt()


def fused_way(how):
    """The fused function as a step may call it: (qkv, weight, heads) -> (B, H, N, 2 d)."""

    def plain(qkv, weight, heads):
        return fused.normalised_difference(qkv, weight, heads=heads, eps=EPS)

    def checkpointed(qkv, weight, heads):
        return torch.utils.checkpoint.checkpoint(plain, qkv, weight, heads, use_reentrant=False)

    def autocast(qkv, weight, heads):
        with torch.autocast(qkv.device.type, torch.bfloat16):
            return plain(qkv, weight, heads)

    ways = {"plain": plain, "checkpointed": checkpointed, "autocast": autocast}
    if how == "compiled":
        return torch.compile(plain, fullgraph=True, backend="inductor" if torch.cuda.is_available() else "aot_eager")
    return ways[how]


def packed(batch, tokens, heads, width, *, spread, offset, layout, dtype, device):
    """A linear layer's output, (B, N, 3 D), with scores of about the given spread around an offset."""
    draws = torch.Generator().manual_seed(0)
    shape = {"whole": (batch, tokens), "strided": (batch, tokens + 3), "transposed": (tokens, batch)}[layout]
    qkv = torch.randn(*shape, 6 * heads * width, generator=draws, dtype=torch.float64)
    wide = 2 * heads * width
    qkv[..., : 2 * wide] *= (spread / 4) ** 0.5  # a product of two such parts stays below 4 standard deviations or so
    if offset:
        qkv[..., :wide] += 10.0
        qkv[..., wide : 2 * wide] += offset / 10 / width**0.5
    qkv = qkv.to(device, dtype)
    return {"whole": qkv, "strided": qkv[:, 1:-2], "transposed": qkv.transpose(0, 1)}[layout]


def findings(*, batch=1, heads=1, width=16, tokens=33, dtype=torch.float32, weight=0.4, spread=4.0, offset=0.0,
             layout="whole", how="plain", device="cpu"):  # fmt: skip
    """Greatest errors of output and gradients, relative to the greatest number there (or 0.1); whether bits repeat."""
    leaf = packed(batch, tokens, heads, width, spread=spread, offset=offset, layout=layout, dtype=dtype, device=device)
    leaf = leaf.detach().requires_grad_()
    weight = torch.tensor(weight, device=device, requires_grad=True)
    probe = torch.randn(batch, heads, tokens, 2 * width, generator=torch.Generator().manual_seed(1)).to(device, dtype)
    way = fused_way(how)
    runs = []
    for _ in range(2):
        out = way(leaf, weight, heads)
        runs.append((out, *torch.autograd.grad((out * probe).sum(), (leaf, weight))))
    exact = [tensor.detach().double().requires_grad_() for tensor in (leaf, weight)]
    out = definition(*exact, heads)
    wanted = (out, *torch.autograd.grad((out * probe.double()).sum(), exact))
    parts = dict(zip(("out", "d_qkv", "d_weight"), zip(runs[0], wanted, strict=True), strict=True))
    d_q, d_k, d_v = (tuple(part.chunk(3, -1)[at] for part in parts["d_qkv"]) for at in range(3))
    pairs = {"out": parts["out"], "d_q": d_q, "d_k": d_k, "d_v": d_v, "d_weight": parts["d_weight"]}
    return {
        **{
            name: ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(0.1)).item()
            for name, (ours, theirs) in pairs.items()
        },
        "repeats": all(torch.equal(first, again) for first, again in zip(*runs, strict=True)),
        "view": runs[0][0].transpose(1, 2).flatten(2).data_ptr() == runs[0][0].data_ptr(),
        "dtypes": [str(part.dtype) for part in runs[0]],
    }


def widen_bf16_in_the_interpreter():
    """Triton's interpreter holds bf16 as uint16 and multiplies matrices of it as integers (3.6 to 3.9): widen them."""
    from triton.language import bfloat16, float32
    from triton.runtime.interpreter import InterpreterBuilder

    multiply = InterpreterBuilder.create_dot

    def create_dot(self, a, b, *rest):
        if a.dtype.scalar == bfloat16:
            a, b = self.cast_impl(a, float32), self.cast_impl(b, float32)
        return multiply(self, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot


def backward_in_one_pass():
    """Let the kernel of one pass compute every gradient, and fail if another one is launched."""
    from app.models.attention import kernels

    one = blocks.OnePass(blocks.Blocks(32, 16, 4, 1), resident=1, ratio=0.0)
    blocks.ONE_PASS.update({(0, *key): one for key in blocks.TABLE})
    kernels.keys_kernel = kernels.queries_kernel = None


if __name__ == "__main__":
    torch.set_num_threads(1)
    widen_bf16_in_the_interpreter()
    small = (blocks.Blocks(32, 16, 4, 1), blocks.Blocks(16, 32, 4, 1), blocks.Blocks(32, 16, 4, 1))
    blocks.TABLE.update(dict.fromkeys(blocks.TABLE, small))  # so that few tokens make several blocks
    chosen = sys.argv[1:]
    if chosen[0] == "one pass":
        backward_in_one_pass()
    json.dump({name: findings(**(CASES | WIDTHS)[name]) for name in chosen[1:] or CASES}, sys.stdout)
