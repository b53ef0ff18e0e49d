"""Files of torch: programs of torch.export (.pt2), and TorchScript (.pt)."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import torch

from ..artifacts.runs import Run
from ..errors import InputError, first_line
from . import comparing
from .exported import Exported, Request
from .subject import Subject, subject

_FACTS = "isoscale.json"  # the extra file of torch's archives


def traced(made: Subject, request: Request) -> torch.export.ExportedProgram:
    """Return the model as a graph whose batch is dynamic. Raises InputError if its code fixes the batch."""
    batch = torch.export.Dim("batch", min=1)
    try:
        with torch.no_grad():
            program = torch.export.export(made.module, (made.inputs(2),), dynamic_shapes=({0: batch},))
    except (RuntimeError, ValueError) as error:
        raise not_exported(error, request) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which would be written
    return program


def pt2(run: Run, request: Request, path: Path) -> Exported:
    """Write a program of torch.export, which `torch.export.load(path).module()` loads without this package."""
    return write_pt2(subject(run, request), request, path)


def write_pt2(
    made: Subject, request: Request, path: Path, program: torch.export.ExportedProgram | None = None
) -> Exported:
    """Write a model as `pt2` does, from its graph if that is known."""
    with path.open("wb") as file:
        torch.export.save(program or traced(made, request), file, extra_files={_FACTS: comparing.written(made.facts)})
    with path.open("rb") as file:
        loaded = torch.export.load(file).module()
    return comparing.compared(made, request, loaded)


def torchscript(run: Run, request: Request, path: Path) -> Exported:
    """Write a trace in TorchScript, which `torch.jit.load(path)` loads without this package."""
    return write_torchscript(subject(run, request), request, path)


def write_torchscript(made: Subject, request: Request, path: Path) -> Exported:
    """Write a model as `torchscript` does."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated; wrong constants in a trace are found by the comparison
        try:
            trace = torch.jit.trace(made.module, (made.inputs(2),), check_trace=False)
        except RuntimeError as error:
            raise not_exported(error, request) from error
        torch.jit.save(trace, buffer := io.BytesIO(), _extra_files={_FACTS: comparing.written(made.facts)})
        _write_without_sources(buffer, path)
        loaded = torch.jit.load(str(path))
    return comparing.compared(made, request, loaded)


def _write_without_sources(archive: io.BytesIO, path: Path) -> None:
    """Write an archive of TorchScript without its records of source files, which contain paths of this machine."""
    with zipfile.ZipFile(archive) as read, zipfile.ZipFile(path, "w") as written:
        for entry in read.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                written.writestr(entry, read.read(entry))


def not_exported(error: Exception, request: Request) -> InputError:
    """Return the error for a model that torch cannot write in a format."""
    reason = first_line(error) or (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(f"this model cannot be exported to {request.format} ({reason}). Use another --format")
