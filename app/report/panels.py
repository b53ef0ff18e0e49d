"""Panels of attention: an image, and what its maps read of it, one row per layer and query, with one scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from ..experiment.maps_at import HEAD, POINT, Pictures, cell_of
from ..system.durable import replacing
from . import selection, style
from .canvas import CANVAS, Canvas

_ROW = 1.9  # inches of height


def draw(runs: Sequence[Run], found: Sequence[Pictures], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw `maps_<run IDs>_row<row>`, with a column for each map of each run, and write its numbers as JSON next to it.

    Returns the files. Raises InputError for runs with other images.
    """
    first = found[0]
    if any(not np.array_equal(first.image, each.image) for each in found[1:]):
        raise InputError("the runs have other images at this test row. Name runs of one dataset and split")
    ids = "_".join(run.record.run_id for run in runs)
    stem = folder / checks.file_part(f"maps_{ids}_row{first.row}")
    paths = style.save(figure(runs, found, canvas), stem, canvas)
    path = stem.with_name(f"{stem.name}.json")
    with replacing(path) as aside:
        aside.write_text(json.dumps([_object(run, each) for run, each in zip(runs, found, strict=True)]))
    return [*paths, path]


def _object(run: Run, found: Pictures) -> dict[str, Any]:
    about = {"run_id": run.record.run_id, "row": found.row, "layers": found.layers, "queries": found.queries}
    return about | {"at": found.at, "maps": {title: values.tolist() for title, values in found.maps.items()}}


def figure(runs: Sequence[Run], found: Sequence[Pictures], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of runs that have the same layers and queries."""
    first = found[0]
    lines = [(at, query) for at in range(len(first.layers)) for query in range(len(first.queries))]
    columns = [(run, title, each.maps[title]) for run, each in zip(runs, found, strict=True) for title in each.maps]
    most = max(float(np.abs(values).max()) for _, _, values in columns)
    with style.house_style(canvas):
        made = style.blank(f"Attention maps on {selection.dataset_title(runs[0].config.dataset)}", canvas)
        axes = made.subplots(len(lines), 1 + len(columns), squeeze=False)
        for row, (at, query) in zip(axes, lines, strict=True):
            shown = first.image[..., 0] if first.image.shape[-1] == 1 else first.image
            row[0].imshow(shown, cmap="gray" if shown.ndim == 2 else None)
            what = "" if first.queries[query] == HEAD else ", point"
            row[0].set_ylabel(f"layer {first.layers[at]}{what}", fontsize=canvas.points(10))
            for panel, (_, _, values) in zip(row[1:], columns, strict=True):
                drawn = panel.imshow(values[at, query], cmap="RdBu_r", vmin=-most, vmax=most)
            if first.queries[query] == POINT:
                _outline(row, [shown.shape[:2], *(values.shape[2:] for _, _, values in columns)], found, canvas)
        titles = ["image", *(f"{selection.model_title(run.config)}: {title}" for run, title, _ in columns)]
        for panel, title in zip(axes[0], titles, strict=True):
            panel.set_title(title.replace(": ", ":\n"), fontsize=canvas.points(9))
        for panel in axes.flat:
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
        made.colorbar(drawn, ax=[*axes[:, -1]], shrink=0.8)
        style.caption(made, canvas, [
            f"Test row {first.row:,}, means over heads: what the cls token reads, or the mean of all tokens.",
            _about_point(first),
            "All maps have one scale, with white at zero.",
            selection.warning([*runs]),
        ])  # fmt: skip
        style.fit(made, [*axes[:, 0]], _ROW * len(lines) * canvas.shrunk)
    return made


def _about_point(found: Pictures) -> str:
    """Return the sentence on the rows of the point, or an empty text without one."""
    if found.at is None:
        return ""
    x, y = found.at
    return f"Rows named point: what the patch at pixel ({x}, {y}) of the input reads. The patch is outlined."


def _outline(
    panels: Sequence[Axes], extents: Sequence[tuple[int, ...]], found: Sequence[Pictures], canvas: Canvas
) -> None:  # fmt: skip
    """Outline the patch of the point in the image and in each map, whose rows and columns are `extents`."""
    its = [found[0], *(each for each in found for _ in each.maps)]
    for panel, (height, width), each in zip(panels, extents, its, strict=True):
        assert each.at is not None, "a query of the point has one"
        grid = next(iter(each.maps.values())).shape[2:]
        row, column = cell_of(each.at, each.extent, (grid[0], grid[1]))
        down, along = height / grid[0], width / grid[1]  # of a patch, in what the panel shows
        corner = column * along - 0.5, row * down - 0.5
        for color, width_of in (("black", 2.5), ("yellow", 1.2)):  # seen on dark and on light patches
            panel.add_patch(Rectangle(
                corner, along, down, fill=False, edgecolor=color, linewidth=width_of * canvas.scale, clip_on=False
            ))  # fmt: skip
