"""Density fields of one simulation, early and late, as its files contain them: axes in cm, time in microseconds."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MultipleLocator

from ..data.sources import design
from ..errors import InputError
from ..tables.names import suggestion
from ..tables.reading import FRAME_MICROSECONDS, PIXEL_CM, PUBLISHED_COLUMNS, PUBLISHED_ROWS
from . import style
from .canvas import CANVAS, Canvas

_FRAME = re.compile(r"_idx(\d+)")
_PANEL, _BAR = 8.2, 0.03  # inches of height at the usual width; width of the colour bar, relative to the figure
_SHARE = 0.43  # a panel's largest share of the width
_NOT_READ = (OSError, EOFError, ValueError, zipfile.BadZipFile, KeyError)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """One field of one file, without the part below the published crop, and mirrored at the axis of symmetry."""

    image: Floats  # (H, W), the first row at the bottom
    radius: float  # cm, at the sides
    bottom: float  # cm
    top: float  # cm
    time: float | None  # microseconds
    first: int  # row of the file


def draw(folder: Path, *, field: str, simulation: str | None, out: Path, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw the earliest and the latest frame of a simulation, by default the first, side by side on one grey scale.

    Returns `field_<field>_<simulation>.png` and `.svg`. Raises InputError if there are no such files.
    """
    early, late = _files(folder, simulation)
    name = design.key_of(early.name)
    frames = [_frame(path, field) for path in dict.fromkeys((early, late))]
    kind = "Synthetic " if _synthetic(folder) else ""
    with style.house_style(canvas):
        figure = _figure(frames, field, f"{kind}{field} of {name}", canvas)
    return style.save(figure, out / f"field_{field}_{name}", canvas)


def _files(folder: Path, simulation: str | None) -> tuple[Path, Path]:
    """Return the first and the last file of a simulation. Its name may be shortened to its end, such as `id0020`."""
    by_key: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.npz")):
        by_key.setdefault(design.key_of(path.name), []).append(path)
    if not by_key:
        raise InputError(f"{folder} contains no .npz files. Give the folder of the simulations' fields")
    wanted = simulation or next(iter(by_key))
    found = [key for key in by_key if key == wanted or key.endswith(f"_{wanted}")]
    if len(found) != 1:
        raise InputError(f"no simulation {wanted!r} in {folder}. {suggestion(wanted, list(by_key))}")
    return by_key[found[0]][0], by_key[found[0]][-1]


def _frame(path: Path, field: str) -> Frame:
    """Read one file. Raises InputError if it is damaged or lacks the field."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if field not in archive.files:
                raise InputError(f"{path.name} has no field {field!r}. {suggestion(field, archive.files)}")
            held = {name: archive[name] for name in (field, "Rcoord", "Zcoord", "sim_time") if name in archive.files}
    except InputError:
        raise
    except _NOT_READ as error:
        raise InputError(f"{path.name} cannot be read as an archive of fields. Rebuild or download it") from error
    whole = np.asarray(held[field], float)
    if whole.ndim != 2 or min(whole.shape) < 2:
        raise InputError(
            f"{path.name}: {field} has the shape {whole.shape}, which is not rows x columns. Choose another --field"
        )
    first = PUBLISHED_ROWS if len(whole) > PUBLISHED_ROWS else 0
    part = whole[first:, :PUBLISHED_COLUMNS]
    along = _coordinates(held.get("Zcoord"), len(whole))
    across = _coordinates(held.get("Rcoord"), whole.shape[1])
    across = across[: part.shape[1]]
    step = across[-1] - across[-2]
    return Frame(
        np.concatenate([np.fliplr(part), part], axis=1), float(across[-1] + step), float(along[first]),
        float(along[-1] + along[-1] - along[-2]), _time(path, held.get("sim_time")), first,
    )  # fmt: skip


def _coordinates(held: npt.NDArray[np.float64] | None, count: int) -> Floats:
    """Return the centimetres along an axis, from the file or else as published."""
    if held is None or held.shape != (count,):
        return PIXEL_CM * np.arange(count, dtype=np.float64)
    return np.array(held, dtype=np.float64)


def _time(path: Path, held: npt.NDArray[np.float64] | None) -> float | None:
    """Return the microseconds in the file or in its name."""
    if held is not None and held.size == 1:
        return float(held.reshape(-1)[0])
    found = _FRAME.search(path.name)
    return FRAME_MICROSECONDS * (int(found[1]) - 1) if found else None


def _synthetic(folder: Path) -> bool:
    return any("synthetic" in path.name.lower() for path in folder.iterdir())


def _figure(frames: list[Frame], field: str, title: str, canvas: Canvas) -> Figure:
    figure = style.blank(title, canvas)
    panels = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
    low, high = min(f.image.min() for f in frames), max(f.image.max() for f in frames)
    for axes, frame in zip(panels, frames, strict=True):
        drawn = _draw(axes, frame, (low, high), canvas)
    panels[0].set_ylabel("Z axis (cm)")
    unit = " (g/cm³)" if field == "rho" else ""
    shape = (frames[0].top - frames[0].bottom) / (2 * frames[0].radius)
    bar = min(_PANEL * canvas.shrunk / canvas.inches, _SHARE * shape) / _BAR
    figure.colorbar(drawn, ax=list(panels), pad=0.02, aspect=bar, label=f"{field}{unit}")
    rows, columns = frames[0].image.shape
    style.caption(figure, canvas, [
        f"Each panel shows every pixel of its file from row {frames[0].first} on ({rows:,} x {columns:,} pixels after",
        f"mirroring at R = 0). The grey scale is from {low:.3g} to {high:.3g}{unit and ' g/cm³'}.",
    ])  # fmt: skip
    if style.fit(figure, [panels[0]], _PANEL * canvas.shrunk, shape=shape) < 0.999 * shape:
        for axes in panels:
            axes.set_aspect("equal")
    return figure


def _draw(axes: Axes, frame: Frame, grey: tuple[float, float], canvas: Canvas) -> AxesImage:
    drawn = axes.imshow(
        frame.image, cmap="gray", vmin=grey[0], vmax=grey[1], origin="lower", interpolation="nearest", aspect="auto",
        extent=(-frame.radius, frame.radius, frame.bottom, frame.top),
    )  # fmt: skip
    axes.axvline(0, color=style.COLOURS[4], linestyle=":", linewidth=1.5 * canvas.scale)
    axes.grid(visible=False)
    axes.set_xlabel("R axis (cm)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(2 if canvas.narrow else 1))
    axes.set_title("unknown time" if frame.time is None else f"{frame.time:.1f} µs")
    return drawn
