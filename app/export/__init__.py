"""Export of a finished run to files that load without isoscale. Each is checked against the run before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..artifacts.runs import Run
from ..tables.formats import FORMATS
from . import destinations, onnx, programs, timm, transformers, web
from .exported import Exported, Request

# Each function writes a run to a path that does not exist yet, checks it, and raises an error if it may not be kept.
WRITERS: dict[str, Callable[[Run, Request, Path], Exported]] = {
    "onnx": onnx.onnx_file,
    "pt2": programs.pt2,
    "torchscript": programs.torchscript,
    "timm": timm.timm,
    "transformers": transformers.transformers,
    "web": web.page,
}


def export(run: Run, request: Request, out: Path | None, *, force: bool = False) -> Exported:
    """Write a finished run to `out` and return what was written. Nothing is written unless every check passes.

    The default of `out` is the run's stem with the format's ending, in the current folder. A path that exists is
    replaced only with `force`. Raises InputError for a request that the run or the format cannot fulfil, and Inexact
    if the exported model computes other outputs than the run's model.
    """
    request.require()
    run.require_done()
    request.which.require(run)
    run.require_whole(request.which.file)
    target = out or destinations.default(run, request)
    destinations.require_free(run, target, request, force=force)
    with destinations.placed(target, folder=not FORMATS[request.format].ending) as aside:
        found = WRITERS[request.format](run, request, aside)
        found.bytes = destinations.size(aside)
    found.path = target
    return found
