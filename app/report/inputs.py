"""The inputs of test examples, from the cache of their dataset on this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from .. import data
from ..artifacts.runs import Run
from ..data.store import cache
from ..errors import InputError
from . import selection

_GREY = "gray"  # matplotlib's map of black to white


def of_rows(run: Run, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return the inputs of test rows as they are stored: images and fields (n, C, H, W), signals (n, C, L).

    Nothing is downloaded or read from a source. Raises InputError if the cache of the run's data is not on this
    machine, and Damaged if it is damaged or has other arrays than the run.
    """
    known = run.record.data
    ask = data.ask_of(
        run.config.to_json(), path=known.path, design=known.design or None, filelist=known.filelist or None
    )
    cached = cache.find(ask, known.version)
    if cached is None:
        raise InputError(
            f"the {selection.examples([run])} of {run.config.dataset} (version {known.version}) are not in the cache "
            f"of this machine. Run `run.py evaluate --run {run.record.run_id} --again`, which reads them"
        )
    return of_cache(cached.verified().require_digest(known.arrays_digest), run, rows)


def of_cache(cached: data.Cached, run: Run, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return the inputs of a run's test rows from a cache of its dataset."""
    split = run.record.data.test_from or "test"
    published = cached.array(split, "rows")
    order = np.argsort(published, kind="stable")
    places = order[np.searchsorted(published, rows, sorter=order)]
    return np.asarray(cached.images(split)[places])


def draw(axes: Axes, values: npt.NDArray[Any], scale: float) -> None:
    """Draw an input (C, H, W) as a picture, or (C, L) as a line of its first channel, without ticks.

    Three channels of bytes are red, green and blue. Of any other channels, the first one is drawn in grey.
    """
    if values.ndim == 2:
        axes.plot(values[0], color="black", linewidth=0.8 * scale)
        axes.margins(x=0)
    elif values.dtype == np.uint8 and len(values) == 3:
        axes.imshow(values.transpose(1, 2, 0), interpolation="nearest")
    else:
        axes.imshow(values[0], cmap=_GREY, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
