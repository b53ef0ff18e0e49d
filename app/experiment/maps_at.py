"""The attention maps of one test image for chosen layers and queries, as pictures of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .. import place
from ..artifacts.runs import Run
from ..artifacts.which import FINAL
from ..errors import InputError
from ..models.attention.layer import Maps
from ..models.attention.seen import patches_of, seen
from ..tables.attention_numbers import USUAL_ROWS
from ..tables.shape import plane
from . import recomputing
from .corrupting import chosen
from .elsewhere import restored
from .looking import Asked, require_maps
from .observers import Screen
from .options import Options
from .scenes import grid_of

HEAD, POINT = "head", "point"  # the queries: what the head reads, and the patch at a point


@dataclass(frozen=True)
class Pictures:
    """The maps of one image, means over heads: by title, float64 (layers, queries, rows, columns) over the patches."""

    row: int  # the published row
    image: np.ndarray  # uint8 (H, W, C), as it is stored
    layers: tuple[int, ...]
    queries: tuple[str, ...]
    at: tuple[int, int] | None  # the point (x, y) of the second query, in pixels of the model's input
    extent: tuple[int, int]  # of the model's input, in pixels
    maps: dict[str, np.ndarray]


def pictures(
    run: Run, row: int | None, layers: Sequence[int] | None, at: tuple[int, int] | None, options: Options,
    screen: Screen,
) -> Pictures:  # fmt: skip
    """Return the maps of a test row (None: the first one of `attention`), in chosen layers (None: first, middle, last).

    The first query is that of the cls token, or the mean of all tokens without one. `at` is a point (x, y) in pixels of
    the model's input, whose patch is the second query. Raises InputError for a row, layer or point that does not exist.
    """
    run.require_done()
    require_maps(run, Asked())
    with place.own_threads():
        here = place.choose(device=options.device, precision="fp32", threads=options.threads, exact=True)
        test = recomputing.splits_of(run, here, options, screen).test
        first = chosen(test, USUAL_ROWS, regression=run.config.task == "regression")[:1]
        example = first if row is None else np.flatnonzero(test.rows == row)
        if not len(example):
            raise InputError(f"--row {row} is not a test row of run {run.config.run_id}. Use {test.rows[first[0]]}")
        model = restored(run, here, options, screen, weights=FINAL.file)
        found = [layer.maps for layer in seen(model, test.batch(example)[0].float())[1]]
        numbers = tuple(layers or sorted({0, (len(found) - 1) // 2, len(found) - 1}))
        if wrong := [each for each in numbers if not 0 <= each < len(found)]:
            raise InputError(
                f"--layers {wrong[0]} is not a layer of run {run.config.run_id}. Use 0 to {len(found) - 1}"
            )
        patches, extent = patches_of(model), plane(run.config.image)
        grid = grid_of(found[0].first.shape[-1] - (patches.start or 0), extent)
        token = None if at is None else _token(at, extent, grid) + (patches.start or 0)
        made: dict[str, list[np.ndarray]] = {}
        for number in numbers:
            for title, weights in _shown(found[number]).items():
                made.setdefault(title, []).append(_picture(weights, patches, grid, token))
        image = test.images[int(test.members[example[0]])].cpu().numpy().transpose(1, 2, 0)
    queries = (HEAD,) if token is None else (HEAD, POINT)
    maps = {title: np.stack(each) for title, each in made.items()}
    return Pictures(int(test.rows[example[0]]), image, numbers, queries, at, extent, maps)


def cell_of(at: tuple[int, int], extent: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Return the row and column of the patch at a point (x, y) of an input of (H, W) pixels."""
    return at[1] * grid[0] // extent[0], at[0] * grid[1] // extent[1]


def _shown(maps: Maps) -> dict[str, Tensor]:
    if maps.second is None or maps.lambdas is None:
        return {"A": maps.first}
    return {"A1": maps.first, "lambda A2": maps.lambdas * maps.second, "D": maps.combined}


def _picture(weights: Tensor, patches: slice, grid: tuple[int, int], token: int | None) -> np.ndarray:
    """Return what the queries read of each patch: (1, H, N, N) -> (queries, rows, columns)."""
    mean = weights[0].mean(0)  # (N, N)
    of_head = mean[0] if patches.start else mean.mean(0)
    rows = [of_head] if token is None else [of_head, mean[token]]
    return np.stack([row[patches].cpu().numpy().astype(np.float64).reshape(grid) for row in rows])


def _token(at: tuple[int, int], extent: tuple[int, int], grid: tuple[int, int]) -> int:
    x, y = at
    if not (0 <= x < extent[1] and 0 <= y < extent[0]):
        raise InputError(f"--at {x},{y} is outside of the image. Use x below {extent[1]} and y below {extent[0]}")
    row, column = cell_of(at, extent, grid)
    return row * grid[1] + column
