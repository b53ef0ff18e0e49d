"""A saved state on disk: its manifest `state-<step>.json` with digests of its files, and what resuming needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from ..system.durable import seal, text, write_text
from .parts import Best, Number, Part


class BestWeights(Best, kw_only=True):
    """The best epoch so far, and the file of its weights in the state's folder."""

    file: str


class Facts(Part, kw_only=True):
    """What a run knows at the end of a step, besides its tensors."""

    best: BestWeights | None
    log_bytes: int
    log_sha256: str
    seconds: Number  # of training, in all processes
    waiting: Number | None = None  # seconds of these; states of earlier versions lack this and the next three
    validation: Number | None = None
    energy_kwh: Number | None = None  # since this process began
    peak_bytes: int | None = None
    optimizer: dict[str, Any] | None = None  # the trees of an optimiser's state that are not dicts of tensors


class Manifest(Part, kw_only=True):
    """A complete state. The manifest is written last."""

    step: int
    facts: Facts
    files: dict[str, str]  # name in the folder -> sha256


def write(path: Path, manifest: Manifest) -> None:
    """Write a manifest with its seal."""
    content = msgspec.to_builtins(manifest)
    write_text(path, json.dumps(content | {"seal": seal(content)}))


def read(path: Path) -> Manifest | None:
    """Return a state's manifest; None if it is missing, or not as it was written."""
    try:
        content: dict[str, Any] = json.loads(text(path))
        given = content.pop("seal")
        return msgspec.convert(content, Manifest) if given == seal(content) else None
    except (
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
    ):  # msgspec's errors are ValueErrors
        return None


def manifests(folder: Path) -> list[Path]:
    """Return the paths of the manifests in a state's folder, newest first; nothing is opened."""
    found = [path for path in folder.glob("state-*.json") if path.stem.removeprefix("state-").isdecimal()]
    return sorted(found, key=step_of, reverse=True)


def step_of(manifest: Path) -> int:
    """Return the step of a manifest, by its name."""
    return int(manifest.stem.removeprefix("state-"))
