"""Numbers of attention maps and activations: one value per image and layer, a mean over heads and queries.

D is the map that multiplies the values. Of a kind that subtracts two maps, A1 and A2 are these maps and lambda is the
factor of the second. All functions return tensors (B,) in float32 or float64, as their arguments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .layer import Maps

OUTLIER = 4.0  # a token is an outlier if its norm is above this multiple of the image's median


def expected_sums(maps: Maps) -> Tensor:
    """Return what the rows of D sum to: 1, or 1 - lambda after a subtraction; in the shape (B, H, N) or of one part."""
    one = torch.ones((), dtype=maps.first.dtype, device=maps.first.device)
    if maps.second is None or maps.lambdas is None or getattr(maps, "integral", None) is not None:
        return one
    return one - maps.lambdas.squeeze(-1) if maps.lambdas.dim() else one - maps.lambdas


def sum_error(maps: Maps) -> float:
    """Return the largest distance of a row's sum from its exact value: 1 for A1 and A2, `expected_sums` for D."""
    parts = [(maps.first, torch.ones_like(maps.first[..., 0])), (maps.combined, expected_sums(maps))]
    if maps.second is not None:
        parts.append((maps.second, torch.ones_like(maps.first[..., 0])))
    return max(float((part.sum(-1) - wanted).abs().max()) for part, wanted in parts)


def numbers(maps: Maps) -> dict[str, Tensor]:
    """Return the numbers of one layer's maps by name, (B,) each.

    `row_sum`: the sum of a row of D. `entropy`: that of p = |D| / sum |D| divided by log N, and `effective_keys` its
    exponential before the division, in tokens. `head_distance`: the mean cosine distance of the maps of two heads,
    omitted for one head. Only after a subtraction: `lambda`; `negative_mass`, sum max(0, -D) / sum |D|;
    `cancelled_mass`, sum min(A1, lambda A2); and `similarity`, the cosine of a row of A1 with that of A2.
    """
    combined = maps.combined
    weights = shares(combined)
    entropy = torch.special.entr(weights).sum(-1)  # (B, H, N), nats
    found = {
        "row_sum": _mean(combined.sum(-1)),
        "entropy": _mean(entropy) / max(torch.tensor(float(combined.shape[-1])).log().item(), 1e-12),
        "effective_keys": _mean(entropy.exp()),
    }
    if combined.shape[1] > 1:
        found["head_distance"] = _head_distance(combined)
    return found | (_of_subtraction(maps) if maps.second is not None else {})


def shares(combined: Tensor) -> Tensor:
    """Return |D| / sum |D| of each row: (B, H, N, N) -> (B, H, N, N). A row of zeros stays 0."""
    size = combined.abs()
    return size / size.sum(-1, keepdim=True).clamp_min(torch.finfo(size.dtype).tiny)


def _of_subtraction(maps: Maps) -> dict[str, Tensor]:
    assert maps.second is not None and maps.lambdas is not None, "two maps"
    first, second, combined = maps.first, maps.second, maps.combined
    negative = (-combined).clamp_min(0).sum(-1) / combined.abs().sum(-1).clamp_min(torch.finfo(first.dtype).tiny)
    cancelled = torch.minimum(first, maps.lambdas * second).clamp_min(0).sum(-1)
    return {
        "lambda": _mean(maps.lambdas.expand(*first.shape[:3], 1)[..., 0]),
        "negative_mass": _mean(negative),
        "cancelled_mass": _mean(cancelled),
        "similarity": _mean(torch.cosine_similarity(first, second, dim=-1, eps=1e-12)),
    }


def _head_distance(combined: Tensor) -> Tensor:
    """Return the mean of 1 - cosine over pairs of heads, of their maps as vectors: (B, H, N, N) -> (B,)."""
    flat = torch.nn.functional.normalize(combined.flatten(2), dim=-1, eps=1e-12)  # (B, H, N N)
    count = flat.shape[1]
    cosines = flat @ flat.mT  # (B, H, H)
    pairs = (cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)) / (count * (count - 1))
    return 1 - pairs


def of_tokens(hidden: Tensor, maps: Maps, patches: slice) -> dict[str, Tensor]:
    """Return the numbers of outlier tokens after a block, (B,) each. `hidden` is (B, N, D), `patches` its patch tokens.

    `outlier_tokens`: the share of patch tokens whose L2 norm is above 4 times the image's median. `token_norm_ratio`:
    the largest norm relative to the median. `outlier_attention`: the share of |D| that these tokens receive in the
    block, a mean over heads and queries, or 0 without such a token.
    """
    norms = hidden[:, patches].norm(dim=-1)  # (B, P)
    middle = (norms.shape[-1] - 1) // 2  # of the lower median; torch's `median` has no deterministic kernel on CUDA
    median = norms.sort(-1).values[..., middle, None].clamp_min(torch.finfo(norms.dtype).tiny)
    outliers = norms > OUTLIER * median
    received = shares(maps.combined).mean((1, 2))[:, patches]  # (B, P)
    return {
        "outlier_tokens": outliers.to(norms.dtype).mean(-1),
        "token_norm_ratio": norms.amax(-1) / median[:, 0],
        "outlier_attention": (received * outliers).sum(-1),
    }


def of_activations(name: str, values: Tensor) -> dict[str, Tensor]:
    """Return `<name>_max` and `<name>_q999` of |values|, relative to their median: (B, n) -> (B,) each.

    q999 is the value that 99.9 % of them do not exceed.
    """
    size = values.abs()
    count = size.shape[-1]
    middle = size.kthvalue((count + 1) // 2, -1).values.clamp_min(torch.finfo(size.dtype).tiny)
    high = size.kthvalue(max(1, -(-999 * count // 1000)), -1).values
    return {f"{name}_max": size.amax(-1) / middle, f"{name}_q999": high / middle}


def on_cells(weights: Tensor, cells: Tensor, target: Tensor, occupied: Tensor) -> Tensor:
    """Return the share of a row of weights on its target's cell, of that on all occupied cells: (B,).

    `weights` (B, P) are of the patch tokens, not negative. `cells` (P, C) is the fraction of each patch in each cell,
    `target` (B,) a cell, and `occupied` (B, C) whether a cell has an image. 0 if nothing is on an occupied cell.
    """
    mass = (weights @ cells.to(weights)) * occupied.to(weights)  # (B, C)
    on_target = mass.gather(1, target[:, None])[:, 0]
    return on_target / mass.sum(1).clamp_min(torch.finfo(weights.dtype).tiny)


def on_image(weights: Tensor, visible: Tensor) -> Tensor:
    """Return the share of a row of weights on what tokens show of their image: (B,).

    `weights` (B, P) are of the patch tokens, not negative. `visible` (B, P) is the fraction of each one's area that no
    distractor covers. 0 if there are no weights.
    """
    shown = (weights * visible.to(weights)).sum(1)
    return shown / weights.sum(1).clamp_min(torch.finfo(weights.dtype).tiny)


def _mean(values: Tensor) -> Tensor:
    """Return the mean over heads and queries: (B, H, N) -> (B,)."""
    return values.mean((1, 2))
