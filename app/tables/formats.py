"""The formats that a run is exported to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FormatRow:
    """One format: its name, what it writes, and the options of `export` that apply to it."""

    name: str
    title: str
    ending: str  # of the file; empty for a folder
    options: tuple[str, ...] = ()  # of --preprocess, --softmax, --opset and --runtime


FORMATS = {
    row.name: row
    for row in (
        FormatRow(name="onnx", title="ONNX", ending=".onnx", options=("preprocess", "softmax", "opset")),
        FormatRow(name="pt2", title="a program of torch.export", ending=".pt2", options=("preprocess", "softmax")),
        FormatRow(name="torchscript", title="TorchScript", ending=".pt", options=("preprocess", "softmax")),
        FormatRow(name="timm", title="a folder for timm", ending=""),
        FormatRow(name="transformers", title="a folder for transformers", ending=""),
        FormatRow(name="web", title="a page that classifies images", ending=".html", options=("opset", "runtime")),
    )
}
