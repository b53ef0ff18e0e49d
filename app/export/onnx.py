"""ONNX files, compared with the run's model in a process that has ONNX Runtime and no torch."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..artifacts.runs import Run
from ..errors import Inexact, InputError
from . import comparing, programs
from .exported import Exported, Request
from .subject import BATCHES, Subject, subject

if TYPE_CHECKING:
    import onnx

OPSET = 20  # 18 is the oldest that torch writes without converting the graph
INPUTS, OUTPUTS = "inputs", "outputs"  # names in the graph
_MOST_BYTES = 2 * 1000**3  # of one file: protobuf allows 2 GiB
_SCRIPT = Path(__file__).with_name("onnx_outputs.py")


def onnx_file(run: Run, request: Request, path: Path) -> Exported:
    """Write one ONNX file whose metadata state the run. Raises InputError without the packages of the extra `onnx`."""
    require_packages()
    return write_onnx(subject(run, request), request, path)


def write_onnx(
    made: Subject, request: Request, path: Path, program: torch.export.ExportedProgram | None = None
) -> Exported:
    """Write a model as `onnx_file` does, from torch's graph if that is known.

    Raises InputError for a model of more than 2 GB.
    """
    _require_small(made)
    # torch's graph comes first, since the ONNX exporter would fall back to a fixed batch
    model = graph(program or programs.traced(made, request), request)
    for name, text in made.facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, text
    path.write_bytes(model.SerializeToString())
    with tempfile.TemporaryDirectory(prefix="isoscale-onnx-") as folder:
        found = computed(path, {batch: made.inputs(batch) for batch in BATCHES}, Path(folder))
    return comparing.compared(made, request, lambda inputs: found[len(inputs)])


def graph(program: torch.export.ExportedProgram, request: Request) -> onnx.ModelProto:
    """Return a graph of torch as one of ONNX."""
    from onnxscript import optimizer

    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with programs.blamed(request), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = torch.onnx.export(
                program, (), input_names=[INPUTS], output_names=[OUTPUTS], dynamo=True, verbose=False,
                opset_version=request.opset or OPSET, optimize=False,
            )  # fmt: skip
            assert written is not None
            # the exporter's optimiser would also remove `+ 1e-8`, which it takes for `+ 0`
            optimizer.fold_constants(written.model)
            optimizer.remove_unused_nodes(written.model)
    finally:
        noisy.setLevel(level)
    model = written.model_proto
    _clean(model)
    return model


def _clean(model: onnx.ModelProto) -> None:
    """Name the batch's dimension, and remove what torch notes of this machine: source files and lines of each node."""
    graph = model.graph
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if batch in dim.dim_param:
                dim.dim_param = dim.dim_param.replace(batch, "batch")


def computed(path: Path, inputs: dict[int, Tensor], folder: Path) -> dict[int, Tensor]:
    """Return the outputs of an ONNX file for each batch, from a process without torch. Raises Inexact if it fails."""
    arrays: dict[str, Any] = {str(batch): tensor.numpy() for batch, tensor in inputs.items()}
    np.savez(folder / "inputs.npz", **arrays)
    words = [sys.executable, "-P", str(_SCRIPT), str(path), str(folder / "inputs.npz"), str(folder / "outputs.npz")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        why = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise Inexact(f"ONNX Runtime cannot run the exported file ({why}). Nothing was written. Use another --opset, "
                      "or another --format")  # fmt: skip
    with np.load(folder / "outputs.npz") as found:
        return {int(batch): torch.from_numpy(found[batch]) for batch in found.files}


def require_packages() -> None:
    """Raise InputError unless the packages of the extra `onnx` are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--format onnx needs the package {error.name}, which is not installed. Install the extra `onnx` with "
            "`pip install onnx onnxscript onnxruntime`, or use --format pt2"
        ) from None


def _require_small(made: Subject) -> None:
    size = sum(tensor.nbytes for tensor in made.module.state_dict().values())
    if size > _MOST_BYTES:
        raise InputError(
            f"the model has {size:,} bytes of weights, but an ONNX file may have {_MOST_BYTES:,}. Use --format pt2"
        )
