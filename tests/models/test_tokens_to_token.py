"""Soft splits, the token performer and the token transformer: equal to their definitions."""

import math

import pytest
import torch
from torch.nn import functional as F

from app.counts.t2t import TOKENIZERS, Split
from app.models.tokens_to_token import Stage, TokenPerformer, TokenTransformer, linear_attention, soft_split


def normed(x, norm):
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-6)


def after_attention(x, module):
    """x + MLP(norm(x)), written out."""
    hidden = F.gelu(F.linear(normed(x, module.norm_mlp), module.mlp.expand.weight, module.mlp.expand.bias))
    return x + F.linear(hidden, module.mlp.contract.weight, module.mlp.contract.bias)


def test_a_soft_split_is_overlapping_squares_row_by_row():
    images, split = torch.randn(2, 3, 9, 13), Split(3, 2, 1)
    tokens, padded = soft_split(images, split), F.pad(images, (1, 1, 1, 1))
    assert tokens.shape == (2, 5 * 7, 27)
    for row, column in ((0, 0), (2, 3), (4, 6)):
        square = padded[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        assert torch.equal(tokens[:, 7 * row + column], square.flatten(1))


def test_a_stage_lays_its_tokens_out_as_they_lay_in_the_image():
    images, split = torch.randn(2, 3, 9, 13), Split(3, 2, 1)
    laid = Stage(torch.nn.Identity(), split=split, grid=(5, 7))(images)
    assert torch.equal(laid[:, :, 2, 6], soft_split(images, split)[:, 7 * 2 + 6])


def test_random_features_approach_softmax_attention_as_the_root_of_their_number():
    torch.manual_seed(0)
    q, k, v = 0.3 * torch.randn(3, 2, 9, 8, dtype=torch.float64)
    exact = (q @ k.mT).softmax(-1) @ v

    def error(features):
        drawn = (linear_attention(q, k, v, torch.randn(features, 8, dtype=q.dtype)) - exact for _ in range(20))
        return torch.stack([off.square().mean() for off in drawn]).mean().sqrt().item()

    few, many = error(200), error(20_000)
    assert 7 < few / many < 14  # ten times, within the sampling error of an error
    assert many < 0.02 * exact.square().mean().sqrt()


def test_the_token_performer_is_its_definition():
    torch.manual_seed(0)
    module = TokenPerformer(TOKENIZERS["performer"], entries=27, dropout=0.0).double()
    x = torch.randn(2, 11, 27, dtype=torch.float64)
    w = module.directions
    torch.testing.assert_close(w @ w.T, 32 * torch.eye(32, dtype=torch.float64), rtol=0, atol=1e-4)
    q, k, v = F.linear(normed(x, module.norm_attention), module.qkv.weight, module.qkv.bias).chunk(3, -1)
    q, k = (((y @ w.T) - (y * y).sum(-1, keepdim=True) / 2).exp() / math.sqrt(32) for y in (q, k))
    scores = torch.einsum("bnm,bkm->bnk", q, k)
    out = scores @ v / (scores.sum(-1, keepdim=True) + 1e-8)
    expected = after_attention(v + F.linear(out, module.projection.weight, module.projection.bias), module)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("tokenizer", "heads", "scale"), [("transformer", 1, 27**-0.5), ("transformer_31", 4, 0.25)])
def test_the_token_transformer_is_its_definition(tokenizer, heads, scale):
    torch.manual_seed(0)
    module = TokenTransformer(TOKENIZERS[tokenizer], entries=27, dropout=0.0).double()
    x = torch.randn(2, 11, 27, dtype=torch.float64)
    q, k, v = (normed(x, module.norm_attention) @ module.qkv.weight.T).chunk(3, -1)
    out = []
    for head in range(heads):
        at = slice(head * 64 // heads, (head + 1) * 64 // heads)
        out.append((scale * q[..., at] @ k[..., at].mT).softmax(-1) @ v[..., at])
    projected = F.linear(torch.cat(out, -1), module.projection.weight, module.projection.bias)
    torch.testing.assert_close(module(x), after_attention(v + projected, module), rtol=0, atol=1e-12)


def test_the_performer_computes_in_float32_under_autocast():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 9, 8)
    directions = torch.randn(32, 8)
    outside = linear_attention(q, k, v, directions)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(linear_attention(q, k, v, directions), outside)
        assert linear_attention(*(x.bfloat16() for x in (q, k, v)), directions).dtype == torch.bfloat16
