"""Files of `torch.save`, above all patterns {'X', 'Y'}: the only place that reads and writes `.pt`.

A file is read as plain tensors. A file that would execute code when read is refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...system import durable
from ...system.printable import printable

if TYPE_CHECKING:
    from torch import Tensor


def write(path: Path, patterns: np.ndarray, labels: np.ndarray) -> None:
    """Write patterns (N, L) as X [N, 1, L] and labels (N,) as Y, completely or not at all.

    The same data are always written as the same bytes.
    """
    import torch

    held = {"X": torch.from_numpy(patterns[:, None]), "Y": torch.from_numpy(labels)}
    save(path, held, wanted=patterns.nbytes + labels.nbytes)


def save(path: Path, held: Tensor | Mapping[str, Tensor], *, wanted: int = 0) -> None:
    """Write a plain tensor, or several by name, completely or not at all, always as the same bytes.

    `wanted` is in bytes.
    """
    import torch

    with durable.replacing(path, wanted=wanted) as aside, aside.open("wb") as file:
        torch.save(held, file)  # into an open file, because the bytes would contain the name of a path


def read(file: Path, *, mapped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return patterns float (N, L) and labels int64 (N,) of a file, memory-mapped if `mapped`.

    X is [N, L] or [N, 1, L], Y is [N] or [N, 1]. Their values are not checked. Raises InputError for other contents.
    """
    held, name = load(file, mapped=mapped), printable(file.name)
    if not isinstance(held, Mapping) or not {"X", "Y"} <= set(held):
        raise InputError(f"{name} does not contain patterns X and labels Y. Save a .pt file with {{'X': X, 'Y': Y}}")
    patterns, labels = _plain_array(held["X"], name, "X", file), _plain_array(held["Y"], name, "Y", file)
    if patterns.dtype.kind != "f":
        raise InputError(f"{name}: X is {patterns.dtype}. Use floating-point numbers")
    if labels.dtype.kind not in "iu":
        raise InputError(f"{name}: Y is {labels.dtype}. Use whole numbers")
    if patterns.ndim == 3 and patterns.shape[1] == 1:
        patterns = patterns[:, 0]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if patterns.ndim != 2 or labels.shape != patterns.shape[:1]:
        raise InputError(
            f"{name}: X {patterns.shape} and Y {labels.shape} have the wrong shapes. Use [N, L] or [N, 1, L] for X "
            "and [N] for Y"
        )
    if 0 in patterns.shape:
        raise InputError(f"{name} contains no patterns: X is {patterns.shape}. Add rows")
    return patterns, labels.astype(np.int64)


def pattern_files(path: Path) -> list[Path]:
    """Return the file, or the `.pt` files in a folder that may contain patterns, sorted by name."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.glob("*.pt") if file.name != "mapping.pt" and not file.name.startswith("."))


def load(file: Path, *, mapped: bool = False) -> Any:
    """Return the contents of a file without executing any of it.

    Raises InputError for a damaged file, and for anything that is not plain.
    """
    import torch

    if not file.exists():
        raise InputError(f"{printable(str(file))} does not exist. Check the path")
    if not file.is_file():
        raise InputError(f"{printable(str(file))} is a pipe, a device or a folder. Give a regular file")
    if not mapped:
        _require_sums(file)
    try:
        try:
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
        except RuntimeError:
            if not mapped:
                raise
            return torch.load(file, map_location="cpu", weights_only=True)  # an older format, which cannot be mapped
    except UnpicklingError as error:
        raise InputError(_not_plain(file)) from error
    except Exception as error:  # a reader meets damage with whatever it stumbled over
        raise InputError(
            f"{printable(file.name)} is not a complete .pt file ({type(error).__name__}). Copy or save it again"
        ) from error


def arrays(file: Path) -> dict[str, np.ndarray]:
    """Return the tensors and numpy arrays of a file by name, without executing any of it.

    Only numpy's constructors of arrays are allowed. Raises InputError for a damaged file, and for anything else in it.
    """
    import torch

    name = printable(file.name)
    with torch.serialization.safe_globals(_of_arrays()):
        held = load(file)
    if not isinstance(held, Mapping) or not held:
        raise InputError(f"{name} contains no arrays by name. Give another file")
    return {
        str(key): value if isinstance(value, np.ndarray) else _plain_array(value, name, printable(str(key)), file)
        for key, value in held.items()
    }


def _not_plain(file: Path) -> str:
    """Return the error text for a file that is not plain tensors, and how to save it.

    numpy's arrays can be inspected, because they execute nothing when read.
    """
    import torch

    name = printable(file.name)
    try:
        with torch.serialization.safe_globals(_of_arrays()):
            held = torch.load(file, map_location="cpu", weights_only=True)
        arrays = [key for key, value in held.items() if isinstance(value, np.ndarray)]
    except Exception:  # the file contains more than arrays  # noqa: BLE001
        arrays = []
    if not arrays:
        return (
            f"{name} contains more than plain tensors, which is unsupported. Save only its tensors, by name, as "
            "another file: torch.save({'X': X, 'Y': Y}, FILE)"
        )
    keys = [printable(str(key)) for key in arrays]
    said = " and ".join(keys)
    what = "is a numpy array and not a tensor" if len(keys) == 1 else "are numpy arrays and not tensors"
    pairs = ", ".join(f"'{key}': torch.from_numpy({key})" for key in keys)
    return f"{name}: {said} {what}, which is unsupported. Save tensors: torch.save({{{pairs}}}, '{name}')"


def _of_arrays() -> list[Any]:
    """Return the names in numpy's pickled arrays: constructors of arrays and of the types of numbers."""
    kinds = [kind for kind in vars(np.dtypes).values() if isinstance(kind, type)]
    rebuild: Any = np.zeros(0).__reduce__()[0]
    return [np.ndarray, np.dtype, rebuild, (rebuild, "numpy.core.multiarray._reconstruct"), *kinds]


def _require_sums(file: Path) -> None:
    """Raise InputError for a file that differs from its checksums, which torch does not compare."""
    if not zipfile.is_zipfile(file):  # an older format, which has no checksums
        return
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a reader meets damage with whatever it stumbled over
        raise InputError(
            f"{printable(file.name)} is not a complete .pt file ({type(error).__name__}). Copy or save it again"
        ) from error
    if damaged:
        raise InputError(
            f"{printable(file.name)} is damaged: {printable(damaged)} does not match its checksum. Copy or save it "
            "again"
        )


def _plain_array(tensor: Any, name: str, part: str, file: Path) -> np.ndarray:
    """Return a tensor as an array over the same memory.

    Raises InputError for other objects, and for a tensor that is larger than its file.
    """
    import torch

    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"{name}: {part} is not a dense tensor. Save it as one")
    if tensor.numel() * tensor.element_size() > file.stat().st_size:
        raise InputError(f"{name}: {part} claims more numbers than its file contains. Copy or save the file again")
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    try:
        return tensor.detach().numpy()
    except (TypeError, RuntimeError) as error:
        raise InputError(
            f"{name}: {part} has the unsupported type {tensor.dtype}. Save it as float32 or int64"
        ) from error
