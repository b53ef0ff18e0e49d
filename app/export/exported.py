"""What is asked of an export, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..artifacts.which import FINAL, Which
from ..errors import InputError
from ..tables.formats import FORMATS
from ..tables.ranges import check_known


@dataclass(frozen=True, kw_only=True)
class Request:
    """A format, the weights, and the choices that some formats have."""

    format: str
    which: Which = FINAL
    preprocess: bool = False  # accept uint8 images at the stored side, and resize and normalise them
    softmax: bool = False  # return probabilities instead of logits
    opset: int | None = None  # of ONNX
    runtime: Path | None = None  # the folder of onnxruntime-web

    def given(self) -> list[str]:
        """Return the names of the options that differ from their default."""
        values = {"preprocess": self.preprocess, "softmax": self.softmax, "opset": self.opset is not None}
        values |= {"runtime": self.runtime is not None}
        return [name for name, value in values.items() if value]

    def require(self) -> None:
        """Raise InputError for an unknown format, and for an option that has no effect on the format."""
        check_known("--format", self.format, FORMATS)
        row = FORMATS[self.format]
        for name in self.given():
            if name not in row.options:
                valid = " or ".join(each.name for each in FORMATS.values() if name in each.options)
                raise InputError(f"--{name} has no effect on --format {row.name}. Omit it, or use --format {valid}")


@dataclass(kw_only=True)
class Exported:
    """What was written, and how it compares with the run's model."""

    format: str
    error: float  # the largest difference of an output, relative to the largest output
    inputs: list[int]  # of one example: (C, H, W) or (C, L)
    dtype: str  # of the inputs
    output: str  # logits | probabilities | values
    batches: list[int] = field(default_factory=list)  # sizes at which it was compared
    note: str = ""  # what a reader should know about this file
    path: Path = Path()
    bytes: int = 0
