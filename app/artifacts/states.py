"""A saved state on disk: its manifest `state-<step>.json`, digests of its files, and the facts for resuming."""

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


class LossScale(Part, kw_only=True):
    """The scale of the loss of a run in fp16, and the steps since it last changed."""

    scale: Number
    steps: int


class Facts(Part, kw_only=True):
    """The facts of a run at the end of a step, in addition to its tensors."""

    best: BestWeights | None
    log_bytes: int
    log_sha256: str
    seconds: Number  # of training, in all processes
    waiting: Number | None = None  # of these seconds; earlier versions lack this and the next three
    validation: Number | None = None
    energy_kwh: Number | None = None  # since this process started
    peak_bytes: int | None = None
    optimizer: dict[str, Any] | None = None  # the trees of an optimiser's state that are not dicts of tensors
    scaler: LossScale | None = None  # of a run in fp16


class Manifest(Part, kw_only=True):
    """The manifest of a complete state. It is written last."""

    step: int
    facts: Facts
    files: dict[str, str]  # name in the folder -> sha256


def write(path: Path, manifest: Manifest) -> None:
    """Write a manifest with its seal."""
    content = msgspec.to_builtins(manifest)
    write_text(path, json.dumps(content | {"seal": seal(content)}))


def read(path: Path) -> Manifest | None:
    """Return a state's manifest, or None if it is missing or does not match its seal."""
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
    """Return the paths of the manifests in a state's folder, newest first. No file is opened."""
    found = [path for path in folder.glob("state-*.json") if path.stem.removeprefix("state-").isdecimal()]
    return sorted(found, key=step_of, reverse=True)


def step_of(manifest: Path) -> int:
    """Return the step of a manifest, from its name."""
    return int(manifest.stem.removeprefix("state-"))
