"""The names of the files of a cache folder."""

from __future__ import annotations

_INPUTS = {"uint8": "images.u8", "float32": "inputs.f32", "float16": "inputs.f16"}
DECISIVE = (*_INPUTS.values(), "-labels.npy", "-rows.npy", "-groups.npy")  # endings of a run's training and test files


def files_list(split: str) -> str:
    """Return the name of the file that lists the files of a split's rows, as JSON."""
    return f"{split}-files.json"


def inputs_file(split: str, dtype: str) -> str:
    """Return the name of the file that contains a split's inputs."""
    return f"{split}-{_INPUTS[dtype]}"
