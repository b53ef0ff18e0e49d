"""Models of the user's own files: `FILE.py:NAME`, read as text. The file is not run here."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from . import imports

OWN = "own/"  # before the name of such a model, which is own/NAME-DIGEST
FAMILY = "own"
SIDE, LENGTH, CHANNELS, CLASSES, OUTPUTS, DROPOUT = "image", "length", "channels", "classes", "outputs", "dropout"
GIVEN = (SIDE, LENGTH, CHANNELS, CLASSES, OUTPUTS, DROPOUT)  # keywords that the data and the recipe set
_SPELLED = re.compile(r"(?P<path>.+\.py)(?::(?P<name>.*))?", re.DOTALL)
_NAMED = re.compile(rf"{OWN}(?P<name>[A-Za-z_]\w*)-(?P<digest>[0-9a-f]{{8}})", re.ASCII)
_MOST_BYTES = 1 << 18  # of a file, whose text the record of each of its runs contains
_MOST_CHARACTERS = 64  # of a name, which is part of file names
_CONTRACT = (
    "Its constructor takes, as keywords, `image` (a side in pixels, or height and width) or `length` (of a signal), "
    "`channels`, and `classes` (or `outputs` of a regression)"
)


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """A class or function of a file that builds a model, with the keywords of its constructor."""

    path: str  # as the user wrote it
    name: str
    source: str
    sha256: str  # of the file
    keywords: tuple[str, ...]
    required: tuple[str, ...]  # keywords without a default

    @property
    def model(self) -> str:
        """The model's name in configurations, records and folders, which depends on the file's content only."""
        return f"{OWN}{self.name}-{self.sha256[:8]}"

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


_READ: dict[str, OwnModel] = {}  # by model: the files that this process was asked for, whose code alone may run


def is_file(text: str) -> bool:
    """Return whether a model's name is spelled as a class or function of a file."""
    return bool(_SPELLED.fullmatch(text)) and not text.startswith("timm/")


def title(model: str) -> str | None:
    """Return the NAME in the name of a model of a file, or None for any other name."""
    found = _NAMED.fullmatch(model)
    return found["name"] if found else None


def read(text: str) -> OwnModel:
    """Return the model that `FILE.py:NAME` names. Raises InputError for a file that does not contain such a model."""
    spelled = _SPELLED.fullmatch(text)
    assert spelled, "ask `is_file` first"
    path = spelled["path"]
    content = _content(path)
    tree = _tree(path, content)
    imports.require_installed(path, tree)
    found = _definition(path, spelled["name"] or "", tree)
    keywords, required = _keywords(f"{path}:{found.name}", found)
    own = OwnModel(
        path=path, name=found.name, source=content.decode(), sha256=hashlib.sha256(content).hexdigest(),
        keywords=keywords, required=required,
    )  # fmt: skip
    allow(own)
    return own


def allow(model: OwnModel) -> None:
    """Allow the code of a model to run in this process, because its user named the file to the one that started it."""
    _READ[model.model] = model


def ask(text: str | None) -> None:
    """Allow the code of a file to run in this process, because its user named it. Raises InputError.

    Nothing happens for None, as if nothing was named.
    """
    if text is None:
        return
    if not is_file(text):
        raise InputError(f"--model {text} is not FILE.py:NAME. Name the file of the run's own model, or omit it")
    read(text)


def known(model: str) -> OwnModel | None:
    """Return the file of a model, if this process was asked for it."""
    return _READ.get(model)


def spelled(model: str) -> str:
    """Return a model's name as `--model` takes it: FILE.py:NAME as the user wrote it, or any other name as it is."""
    found = known(model)
    return str(found) if found else model


def require(model: str, sha256: str | None = None) -> OwnModel:
    """Return the file of a model. Raises InputError unless this process was asked for it, with that digest."""
    found = _READ.get(model)
    if found and sha256 in (None, found.sha256):
        return found
    name = title(model) or model
    wanted = f"sha256 {sha256 or model.rpartition('-')[2] + '...'}"
    others = [each for each in _READ.values() if each.name == name]
    if others:
        raise InputError(
            f"{others[-1]} has the sha256 {others[-1].sha256}, but the run's model {name} is from a file with the "
            f"{wanted}. Give the same file with --model FILE.py:{name}"
        )
    raise InputError(
        f"the model {name} is code of a file ({wanted}), and code of a record is never run. Give the same file with "
        f"--model FILE.py:{name}"
    )


def require_used(text: str, models: Mapping[str, str | None]) -> None:
    """Raise InputError for a file that is the model of no run.

    `models` are those of the runs, each with its file's sha256, or None for a model that needs no file.
    """
    given = read(text)
    if models.get(given.model) == given.sha256:
        return
    name, sha256 = next((each for each in models.items() if each[1]), (", ".join(models), None))
    if sha256 is None:
        raise InputError(f"--model {text} has no effect: the run's model is {name}, which needs no file. Omit it")
    raise InputError(
        f"{text} has the sha256 {given.sha256}, but the run's model is {title(name)} from a file with the sha256 "
        f"{sha256}. Give the same file with --model FILE.py:{title(name)}"
    )


def _content(path: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            found = file.read(_MOST_BYTES + 1)
        found.decode()
    except UnicodeDecodeError:
        raise InputError(f"the model's file {path} is not UTF-8 text. Give a Python file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"the model's file {path} cannot be read ({why}). Give an existing FILE.py:NAME") from None
    if b"\0" in found:
        raise InputError(f"the model's file {path} contains NUL bytes, so it is not Python text. Give a Python file")
    if len(found) > _MOST_BYTES:
        raise InputError(
            f"the model's file {path} is larger than {_MOST_BYTES:,} bytes, and each run's record contains its text. "
            "Put the model into a smaller file"
        )
    return found


def _tree(path: str, content: bytes) -> ast.Module:
    try:
        return ast.parse(content, filename=path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else error
        raise InputError(f"{path}{line}: this is not Python ({what}). Fix the file") from None


def _definition(path: str, name: str, tree: ast.Module) -> ast.ClassDef | ast.FunctionDef:
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    if name not in found:
        there = ", ".join(each for each in found if not each.startswith("_")) or "none"
        problem = f"{path} has no class or function {name!r}" if name else f"--model {path} names no class or function"
        raise InputError(f"{problem}. Write {path}:NAME. Classes and functions at its top level: {there}")
    if not name.isascii() or len(name) > _MOST_CHARACTERS:
        raise InputError(
            f"{path}:{name} cannot be part of file names. Use a name of at most {_MOST_CHARACTERS} ASCII characters"
        )
    return found[name]


def _keywords(where: str, node: ast.ClassDef | ast.FunctionDef) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keywords of a constructor, and those without a default. Raises InputError for any that lacks some."""
    call = node
    if isinstance(node, ast.ClassDef):
        own = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        if not own:
            raise InputError(f"the class {where} has no __init__ in this file. Write one. {_CONTRACT}")
        call = own[-1]
    assert isinstance(call, ast.FunctionDef)
    args = call.args
    positional = args.args[1:] if isinstance(node, ast.ClassDef) and not args.posonlyargs else args.args
    names = [each.arg for each in (*positional, *args.kwonlyargs)]
    with_default = {each.arg for each in positional[len(positional) - min(len(args.defaults), len(positional)) :]}
    with_default |= {each.arg for each, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value}
    missing = [] if {SIDE, LENGTH} & {*names} else [f"{SIDE} or {LENGTH}"]
    missing += [] if CHANNELS in names else [CHANNELS]
    missing += [] if {CLASSES, OUTPUTS} & {*names} else [f"{CLASSES} or {OUTPUTS}"]
    if missing:
        raise InputError(f"{where}: the constructor has no keyword {', '.join(missing)}. {_CONTRACT}")
    if {CLASSES, OUTPUTS} <= {*names}:
        raise InputError(f"{where}: the constructor has both {CLASSES} and {OUTPUTS}. Use one of them for both tasks")
    return tuple(names), tuple(name for name in names if name not in with_default)
