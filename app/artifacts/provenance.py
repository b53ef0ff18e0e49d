"""The provenance of a run: the record before its first step, with versions, commit and facts of its data."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from .. import __version__
from ..config.run import RunConfig
from ..data.sources.source import Ask
from ..data.splits.division import Splits
from ..data.store.manifest import Manifest
from ..system import checkout
from ..system.printable import without_secrets
from ..tables import own
from .parts import Code, DataRecord, Execution, Parameters, Place, Schedule, part
from .record import FORMAT, Record

_LIBRARIES = ("torch", "numpy", "datasets", "huggingface_hub", "safetensors")


def begun(
    config: RunConfig, *, ask: Ask, manifest: Manifest, splits: Splits, command: str, execution: Execution,
    schedule: Schedule,
) -> Record:  # fmt: skip
    """Return the record of a run before its first step, without places."""
    family, total = config.family, config.parameters
    return Record(
        format=FORMAT,
        run_id=config.run_id,
        status="running",
        model=config.model,
        size=config.size,
        dataset=config.dataset,
        started=now(),
        command=without_secrets(command),
        config=config.to_json(),
        code=_code(config),
        parameters=Parameters(total=total, non_embedding=total - family.embedding_parameters(config.shape)),
        flops_per_image=family.flops(config.shape),
        tokens=config.tokens,
        data=_data(ask, manifest, splits),
        versions=versions(),
        commit=commit(),
        places=[],
        execution=execution,
        schedule=schedule,
    )


def _code(config: RunConfig) -> Code | None:
    """Return the file of a user's own model, or None for any other model."""
    if config.model_sha256 is None:
        return None
    model = own.require(config.model, config.model_sha256)
    return Code(name=model.name, path=model.path, sha256=model.sha256, source=model.source)


def versions() -> dict[str, str]:
    """Return the versions of isoscale, Python and the libraries that compute a run, as they are now."""
    libraries = {library: version(library.replace("_", "-")) for library in _LIBRARIES}
    return {"isoscale": __version__, "python": platform.python_version()} | libraries


def place(described: Mapping[str, Any], *, from_step: int, execution: Execution) -> Place:
    """Return the machine that computes from a step on, as `Place.describe` describes it."""
    return part(Place, {**described, "from_step": from_step, "started": now(), "execution": execution})


def _data(ask: Ask, manifest: Manifest, splits: Splits) -> DataRecord:
    return part(
        DataRecord,
        {
            "hub": ask.hub,
            "path": ask.path,
            "version": manifest.version,
            "class_names": manifest.class_names,
            "unlabelled_rows": manifest.unlabelled,
            "licence": ask.row.licence if ask.row else manifest.licence,
            "warning": "; ".join(filter(None, (ask.row.warning if ask.row else "", *(manifest.notes or ())))),
            **_files(ask, manifest),
            **splits.record,
        },
    )


def _files(ask: Ask, manifest: Manifest) -> dict[str, Any]:
    """Return how files of fields and signals were read, what images were converted, and what could not be read."""
    if not ask.reading:
        images = {"pixels": manifest.pixels and msgspec.to_builtins(manifest.pixels), "left_out": manifest.left_out}
        return {name: value for name, value in images.items() if value}
    about = {"design": ask.design, "filelist": ask.filelist, "left_out": manifest.left_out or []}
    return about | {"reading": dataclasses.asdict(ask.reading), "inputs": msgspec.to_builtins(manifest.array)}


def now() -> str:
    """Return the time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def commit() -> str | None:
    """Return the commit that the program's image was built from, or its checkout's, `-dirty` if it was changed."""
    return os.environ.get("ISOSCALE_COMMIT") or checkout.commit()
