"""Files of torch: programs of torch.export (.pt2), and TorchScript (.pt)."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..artifacts.runs import Run
from ..errors import Explained, InputError, failure_of
from . import comparing
from .exported import Exported, Request
from .subject import Subject, subject

_FACTS = "isoscale.json"  # the extra file of torch's archives
_SPECIALISED = "your code specialized it to be a constant"  # how torch says that a batch is fixed
_FIXED = "its forward fixes the batch size, for example by `len(x)`, where `x.shape[0]` does not"


def traced(made: Subject, request: Request) -> torch.export.ExportedProgram:
    """Return the model as a graph whose batch is dynamic. Raises InputError if its code fixes the batch."""
    batch = torch.export.Dim("batch", min=1)
    with blamed(request), torch.no_grad():
        program = torch.export.export(made.module, (made.inputs(2),), dynamic_shapes=({0: batch},))
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
    facts = {_FACTS: comparing.written(made.facts)}
    torch.export.save(program or traced(made, request), buffer := io.BytesIO(), extra_files=facts)
    path.write_bytes(buffer.getbuffer())  # torch would abort the process if the disk is full
    with path.open("rb") as file:
        loaded = torch.export.load(file).module()
    return comparing.compared(made, request, loaded)


def torchscript(run: Run, request: Request, path: Path) -> Exported:
    """Write a trace in TorchScript, which `torch.jit.load(path)` loads without this package."""
    return write_torchscript(subject(run, request), request, path)


def write_torchscript(made: Subject, request: Request, path: Path) -> Exported:
    """Write a model as `torchscript` does."""
    facts = {_FACTS: comparing.written(made.facts)}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated; wrong constants in a trace are found by the comparison
        with blamed(request):
            trace = torch.jit.trace(made.module, (made.inputs(2),), check_trace=False)
            torch.jit.save(trace, buffer := io.BytesIO(), _extra_files=facts)
        _write_without_sources(buffer, path)
        loaded = torch.jit.load(str(path))
    with blamed(request, _FIXED):  # other batches than the traced one
        return comparing.compared(made, request, loaded)


def _write_without_sources(archive: io.BytesIO, path: Path) -> None:
    """Write an archive of TorchScript without its records of source files, which contain paths of this machine."""
    with zipfile.ZipFile(archive) as read, zipfile.ZipFile(path, "w") as written:
        for entry in read.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                written.writestr(entry, read.read(entry))


@contextmanager
def blamed(request: Request, reason: str = "") -> Iterator[None]:
    """Raise InputError for what torch or a model's code raises, since such a model has no file of this format.

    The message has `reason`, or that of the error. A full disk and a lack of memory stay what they are.
    """
    try:
        yield
    except (Explained, OSError):
        raise
    except Exception as error:
        if failure_of(error):
            raise
        why = reason or _reason(error)
        raise InputError(
            f"this model cannot be exported to {request.format} ({why}). Use another --format, or change the model"
        ) from error


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:  # the exporters wrap the error that has the reason
        error = error.__cause__
    if _SPECIALISED in str(error):
        return _FIXED
    said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    kind = "" if said and isinstance(error, RuntimeError | ValueError) else type(error).__name__
    return ": ".join(part for part in (kind, said) if part)
