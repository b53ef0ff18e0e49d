"""What `<stem>.json` says of a run besides its results: the resolved config, what it costs, where it was made."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..config.run import RunConfig
from ..counts import family_of
from ..data.sources.source import Ask
from ..data.splits.division import Splits
from ..errors import Damaged
from ..system.durable import replacing
from .paths import RunFiles

_LIBRARIES = ("torch", "numpy", "datasets", "huggingface_hub", "safetensors")


def new(config: RunConfig, *, ask: Ask, manifest: Mapping[str, Any], splits: Splits, command: str) -> dict[str, Any]:
    """The record of a run before its first step."""
    family, total = family_of(config.model), config.parameters
    return {
        "run_id": config.run_id,
        "status": "running",
        "model": config.model,
        "size": config.size,
        "dataset": config.dataset,
        "started": now(),
        "command": command,
        "config": config.to_json(),
        "parameters": {"total": total, "non_embedding": total - family.embedding_parameters(config.shape)},
        "flops_per_image": family.flops(config.shape),
        "tokens": config.tokens,
        "data": {
            "hub": ask.hub,
            "path": ask.path,
            "version": manifest["version"],
            "class_names": manifest["class_names"],
            "unlabelled_rows": manifest["unlabelled"],
            "licence": ask.row.licence if ask.row else manifest["licence"],
            "warning": "; ".join(filter(None, (ask.row.warning if ask.row else "", *manifest.get("notes", ())))),
            **_files(ask, manifest),
            **splits.record,
        },
        "versions": {"isoscale": __version__, "python": platform.python_version()}
        | {library: version(library.replace("_", "-")) for library in _LIBRARIES},
        "commit": _commit(),
        "places": [],
    }


def _files(ask: Ask, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """How files of fields and signals were read, and which of them were left out."""
    if not ask.reading:
        return {}
    about = {"design": ask.design, "filelist": ask.filelist, "left_out": manifest["left_out"]}
    return about | {"reading": dataclasses.asdict(ask.reading), "inputs": manifest["array"]}


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _commit() -> str | None:
    """The commit of this program: what its image was built from, or its checkout's, `-dirty` where it was changed."""
    if built_from := os.environ.get("ISOSCALE_COMMIT"):
        return built_from
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def save_splits(files: RunFiles, splits: Splits) -> None:
    """Keeps which published rows were train, validation and test."""
    import pyarrow as pa
    from pyarrow import parquet

    named = {"train": splits.train, "val": splits.val, "test": splits.test}
    codes = np.repeat(np.arange(len(named), dtype=np.int32), [len(split.rows) for split in named.values()])
    rows = np.concatenate([split.rows for split in named.values()])
    ends = np.cumsum([0, *map(len, named)], dtype=np.int32)
    names = _arrow(pa.string(), len(named), ends, np.frombuffer("".join(named).encode(), np.uint8))
    split = pa.DictionaryArray.from_arrays(_arrow(pa.int32(), len(codes), codes), names)
    table = pa.Table.from_arrays([split, _arrow(pa.int64(), len(rows), rows)], names=["split", "row"])
    with replacing(files.splits) as aside:
        parquet.write_table(table, aside)


def _arrow(kind: Any, length: int, *buffers: np.ndarray) -> Any:
    """An Arrow array over numpy's memory; `pa.array` would import pandas, half a second before the first step."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, buffers)])


def test_rows(files: RunFiles) -> np.ndarray:
    """The test rows that a run was made for; raises Damaged when their file is missing or damaged."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        table = parquet.read_table(files.splits)
        return table.filter(pc.equal(table["split"], "test"))["row"].to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise Damaged(f"the split file {files.splits} is damaged; evaluate with --again makes it anew") from error
