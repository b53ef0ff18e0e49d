"""The layers that models share: patch embeddings, positions, norms, MLP, pre-norm block."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .drop_path import DropPath

EPS = 1e-6  # of our norms


class PatchEmbedding(nn.Module):
    """Patches of an image, or stretches of a signal, projected to d_model (arXiv:2010.11929, section 3.1)."""

    def __init__(self, *, patch: int, channels: int, d_model: int, axes: int = 2) -> None:
        super().__init__()
        self.patch, self.axes = patch, axes
        self.projection = (nn.Conv1d if axes == 1 else nn.Conv2d)(channels, d_model, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        whole = filled_up(images, self.patch) if self.axes == 1 else images
        if images.is_cuda:
            return as_product(self.projection, whole)
        return self.projection(whole).flatten(2).transpose(1, 2)  # (B, C, H, W) or (B, C, L) -> (B, N, D)


def as_product(projection: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    """Return the projection of patches as one matrix product: (B, C, H, W) or (B, C, L) -> (B, N, D).

    It equals the convolution, whose stride is its kernel, up to the order of sums. On a GPU a convolution of three
    channels may first copy the inputs into another format.
    """
    patch, axes = projection.kernel_size[0], inputs.dim() - 2
    cut = inputs  # (B, C, H, W) -> (B, C, H / p, p, W / p, p)
    for axis in range(axes):
        cut = cut.unflatten(2 + 2 * axis, (-1, patch))
    grid, inside = range(2, 2 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    patches = cut.permute(0, *grid, 1, *inside).flatten(1 + axes).flatten(1, axes)  # (B, N, C p^axes)
    return F.linear(patches, projection.weight.flatten(1), projection.bias)


def filled_up(signals: Tensor, patch: int) -> Tensor:
    """Return the signals padded with zeros to a multiple of the patch: (B, C, L) -> (B, C, patch ceil(L / patch))."""
    return F.pad(signals, (0, -signals.shape[-1] % patch))


class ShiftedPatchEmbedding(nn.Module):
    """Patches of the image and of four shifts of it, normalised and projected (arXiv:2112.13492, section 4.1, SPT).

    The shifts are by one pixel right, left, down and up, padded with zeros, as in the CIFAR zoo. The paper's are
    diagonal, by half a patch. A signal has two shifts, right and left.
    """

    def __init__(self, *, patch: int, channels: int, d_model: int, axes: int = 2, norm_eps: float = EPS) -> None:
        super().__init__()
        self.patch, self.axes = patch, axes
        pixels = (1 + 2 * axes) * channels * patch**axes
        self.norm = nn.LayerNorm(pixels, eps=norm_eps)
        self.projection = nn.Linear(pixels, d_model)

    def forward(self, images: Tensor) -> Tensor:
        if self.axes == 1:
            stretches = with_shifts(filled_up(images, self.patch), axes=1).unflatten(-1, (-1, self.patch))
            cut = stretches.transpose(2, 3).flatten(1, 2)  # (B, 3 C, L) -> (B, 3 C p, N)
        else:
            cut = F.pixel_unshuffle(with_shifts(images), self.patch)  # (B, 5 C, H, W) -> (B, 5 C p^2, H / p, W / p)
        return self.projection(self.norm(cut.flatten(2).transpose(1, 2)))  # (B, N, D)


def with_shifts(images: Tensor, *, axes: int = 2) -> Tensor:
    """Return the images and copies moved one pixel right, left, down and up: (B, C, H, W) -> (B, 5 C, H, W).

    Signals are shifted along their only axis: (B, C, L) -> (B, 3 C, L).
    """
    around = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))  # pixels added left, right, above, below
    return torch.cat([images, *(F.pad(images, pixels[: 2 * axes]) for pixels in around[: 2 * axes])], dim=1)


PATCHINGS: dict[str, type[nn.Module]] = {"linear": PatchEmbedding, "shifted": ShiftedPatchEmbedding}


def sincos(*patches: int, d_model: int) -> Tensor:
    """Return (sin(x w), cos(x w), sin(y w), cos(y w)) of each patch, row by row, (N, D) (arXiv:2205.01580).

    For a signal's patches it is (sin(x w), cos(x w)). w are d_model / 4 frequencies (d_model / 2 for a signal),
    geometrically from 1 down to 1 / 10000. x and y are counted in patches.
    """
    frequencies = 10_000 ** -torch.linspace(0, 1, d_model // (2 * len(patches)))
    places = torch.meshgrid(*(torch.arange(count) for count in patches), indexing="ij")[::-1]  # x, y
    angles = [place.flatten().unsqueeze(1) * frequencies for place in places]  # (N, D / 4) or (N, D / 2) each
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)


class DynamicTanh(nn.Module):
    """weight tanh(alpha x) + bias in place of a norm. alpha is one learned number, initially 0.5 (arXiv:2503.10622).

    It accepts a norm's epsilon but does not use it.
    """

    def __init__(self, d_model: int, eps: float = EPS) -> None:  # noqa: ARG002
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), 0.5))
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * torch.tanh(self.alpha * x) + self.bias


Norm = Callable[[int], nn.Module]  # of that many channels
NORMS: dict[str, Callable[..., nn.Module]] = {"layer": nn.LayerNorm, "dyt": DynamicTanh}  # a Norm, given eps


class MLP(nn.Module):
    """Two linear maps with a GELU between, and dropout after each; (B, N, D) -> (B, N, D)."""

    def __init__(self, *, d_model: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(d_model, hidden)
        self.activation = nn.GELU()
        self.contract = nn.Linear(hidden, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.contract(self.dropout(self.activation(self.expand(x)))))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with any attention that maps (B, N, D) -> (B, N, D).

    Each of the two branches is dropped by itself, at the rate `drop_path`.
    """

    def __init__(
        self, attention: nn.Module, *, d_model: int, hidden: int, dropout: float, norm: Norm, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_attention = norm(d_model)
        self.attention = attention
        self.norm_mlp = norm(d_model)
        self.mlp = MLP(d_model=d_model, hidden=hidden, dropout=dropout)
        self.drop_attention, self.drop_mlp = DropPath(drop_path), DropPath(drop_path)

    def forward(self, x: Tensor, normed: Tensor | None = None) -> Tensor:
        """Return the block's output. `normed` is the norm of x, if it is computed already: (B, N, D) each."""
        x = x + self.drop_attention(self.attention(self.norm_attention(x) if normed is None else normed))
        return x + self.drop_mlp(self.mlp(self.norm_mlp(x)))


def through(blocks: Iterable[nn.Module], x: Tensor, *, checkpointing: bool) -> Tensor:
    """Return x after all blocks.

    With checkpointing only their inputs are kept for the backward pass (arXiv:1604.06174).
    """
    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False) if checkpointing and torch.is_grad_enabled() else block(x)
    return x


def without_autocast(device: str) -> AbstractContextManager[None]:
    """Return a context in which operations on a kind of device keep the precision of their inputs."""
    known = torch.amp.is_autocast_available(device)  # not for the meta device
    return torch.autocast(device, enabled=False) if known else nullcontext()
