"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; arXiv:2502.16982): orthogonal momentum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .stepping import Moments, StepByStep

_A, _B, _C = 3.4445, -4.775, 2.0315  # of the quintic, whose slope at 0 is the largest
_STEPS, _EPS = 5, 1e-7
_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Muon(StepByStep):
    """Momentum of matrices, replaced by the nearest semi-orthogonal matrix.

    At a matrix p of `rows` x `columns` with gradient g, momentum b and Nesterov's form:

        m = b m + (1 - b) g,  o = NewtonSchulz((1 - b) g + b m)
        p = p (1 - lr decay) - 0.2 lr sqrt(max(rows, columns)) o

    The last factor makes the root mean square of a step that of AdamW's, whose learning rate and decay it can share
    (arXiv:2502.16982, section 2.2). A weight of more than two dimensions is the matrix (first, product of the others).
    Newton-Schulz makes five steps in bf16. The bits are those of `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`,
    which takes matrices only.
    """

    def __init__(self, params: Iterable[Any], *, lr: float, momentum: float = 0.95, nesterov: bool = True) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": 0.0})

    def begun(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """Return the state before the first step."""
        del parameter
        return {"momentum_buffer": torch.zeros_like(gradient)}

    def update(self, moments: Moments, group: dict[str, Any]) -> None:
        """Make one step of some matrices."""
        lr, b = group["lr"], group["momentum"]
        for parameter, gradient, state in moments.each():
            m = state["momentum_buffer"].lerp_(gradient, 1 - b)
            matrix = (gradient.lerp(m, b) if group["nesterov"] else m).flatten(1)
            step = newton_schulz(matrix).view_as(parameter)
            parameter.mul_(1 - lr * group["weight_decay"])
            parameter.add_(step, alpha=-lr * 0.2 * math.sqrt(max(matrix.shape)))


def newton_schulz(matrix: Tensor) -> Tensor:
    """Return U V^T, about, of a matrix U S V^T, in bf16: singular values become 0.7 to 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(torch.bfloat16, copy=True)
    x = x.T if tall else x
    x.div_(x.norm().clamp(min=_EPS))
    for _ in range(_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x


def matrices(model: nn.Module) -> set[str]:
    """Return the names of the weights that Muon updates; AdamW updates all other parameters.

    They are the weights of linear maps and of convolutions over all channels, except the first of the model, which
    reads the inputs, and those of the head, which is the last and any that timm calls a classifier. So patch
    embeddings, stems, heads, norms, biases, tokens, positions and depthwise convolutions are AdamW's. A fused matrix of
    queries, keys and values is one matrix.
    """
    names = [
        name for name, module in model.named_modules()
        if isinstance(module, _LINEAR) and getattr(module, "groups", 1) == 1 and module.weight.requires_grad
    ]  # fmt: skip
    heads = _heads(model) | {names[-1]} if names else set()
    return {f"{name}.weight".lstrip(".") for name in names[1:] if name not in heads}


def _heads(model: nn.Module) -> set[str]:
    """Return the names of the modules that timm calls a model's classifier."""
    found: object = getattr(model, "get_classifier", list)()
    heads = found if isinstance(found, list | tuple) else [found]
    return {name for name, module in model.named_modules() if any(module is head for head in heads)}
