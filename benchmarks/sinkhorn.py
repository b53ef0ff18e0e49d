"""How many iterations of Sinkhorn make the attention maps of a trained ViT doubly stochastic: docs/attention.md.

    uv run python -m benchmarks.sinkhorn RUN --dataset NAME [--inputs 16] [--sharper 1]

An iteration divides each row by its sum and then each column. Its limit for a softmax map is that for the exponentials
of the scores, because they differ by a factor for each row (Sinkformers, arXiv:2110.11773).
"""

from __future__ import annotations

from typing import Annotated

import torch
import typer
from torch import Tensor

import app
from app.models.attention.maps import maps_of

from .command import run

AFTER = (3, 5, 20)  # iterations after which the error is shown


def normalised(logs: Tensor) -> Tensor:
    """Return the logarithms of maps (M, N, N) after one iteration."""
    logs = logs - logs.logsumexp(-1, keepdim=True)
    return logs - logs.logsumexp(-2, keepdim=True)


def iterations(maps: Tensor, *, tolerance: float, most: int) -> tuple[Tensor, dict[int, float]]:
    """Return the iterations that each map (M, N, N) needs, at most `most`, and the largest error after some of them.

    The error of a map is the largest difference of a row's sum from 1, after a division of the columns.
    """
    logs, needed, errors = maps.log(), torch.full((len(maps),), most), dict.fromkeys(AFTER, 0.0)
    left = torch.arange(len(maps))
    for done in range(1, most + 1):
        logs = normalised(logs)
        off = (logs.logsumexp(-1).exp() - 1).abs().amax(-1)  # (M,)
        if done in errors:
            errors[done] = float(off.max())
        needed[left[off <= tolerance]] = done
        left, logs = left[off > tolerance], logs[off > tolerance]
        if not len(left):
            break
    return needed, errors


def floor(maps: Tensor, *, most: int) -> float:
    """Return the largest error of the maps (M, N, N) after `most` iterations in their precision."""
    logs = maps.log()
    for _ in range(most):
        logs = normalised(logs)
    return float((logs.logsumexp(-1).exp() - 1).abs().max())


def sinkhorn(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Name a finished run of a ViT.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the inputs, the first rows of its test or train split.")],
    inputs: Annotated[int, typer.Option(help="Number of inputs.")] = 16,
    tolerance: Annotated[float, typer.Option(help="Error of a doubly stochastic map.")] = 1e-5,
    most: Annotated[int, typer.Option(help="Iterations at most.")] = 5000,
    sharper: Annotated[float, typer.Option(help="Multiply the scores by this number.")] = 1.0,
) -> None:
    """Print the iterations that the maps of each layer need, and their errors after fewer of them."""
    model = app.load(name, device="cpu")
    splits = app.dataset(dataset).splits
    images = splits.get("test", splits["train"]).images[:inputs]
    given: Tensor = getattr(model, "preprocess")([image.transpose(1, 2, 0) for image in images])  # noqa: B009
    print("| layer | median | 90 % | largest |" + "".join(f" error after {n} |" for n in AFTER) + " in float32 |")
    for layer, maps in enumerate(maps_of(model.double(), given.double())):
        one = (maps.first.log() * sharper).softmax(-1).flatten(0, 1)  # (B H, N, N)
        needed, errors = iterations(one, tolerance=tolerance, most=most)
        counts = [f" {torch.quantile(needed.double(), share):.0f} |" for share in (0.5, 0.9, 1.0)]
        shown = [f" {errors[n]:.1e} |" for n in AFTER]
        print(f"| {layer} |{''.join(counts)}{''.join(shown)} {floor(one.float(), most=int(needed.max())):.1e} |")


if __name__ == "__main__":
    raise SystemExit(run(sinkhorn))
