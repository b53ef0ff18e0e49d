"""What the files of a cache folder are called."""

from __future__ import annotations

_INPUTS = {"uint8": "images.u8", "float32": "inputs.f32", "float16": "inputs.f16"}
DECISIVE = (*_INPUTS.values(), "-labels.npy", "-rows.npy", "-groups.npy")  # endings of what a run learns from


def inputs_file(split: str, dtype: str) -> str:
    """Return the name of the file that contains a split's inputs."""
    return f"{split}-{_INPUTS[dtype]}"
