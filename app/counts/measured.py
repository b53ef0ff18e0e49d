"""Counts of what timm builds: measured on the meta device, once for each shape, and remembered in the cache folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..tables.families import FAMILIES
from ..tables.models import ModelRow
from ..tables.shape import Shape
from . import zoo

_CODE = ("builders.py", "meta.py")  # beside this file: what a remembered count depends on


@dataclass(frozen=True)
class Measured:
    """The counts of one model of timm's, for all that reads closed forms of a shape; torch is imported for new ones.

    Raises InputError for a model that timm does not build.
    """

    row: ModelRow

    def check(self, shape: Shape) -> None:
        """Raise InputError for a shape that cannot be built."""
        zoo.CHECKS[self.row.family](shape)

    def parameters(self, shape: Shape) -> int:
        """Return the trainable parameters."""
        return int(self._found("parameters", shape))

    def embedding_parameters(self, shape: Shape) -> int:
        """Return the parameters of the patch embedding, the positions and the tokens that are learned."""
        counts = self._counts(shape)
        return counts["parameters"] - counts["non_embedding"]

    def flops(self, shape: Shape) -> int:
        """Return the floating-point operations of one image's forward pass, 2 per multiply-add."""
        return self._counts(shape)["flops"]

    def tokens(self, shape: Shape) -> int:
        """Return the tokens that a block sees, 1 where there are none."""
        return self._counts(shape)["tokens"]

    def activation_bytes(self, shape: Shape, *, maps_kept: bool = False, checkpointing: bool = False) -> int:  # noqa: ARG002
        """Return the bytes that autograd keeps of one image in float32; timm's models have one path."""
        return self._counts(shape)["activation_bytes"]

    def _counts(self, shape: Shape) -> Mapping[str, int]:
        found: Mapping[str, int] = self._found("counts", shape)
        return found

    def _found(self, what: str, shape: Shape) -> Any:
        names = ("image", "channels", "classes", *FAMILIES[self.row.family].cells)
        return _found(what, self.row.family, self.row.name, tuple((name, getattr(shape, name)) for name in names))


@cache
def _found(what: str, family: str, model: str, cells: tuple[tuple[str, Any], ...]) -> Any:
    """What is counted of a model's shape: from this process, from the cache folder, or measured now."""
    from ..system.home import remembered

    key = {"model": model, **dict(cells), **_versions()}
    return remembered(what, key, lambda: _measure(what, family, model, dict(cells)))


def _measure(what: str, family: str, model: str, cells: Mapping[str, Any]) -> Any:
    from . import builders, meta

    build = partial(builders.constructor(family, model), **cells)
    if what == "parameters":
        return meta.parameters(build)
    return dataclasses.asdict(meta.counted(build, cells["channels"], cells["image"]))


@cache
def _versions() -> dict[str, str]:
    """What a count depends on in addition to the shape; read without an import of either."""
    import hashlib

    found = {name: _version(name) for name in ("timm", "torch")}
    code = b"".join(Path(__file__).with_name(name).read_bytes() for name in _CODE)
    return found | {"code": hashlib.sha256(code).hexdigest()[:16]}


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # a tenth of the time that `--help` takes

    try:
        return version(package)
    except PackageNotFoundError:  # a checkout on the path
        return ""
