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
def map_gradients(k, q, d_p, lse, delta, known, scale):
    """Return a map and the gradient of its scores, (keys, queries) each."""
    p = tl.exp2(tl.dot(k, tl.trans(q), input_precision="ieee") * scale - lse[None, :])
    p = tl.where(known[:, None], p, 0.0)  # a key past the end scores 0, which may overflow against a low lse
    return p, p * (d_p - delta[None, :])


@triton.jit
def add_queries(scratch, d_queries, rows, D, read, keep, write, d_s, k, scale, W: tl.constexpr):
    """Add one block of keys' term to one map's dQ.

    The sum of the rows below `read` is read. It is written to scratch below `keep`, and to dQ below `write`.
    """
    d_q = tl.dot(tl.trans(d_s), k, input_precision="ieee") + rows_of(scratch, rows, 2 * W, read, W)
    put_rows(scratch, rows, 2 * W, keep, d_q, W)
    put_rows(d_queries, rows, 3 * D, write, d_q * scale, W)


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
            inside = rows < N
            d_out = rows_of(upstream, rows, D, N, 2 * W)
            d_p = tl.dot(v, tl.trans(d_out), input_precision="ieee")  # one for both maps
            q1 = rows_of(queries, rows, stride_n, N, W)
            lse = tl.load(stats + rows, mask=inside, other=float("inf"))
            delta = tl.load(deltas + rows, mask=inside, other=0.0)
            p1, d_s = map_gradients(k1, q1, d_p, lse, delta, known, scale2)
            d_k1 = tl.dot(d_s.to(v.dtype), q1, d_k1, input_precision="ieee")
            add_queries(scratch, target, rows, D, read, keep, N - keep, d_s.to(v.dtype), k1, scale, W)
            q2 = rows_of(queries + W, rows, stride_n, N, W)
            lse = tl.load(stats + plane + rows, mask=inside, other=float("inf"))
            delta = tl.load(deltas + plane + rows, mask=inside, other=0.0)
            p2, d_s = map_gradients(k2, q2, d_p, lse, delta, known, scale2)
            d_k2 = tl.dot(d_s.to(v.dtype), q2, d_k2, input_precision="ieee")
            add_queries(scratch + W, target + W, rows, D, read, keep, N - keep, d_s.to(v.dtype), k2, -lam * scale, W)
            d_v = tl.dot((p1 - lam * p2).to(v.dtype), d_out, d_v, input_precision="ieee")
        put_rows(target + D, columns, 3 * D, N, d_k1 * scale, W)
        put_rows(target + D + W, columns, 3 * D, N, d_k2 * (-lam * scale), W)
        put_rows(target + 2 * D, columns, 3 * D, N, d_v, 2 * W)
        tl.debug_barrier()  # what one thread added to scratch, another may read from here on
