"""Triton kernels of fused differential attention, forward and backward (fused.py imports them at the first launch).

The online softmax follows FlashAttention-2 (arXiv:2307.08691), for two maps over one set of values. One program
computes one block of rows of one head of one image. No two programs write to one place, so equal inputs give equal
bits. Everywhere W = d is a map's head width, a head's values are 2 W wide, D = heads 2 W, and tokens past N are masked.
qkv is (B, N, 3 D): queries as (heads, 2, W), keys likewise, values as (heads, 2 W). Other matrices are (B, N, D). stats
is (3, B, H, N): rstd, then the log2-sum-exp2 of both maps' scores. deltas is (2, B, H, N). Sums are float32, and
float32 inputs are multiplied in full ("ieee"), not rounded to TF32. plane is B H N, the size of one statistic.
"""

import triton
import triton.language as tl


@triton.jit
def rows_of(base, rows, stride, N, WIDTH: tl.constexpr):
    """Return some rows of a matrix, (rows, WIDTH), with zeros past the last token."""
    columns = tl.arange(0, WIDTH)
    return tl.load(base + rows[:, None] * stride + columns[None, :], mask=rows[:, None] < N, other=0.0)


@triton.jit
def put_rows(base, rows, stride, N, values, WIDTH: tl.constexpr):
    """Write some rows of a matrix, except those past the last token."""
    columns = tl.arange(0, WIDTH)
    at = base + rows[:, None] * stride + columns[None, :]
    tl.store(at, values.to(base.dtype.element_ty), mask=rows[:, None] < N)


@triton.jit
def place(N, heads, BLOCK: tl.constexpr):
    """Return this program's first row, image and head, in 64 bits, as offsets of complete images exceed 32."""
    blocks = tl.cdiv(N, BLOCK)
    program = tl.program_id(0)
    image = (program // blocks) // heads
    return program % blocks * BLOCK, image.to(tl.int64), (program // blocks % heads).to(tl.int64)


@triton.jit
def attend_block(q, k, v, out, top, total, known, scale, MASKED: tl.constexpr):
    """Add one block of keys to one map's online softmax: (out, running maximum, running sum) before -> after."""
    scores = tl.dot(q, tl.trans(k), input_precision="ieee")  # (BLOCK_M, BLOCK_N)
    if MASKED:
        scores = tl.where(known[None, :], scores, float("-inf"))
    new_top = tl.maximum(top, tl.max(scores, 1) * scale)
    weights = tl.exp2(scores * scale - new_top[:, None])
    shrink = tl.exp2(top - new_top)
    out = tl.dot(weights.to(v.dtype), v, out * shrink[:, None], input_precision="ieee")
    return out, new_top, total * shrink + tl.sum(weights, 1)


@triton.jit
def attend_both(q1, q2, keys, values, columns, stride, N, out1, top1, sum1, out2, top2, sum2, scale,
                MASKED: tl.constexpr, W: tl.constexpr):  # fmt: skip
    """Add one block of keys and values, read once, to both maps."""
    known = columns < N
    v = rows_of(values, columns, stride, N, 2 * W)
    k1 = rows_of(keys, columns, stride, N, W)
    out1, top1, sum1 = attend_block(q1, k1, v, out1, top1, sum1, known, scale, MASKED)
    k2 = rows_of(keys + W, columns, stride, N, W)
    out2, top2, sum2 = attend_block(q2, k2, v, out2, top2, sum2, known, scale, MASKED)
    return out1, top1, sum1, out2, top2, sum2


@triton.jit
def forward_kernel(qkv, weight, x_hat, second, stats, stride_b, stride_n, plane, N, heads, eps, scale,
                   W: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Compute x_hat, the second map's output and stats, for one block of queries."""
    first_row, image, head = place(N, heads, BLOCK_M)
    D = heads * 2 * W
    rows = first_row + tl.arange(0, BLOCK_M)
    queries = qkv + image * stride_b + head * 2 * W
    q1 = rows_of(queries, rows, stride_n, N, W)
    q2 = rows_of(queries + W, rows, stride_n, N, W)
    out1 = tl.zeros([BLOCK_M, 2 * W], tl.float32)
    out2 = tl.zeros([BLOCK_M, 2 * W], tl.float32)
    top1 = tl.full([BLOCK_M], float("-inf"), tl.float32)
    top2 = tl.full([BLOCK_M], float("-inf"), tl.float32)
    sum1 = tl.zeros([BLOCK_M], tl.float32)
    sum2 = tl.zeros([BLOCK_M], tl.float32)
    scale2 = scale * 1.4426950408889634  # log2(e): the hardware has exponentials of base 2
    whole = N // BLOCK_N * BLOCK_N
    for start in range(0, whole, BLOCK_N):
        out1, top1, sum1, out2, top2, sum2 = attend_both(
            q1, q2, queries + D, queries + 2 * D, start + tl.arange(0, BLOCK_N), stride_n, N,
            out1, top1, sum1, out2, top2, sum2, scale2, False, W)  # fmt: skip
    if whole < N:
        out1, top1, sum1, out2, top2, sum2 = attend_both(
            q1, q2, queries + D, queries + 2 * D, whole + tl.arange(0, BLOCK_N), stride_n, N,
            out1, top1, sum1, out2, top2, sum2, scale2, True, W)  # fmt: skip
    out2 = out2 / sum2[:, None]
    out = out1 / sum1[:, None] - tl.load(weight) * out2
    rstd = tl.rsqrt(tl.sum(out * out, 1) / (2 * W) + eps)
    target = image * N * D + head * 2 * W
    put_rows(x_hat + target, rows, D, N, out * rstd[:, None], 2 * W)
    put_rows(second + target, rows, D, N, out2, 2 * W)
    at = stats + (image * heads + head) * N + rows
    tl.store(at, rstd, mask=rows < N)
    tl.store(at + plane, top1 + tl.log2(sum1), mask=rows < N)
    tl.store(at + 2 * plane, top2 + tl.log2(sum2), mask=rows < N)


@triton.jit
def prepare_kernel(grad, x_hat, second, stats, weight, upstream, deltas, partial, plane, N, heads, eps,
                   W: tl.constexpr, BLOCK_M: tl.constexpr):  # fmt: skip
    """Differentiate the norm: upstream = dA = rstd (g - x_hat mean(g x_hat)), and both softmaxes' deltas.

    delta2 = dA . O2; delta1 = dA . O1 = dA . A + lambda delta2 with dA . A = 2 W eps rstd^2 mean(g x_hat), as
    mean(x_hat^2) = 1 - eps rstd^2, so that A need not be recomputed. partial is this block's share of d lambda =
    -sum(delta2).
    """
    first_row, image, head = place(N, heads, BLOCK_M)
    D = heads * 2 * W
    rows = first_row + tl.arange(0, BLOCK_M)
    target = image * N * D + head * 2 * W
    g = rows_of(grad + target, rows, D, N, 2 * W).to(tl.float32)
    normal = rows_of(x_hat + target, rows, D, N, 2 * W).to(tl.float32)
    out2 = rows_of(second + target, rows, D, N, 2 * W).to(tl.float32)
    at = (image * heads + head) * N + rows
    rstd = tl.load(stats + at, mask=rows < N, other=0.0)
    mean = tl.sum(g * normal, 1) / (2 * W)
    d_out = rstd[:, None] * (g - normal * mean[:, None])
    delta2 = tl.sum(d_out * out2, 1)
    delta1 = 2 * W * eps * rstd * rstd * mean + tl.load(weight) * delta2
    put_rows(upstream + target, rows, D, N, d_out, 2 * W)
    tl.store(deltas + at, delta1, mask=rows < N)
    tl.store(deltas + plane + at, delta2, mask=rows < N)
    tl.store(partial + tl.program_id(0), -tl.sum(delta2, 0))


@triton.jit
def keys_kernel(qkv, upstream, stats, deltas, weight, d_qkv, stride_b, stride_n, plane, N, heads, scale,
                W: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Compute dK1, dK2 and dV of one block of keys, over all queries. Maps are transposed, (keys, queries)."""
    first_row, image, head = place(N, heads, BLOCK_N)
    D = heads * 2 * W
    columns = first_row + tl.arange(0, BLOCK_N)
    queries = qkv + image * stride_b + head * 2 * W
    k1 = rows_of(queries + D, columns, stride_n, N, W)
    k2 = rows_of(queries + D + W, columns, stride_n, N, W)
    v = rows_of(queries + 2 * D, columns, stride_n, N, 2 * W)
    d_k1 = tl.zeros([BLOCK_N, W], tl.float32)
    d_k2 = tl.zeros([BLOCK_N, W], tl.float32)
    d_v = tl.zeros([BLOCK_N, 2 * W], tl.float32)
    lam = tl.load(weight)
    scale2 = scale * 1.4426950408889634  # log2(e)
    stats += plane + (image * heads + head) * N
    deltas += (image * heads + head) * N
    upstream += image * N * D + head * 2 * W
    for start in range(0, N, BLOCK_M):
        rows = start + tl.arange(0, BLOCK_M)
        inside = rows < N
        q1 = rows_of(queries, rows, stride_n, N, W)
        scores = tl.dot(k1, tl.trans(q1), input_precision="ieee")
        p1 = tl.exp2(scores * scale2 - tl.load(stats + rows, mask=inside, other=float("inf"))[None, :])
        q2 = rows_of(queries + W, rows, stride_n, N, W)
        scores = tl.dot(k2, tl.trans(q2), input_precision="ieee")
        p2 = tl.exp2(scores * scale2 - tl.load(stats + plane + rows, mask=inside, other=float("inf"))[None, :])
        d_out = rows_of(upstream, rows, D, N, 2 * W)
        d_v = tl.dot((p1 - lam * p2).to(v.dtype), d_out, d_v, input_precision="ieee")
        d_p = tl.dot(v, tl.trans(d_out), input_precision="ieee")  # one for both maps
        d_s = p1 * (d_p - tl.load(deltas + rows, mask=inside, other=0.0)[None, :])
        d_k1 = tl.dot(d_s.to(v.dtype), q1, d_k1, input_precision="ieee")
        d_s = p2 * (d_p - tl.load(deltas + plane + rows, mask=inside, other=0.0)[None, :])
        d_k2 = tl.dot(d_s.to(v.dtype), q2, d_k2, input_precision="ieee")
    target = d_qkv + image * N * 3 * D + D + head * 2 * W
    put_rows(target, columns, 3 * D, N, d_k1 * scale, W)
    put_rows(target + W, columns, 3 * D, N, d_k2 * (-lam * scale), W)
    put_rows(target + D, columns, 3 * D, N, d_v, 2 * W)


@triton.jit
def descend_block(q, k, d_p, d_q, lse, delta, known, scale, MASKED: tl.constexpr):
    """Add one block of keys to one map's dQ."""
    p = tl.exp2(tl.dot(q, tl.trans(k), input_precision="ieee") * scale - lse[:, None])
    if MASKED:
        p = tl.where(known[None, :], p, 0.0)  # a key past the end scores 0, which may overflow against a low lse
    d_s = p * (d_p - delta[:, None])
    return tl.dot(d_s.to(k.dtype), k, d_q, input_precision="ieee")


@triton.jit
def descend_both(q1, q2, d_out, keys, values, columns, stride, N, d_q1, lse1, delta1, d_q2, lse2, delta2, scale,
                 MASKED: tl.constexpr, W: tl.constexpr):  # fmt: skip
    """Add one block of keys and values, read once, to both maps' dQ."""
    known = columns < N
    v = rows_of(values, columns, stride, N, 2 * W)
    d_p = tl.dot(d_out, tl.trans(v), input_precision="ieee")  # one for both maps
    k1 = rows_of(keys, columns, stride, N, W)
    d_q1 = descend_block(q1, k1, d_p, d_q1, lse1, delta1, known, scale, MASKED)
    k2 = rows_of(keys + W, columns, stride, N, W)
    d_q2 = descend_block(q2, k2, d_p, d_q2, lse2, delta2, known, scale, MASKED)
    return d_q1, d_q2


@triton.jit
def queries_kernel(qkv, upstream, stats, deltas, weight, d_qkv, stride_b, stride_n, plane, N, heads, scale,
                   W: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Compute dQ1 and dQ2 of one block of queries, over all keys."""
    first_row, image, head = place(N, heads, BLOCK_M)
    D = heads * 2 * W
    rows = first_row + tl.arange(0, BLOCK_M)
    inside = rows < N
    queries = qkv + image * stride_b + head * 2 * W
    q1 = rows_of(queries, rows, stride_n, N, W)
    q2 = rows_of(queries + W, rows, stride_n, N, W)
    d_out = rows_of(upstream + image * N * D + head * 2 * W, rows, D, N, 2 * W)
    at = (image * heads + head) * N + rows
    lse1 = tl.load(stats + plane + at, mask=inside, other=float("inf"))
    lse2 = tl.load(stats + 2 * plane + at, mask=inside, other=float("inf"))
    delta1 = tl.load(deltas + at, mask=inside, other=0.0)
    delta2 = tl.load(deltas + plane + at, mask=inside, other=0.0)
    d_q1 = tl.zeros([BLOCK_M, W], tl.float32)
    d_q2 = tl.zeros([BLOCK_M, W], tl.float32)
    scale2 = scale * 1.4426950408889634  # log2(e)
    whole = N // BLOCK_N * BLOCK_N
    for start in range(0, whole, BLOCK_N):
        d_q1, d_q2 = descend_both(
            q1, q2, d_out, queries + D, queries + 2 * D, start + tl.arange(0, BLOCK_N), stride_n, N,
            d_q1, lse1, delta1, d_q2, lse2, delta2, scale2, False, W)  # fmt: skip
    if whole < N:
        d_q1, d_q2 = descend_both(
            q1, q2, d_out, queries + D, queries + 2 * D, whole + tl.arange(0, BLOCK_N), stride_n, N,
            d_q1, lse1, delta1, d_q2, lse2, delta2, scale2, True, W)  # fmt: skip
    target = d_qkv + image * N * 3 * D + head * 2 * W
    put_rows(target, rows, 3 * D, N, d_q1 * scale, W)
    put_rows(target + W, rows, 3 * D, N, d_q2 * (-tl.load(weight) * scale), W)
