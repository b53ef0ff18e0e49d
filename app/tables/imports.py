"""Imports of a user's file. Code outside the file is refused unless it is installed: the run ID does not cover it."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..errors import InputError

MODULE = "isoscale_own_"  # before the name of the module that a user's file becomes
_INSTALLED = {"site-packages", "dist-packages"}  # folders of installed packages, also of other prefixes
_DO = (
    "which is not part of the run ID. Put all code of the model into one file, or into a package that is installed "
    "(without --editable)"
)


def require_installed(path: str, tree: ast.Module) -> None:
    """Raise InputError for an import of code that is neither installed nor in the file. Nothing is imported."""
    for line, name in _named(tree):
        if where := ("a neighbouring file" if name.startswith(".") else _where(path, name.split(".")[0])):
            raise InputError(f"{path}, line {line}: {name} is imported from {where}, {_DO}")


@contextmanager
def watched(path: str) -> Iterator[None]:
    """Raise InputError if the code of a file imports such a module in the context, for example by a computed name.

    The module is forgotten, so that a second attempt imports it, and is refused, too.
    """
    before = {*sys.modules}
    try:
        yield
    finally:
        new = [name for name in [*sys.modules] if name not in before and not name.startswith(MODULE)]
        found = {name: where for name in new if (where := _outside(sys.modules.get(name)))}
        for name in found:
            del sys.modules[name]
    for name, where in found.items():
        raise InputError(f"{path} imports {name} from {where}, {_DO}")


def require_values(path: str, values: Mapping[str, Any]) -> None:
    """Raise InputError for a value of such a module, which the process had imported before it ran the file.

    `values` are those of the file's own module.
    """
    for name, value in values.items():
        module = sys.modules.get(value.__module__) if isinstance(value, type | FunctionType) else value
        if getattr(module, "__dict__", None) is not values and (where := _outside(module)):
            raise InputError(f"{path}: {name} is from {where}, {_DO}")


def _named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of each import of a file. A relative one begins with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)


def _where(path: str, name: str) -> str | None:
    """Return from where a top-level name would be imported, or None if it is installed or there is no such module."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):  # a module that something put among the imported ones
        return f"the module {name} of this process"
    if spec is None:
        return _neighbour(path, name)
    if spec.origin in ("built-in", "frozen"):
        return None
    return _first_outside([spec.origin] if spec.origin else [*(spec.submodule_search_locations or ())])


def _neighbour(path: str, name: str) -> str | None:
    """Return a file or folder of a name that the file could import after a change of `sys.path`."""
    for folder in (Path(path).expanduser().parent, Path.cwd(), *map(Path, sys.path[:1])):
        if (folder / f"{name}.py").exists():
            return f"{folder / name}.py"
        if next((folder / name).rglob("*.py"), None):
            return str(folder / name)
    return None


def _outside(module: object) -> str | None:
    """Return the file or folder of an imported module that is not installed, or None for anything else.

    Modules without a file are made by code that is judged where it is. Compiled extensions are not judged, because
    torch builds some from a text in the user's file.
    """
    if not isinstance(module, ModuleType):
        return None
    values = vars(module)  # without the attributes that a lazy module computes
    file = values.get("__file__")
    places = [file] if isinstance(file, str) else [each for each in values.get("__path__", ()) if isinstance(each, str)]
    return _first_outside([each for each in places if Path(each).is_absolute() and not _is_extension(each)])


def _is_extension(place: str) -> bool:
    return place.endswith(tuple(EXTENSION_SUFFIXES))


def _first_outside(places: list[str]) -> str | None:
    return next((each for each in places if not _is_installed(each)), None)


def _is_installed(place: str) -> bool:
    found = Path(os.path.realpath(place))
    return bool(_INSTALLED & {*found.parts}) or any(found.is_relative_to(root) for root in _roots())


@cache
def _roots() -> tuple[Path, ...]:
    """Return the folders of the standard library, of isoscale, and of torch, which may be built from source."""
    places = [sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED"), Path(__file__).parents[1]]
    if torch := find_spec("torch"):
        places += torch.submodule_search_locations or []
    return tuple(Path(os.path.realpath(each)) for each in places if each)
