"""The backward pass of fused differential attention in one kernel (kernels.py has the names, shapes and layouts).

The two kernels of kernels.py each compute both maps and their gradients, one by rows and one by columns. This kernel
computes them once: 20 W operations per query and key in place of 28 W. One program has one head of one image. It takes
one block of keys after the other, and for each of them all queries. dK and dV of the block stay in registers. dQ gets
one term from every block of keys. The sum so far is float32 in `scratch`, (B, H, N, 2 W). Only this program reads and
writes its rows there, in one order, so equal inputs give equal bits.
"""

import triton
import triton.language as tl

from .kernels import put_rows, rows_of


@triton.jit
def one_map(k, d_k, d_p, known, queries, rows, stats, deltas, scratch, target, stride, N, D, read, keep, scale2, scale,
            W: tl.constexpr):  # fmt: skip
    """Return one map, (keys, queries), and its dK with the terms of these queries, and add these keys' term to its dQ.

    The sum of the rows below `read` is read. Those below `keep` go to scratch, the others below N to dQ.
    """
    inside = rows < N
    q = rows_of(queries, rows, stride, N, W)
    lse = tl.load(stats + rows, mask=inside, other=float("inf"))
    p = tl.exp2(tl.dot(k, tl.trans(q), input_precision="ieee") * scale2 - lse[None, :])
    p = tl.where(known[:, None], p, 0.0)  # a key past the end scores 0, which may overflow against a low lse
    delta = tl.load(deltas + rows, mask=inside, other=0.0)
    d_s = (p * (d_p - delta[None, :])).to(q.dtype)
    d_k = tl.dot(d_s, q, d_k, input_precision="ieee")
    # scaled first: a sum that a product adds to may be copied ahead of its turn (Triton 3.9 on sm_100)
    d_q = tl.dot(tl.trans(d_s), k, input_precision="ieee") * scale + rows_of(scratch, rows, 2 * W, read, W)
    put_rows(scratch, rows, 2 * W, keep, d_q, W)
    put_rows(target, rows, 3 * D, N - keep, d_q, W)
    return p, d_k


@triton.jit
def backward_kernel(qkv, upstream, stats, deltas, weight, d_qkv, scratch, stride_b, stride_n, plane, N, heads, scale,
                    W: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Compute dQ, dK and dV of one head of one image. Maps are transposed, (keys, queries)."""
    program = tl.program_id(0).to(tl.int64)  # offsets of complete images exceed 32 bits
    image, head = program // heads, program % heads
    D = heads * 2 * W
    queries = qkv + image * stride_b + head * 2 * W
    upstream += image * N * D + head * 2 * W
    stats += plane + program * N
    deltas += program * N
    scratch += program * N * (2 * W)
    target = d_qkv + image * N * 3 * D + head * 2 * W
    lam = tl.load(weight)
    scale2 = scale * 1.4426950408889634  # log2(e)
    for first in range(0, N, BLOCK_N):
        read = tl.where(first > 0, N, 0)  # the first block reads no sum
        keep = tl.where(first + BLOCK_N < N, N, 0)  # the last block keeps none
        columns = first + tl.arange(0, BLOCK_N)
        known = columns < N
        k1 = rows_of(queries + D, columns, stride_n, N, W)
        k2 = rows_of(queries + D + W, columns, stride_n, N, W)
        v = rows_of(queries + 2 * D, columns, stride_n, N, 2 * W)
        d_k1 = tl.zeros([BLOCK_N, W], tl.float32)
        d_k2 = tl.zeros([BLOCK_N, W], tl.float32)
        d_v = tl.zeros([BLOCK_N, 2 * W], tl.float32)
        for start in range(0, N, BLOCK_M):
            rows = start + tl.arange(0, BLOCK_M)
            d_out = rows_of(upstream, rows, D, N, 2 * W)
            d_p = tl.dot(v, tl.trans(d_out), input_precision="ieee")  # one for both maps
            p1, d_k1 = one_map(k1, d_k1, d_p, known, queries, rows, stats, deltas, scratch, target,
                               stride_n, N, D, read, keep, scale2, scale, W)  # fmt: skip
            p2, d_k2 = one_map(k2, d_k2, d_p, known, queries + W, rows, stats + plane, deltas + plane, scratch + W,
                               target + W, stride_n, N, D, read, keep, scale2, -lam * scale, W)  # fmt: skip
            d_v = tl.dot((p1 - lam * p2).to(v.dtype), d_out, d_v, input_precision="ieee")
        put_rows(target + D, columns, 3 * D, N, d_k1 * scale, W)
        put_rows(target + D + W, columns, 3 * D, N, d_k2 * (-lam * scale), W)
        put_rows(target + 2 * D, columns, 3 * D, N, d_v, 2 * W)
        tl.debug_barrier()  # what one thread added to scratch, another may read from here on
