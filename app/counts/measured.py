"""Counts of the models that timm builds, measured once per shape on the meta device and stored in the cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..tables import own as files
from ..tables.families import FAMILIES
from ..tables.models import ModelRow
from ..tables.shape import Shape
from . import own, zoo

_CODE = ("builders.py", "meta.py", "own.py")  # in addition to this file: what a remembered count depends on
_META = "it cannot be counted on torch's meta device, where tensors have shapes and no values"


@dataclass(frozen=True)
class Measured:
    """The counts of one of timm's models, with the interface of the closed forms.

    torch is imported only for new shapes. Raises InputError for a model that timm does not build.
    """

    row: ModelRow

    def check(self, shape: Shape) -> None:
        """Raise InputError for a shape that cannot be built."""
        zoo.CHECKS[self.row.family](shape)

    def parameters(self, shape: Shape) -> int:
        """Return the trainable parameters."""
        return int(self._found("parameters", shape))

    def embedding_parameters(self, shape: Shape) -> int:
        """Return the parameters of the patch embedding, the positions and the learned tokens."""
        counts = self._counts(shape)
        return counts["parameters"] - counts["non_embedding"]

    def flops(self, shape: Shape) -> int:
        """Return the floating-point operations of one image's forward pass, 2 per multiply-add."""
        return self._counts(shape)["flops"]

    def tokens(self, shape: Shape) -> int:
        """Return the tokens of a block, or 1 if there are none."""
        return self._counts(shape)["tokens"]

    def activation_bytes(self, shape: Shape, *, maps_kept: bool = False, checkpointing: bool = False) -> int:  # noqa: ARG002
        """Return the bytes that autograd keeps of one image in float32. timm's models have only one path."""
        return self._counts(shape)["activation_bytes"]

    def _counts(self, shape: Shape) -> Mapping[str, int]:
        found: Mapping[str, int] = self._found("counts", shape)
        return found

    def _found(self, what: str, shape: Shape) -> Any:
        names = ("image", "channels", "classes", *FAMILIES[self.row.family].cells)
        cells = tuple((name, getattr(shape, name)) for name in names)
        return _found(what, self.row.family, self.row.name, cells, self._digest())

    def _digest(self) -> str:
        """Return the digest of the code that the counts depend on in addition to this version's."""
        return ""


@dataclass(frozen=True)
class Own(Measured):
    """The counts of a model of the user's file. Raises InputError if this process was not asked for the file.

    A check without the file passes: the configuration was checked with it when the run began.
    """

    def check(self, shape: Shape) -> None:
        """Raise InputError for keywords that the constructor lacks or needs, if its file is known."""
        if found := files.known(self.row.name):
            own.check(found, shape)

    def _digest(self) -> str:
        return files.require(self.row.name).sha256


@cache
def _found(what: str, family: str, model: str, cells: tuple[tuple[str, Any], ...], digest: str) -> Any:
    """Return a count of a model's shape: from this process, from the cache folder, or measured now."""
    from ..system.home import remembered

    key = {"model": model, **dict(cells), **_versions()} | ({"digest": digest} if digest else {})
    return remembered(what, key, lambda: _measure(what, family, model, dict(cells)))


def _measure(what: str, family: str, model: str, cells: Mapping[str, Any]) -> Any:
    from . import builders, meta

    make = own.constructor(model) if family == files.FAMILY else builders.constructor(family, model)
    build = partial(make, **cells)
    counting = own.blamed(files.require(model), _META) if family == files.FAMILY else nullcontext()
    with counting:
        if what == "parameters":
            return meta.parameters(build)
        return dataclasses.asdict(meta.counted(build, cells["channels"], cells["image"]))


@cache
def _versions() -> dict[str, str]:
    """Return what a count depends on besides the shape. Neither library is imported to read its version."""
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
