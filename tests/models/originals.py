"""The originals' arithmetic, written out from their code and papers, over the weights of a model of ours.

Nothing of the models' own modules is used: norms, maps and unfolding are spelled here, in the originals' order.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F


def layer_norm(x, weights, name, eps=1e-5):
    """(x - mean) / sqrt(variance + eps), with torch's default epsilon unless another is given."""
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    """x W^T, plus a bias where there is one."""
    out = x @ weights[f"{name}.weight"].T
    return out + weights[f"{name}.bias"] if f"{name}.bias" in weights else out


def mlp(x, weights, name):
    """Two linear maps with a GELU between."""
    hidden = linear(x, weights, f"{name}.expand")
    return linear(0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2))), weights, f"{name}.contract")


def heads_of(x, heads):
    """(B, N, H d) -> (B, H, N, d)."""
    batch, tokens, width = x.shape
    return x.reshape(batch, tokens, heads, width // heads).permute(0, 2, 1, 3)


def softmax(scores):
    """Over the last axis."""
    powers = torch.exp(scores - scores.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def lanl_attention(x, weights, name, heads):
    """v + projection(softmax(q k^T / sqrt(width / heads)) v): LANL adds the values in every attention."""
    q, k, v = linear(x, weights, f"{name}.qkv").chunk(3, -1)
    scores = heads_of(q, heads) @ heads_of(k, heads).transpose(-2, -1) * (q.shape[-1] // heads) ** -0.5
    out = (softmax(scores) @ heads_of(v, heads)).permute(0, 2, 1, 3).flatten(2)
    return v + linear(out, weights, f"{name}.projection")


def lanl_t2t_vit(images, weights, *, depth, heads=4, eps=1e-5):
    """LANL's T2T-ViT for images of 1700 x 500 (lanl/CNN-T2TViT-comparison): soft splits of 31, 3 and 3 pixels."""
    x, first = images, "tokens_to_token.stages"
    for stage, (kernel, stride, padding) in enumerate([(31, 16, 8), (3, 2, 1)]):
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:])
        tokens = F.unfold(x, kernel, padding=padding, stride=stride).transpose(1, 2)
        name = f"{first}.{stage}.mixer"
        # the token transformer: no residual around its attention but that of the values
        normed = layer_norm(tokens, weights, f"{name}.norm_attention", eps)
        split = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(name)}
        tokens = lanl_attention(normed, {f"a.{key}": value for key, value in split.items()}, "a", heads)
        tokens = tokens + mlp(layer_norm(tokens, weights, f"{name}.norm_mlp", eps), weights, f"{name}.mlp")
        x = tokens.transpose(1, 2).reshape(len(x), -1, rows, columns)
    x = linear(F.unfold(x, 3, padding=1, stride=2).transpose(1, 2), weights, "tokens_to_token.projection")
    x = torch.cat([weights["cls"].expand(len(x), -1, -1), x], dim=1)
    x = x + positions(x.shape[1], x.shape[2]).to(x)
    for block in range(depth):
        name = f"blocks.{block}"
        x = x + lanl_attention(
            layer_norm(x, weights, f"{name}.norm_attention", eps), weights, f"{name}.attention", heads
        )
        x = x + mlp(layer_norm(x, weights, f"{name}.norm_mlp", eps), weights, f"{name}.mlp")
    return linear(layer_norm(x, weights, "norm", eps)[:, 0], weights, "head")


def positions(tokens, width):
    """Sines in even columns, cosines in odd ones, of a geometric series of wavelengths: (1, tokens, width)."""
    table = torch.tensor([[n / 10_000 ** (2 * (i // 2) / width) for i in range(width)] for n in range(tokens)],
                         dtype=torch.float64)  # fmt: skip
    table[:, 0::2], table[:, 1::2] = table[:, 0::2].sin(), table[:, 1::2].cos()
    return table[None].float()


def zoo_vit_of_small_datasets(images, weights, *, patch, depth, heads, eps=1e-5):
    """The CIFAR zoo's ViT with shifted patches and locality attention (arXiv:2112.13492), its vit_small and vit_tiny.

    A patch is laid out as rows, columns, channels there, and as channels, rows, columns here: its weights are permuted.
    """
    shifts = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
    x = torch.cat([images, *(F.pad(images, shift) for shift in shifts)], dim=1)
    batch, channels, high, wide = x.shape
    x = x.reshape(batch, channels, high // patch, patch, wide // patch, patch).permute(0, 2, 4, 3, 5, 1)
    x = x.reshape(batch, -1, patch * patch * channels)
    order = torch.arange(patch * patch * channels).reshape(channels, patch, patch).permute(1, 2, 0).flatten()
    ours = {f"norm.{part}": weights[f"patches.norm.{part}"][order] for part in ("weight", "bias")}
    ours |= {"to.weight": weights["patches.projection.weight"][:, order], "to.bias": weights["patches.projection.bias"]}
    x = linear(layer_norm(x, ours, "norm", eps), ours, "to")
    x = torch.cat([weights["cls"].expand(batch, -1, -1), x], dim=1) + weights["positions"]
    itself = torch.eye(x.shape[1], dtype=torch.bool)
    for block in range(depth):
        name = f"blocks.{block}"
        q, k, v = linear(layer_norm(x, weights, f"{name}.norm_attention", eps), weights, f"{name}.attention.qkv").chunk(
            3, -1
        )
        scores = heads_of(q, heads) @ heads_of(k, heads).transpose(-2, -1)
        scores = (scores * weights[f"{name}.attention.log_temperature"].exp()).masked_fill(itself, -torch.inf)
        out = (softmax(scores) @ heads_of(v, heads)).permute(0, 2, 1, 3).flatten(2)
        x = x + linear(out, weights, f"{name}.attention.projection")
        x = x + mlp(layer_norm(x, weights, f"{name}.norm_mlp", eps), weights, f"{name}.mlp")
    return linear(layer_norm(x, weights, "norm", eps)[:, 0], weights, "head")
