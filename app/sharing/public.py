"""A run's command and notes for a card, without the machine's paths and without options that only name a place."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import PurePosixPath

from ..artifacts.record import Record
from ..tables.datasets import is_local

_PLACES = ("checkpoints", "data", "design", "filelist", "env_file")  # options that only name places of files
_EVERYWHERE = re.compile(r"[0-9a-f]{1,8}|hf://.*|hf-hub:.*|timm/.*|sha256:.*")  # weights that others can find too
_PATH = re.compile(r"(?:(?<=[\s=,('\"\[])|^)(?:~[\w.-]*)?/(?:[^\s/,;:()'\"]+/)*([^\s/,;:()'\"]+)/?")
_CALL = "isoscale.train("


def command(record: Record) -> tuple[str, list[str]]:
    """Return the command of a run for other readers, and the options that were omitted."""
    return _of_python(record) if record.command.startswith(_CALL) else _of_shell(record)


def note(text: str, record: Record) -> str:
    """Return a text of the record with names in place of paths."""
    for path in (record.data.path, record.data.design, record.data.filelist):
        if isinstance(path, str) and is_local(path):
            text = text.replace(path, PurePosixPath(path).name)
    return _PATH.sub(r"\1", text)


def _of_shell(record: Record) -> tuple[str, list[str]]:
    try:
        words = shlex.split(record.command)
    except ValueError:  # a quote is not closed
        words = record.command.split()
    kept: list[str] = []
    omitted: list[str] = []
    option, rest = "", iter(words)
    for word in rest:
        flag, sign, value = word.partition("=")
        name = flag.removeprefix("--").replace("-", "_") if flag.startswith("--") else ""
        if name in _PLACES:
            omitted.append(f"--{name.replace('_', '-')}")
            _ = sign or next(rest, None)
        elif name:
            kept.append(f"{flag}={_shown(name, value, record)}" if sign else word)
        else:
            kept.append(_shown(option, word, record))
        option = "" if sign else name
    return (record.command if kept == words else shlex.join(kept)), omitted


def _of_python(record: Record) -> tuple[str, list[str]]:
    try:
        call = ast.parse(record.command, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a value that Python prints but cannot parse
        return f"{_CALL}...)", []
    if not isinstance(call, ast.Call):
        return f"{_CALL}...)", []
    given = {each.arg: each.value for each in call.keywords if each.arg}
    shown = {name: _value(name, value, record) for name, value in given.items() if name not in _PLACES}
    omitted = [name for name in given if name in _PLACES]
    if not omitted and all(shown[name] == ast.unparse(value) for name, value in given.items()):
        return record.command, []
    return f"{_CALL}{', '.join(f'{name}={text}' for name, text in shown.items())})", omitted


def _value(name: str, value: ast.expr, record: Record) -> str:
    """Return an argument's text. A `PosixPath('...')` is shown as its string."""
    inner = value.args[0] if isinstance(value, ast.Call) and len(value.args) == 1 else value
    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
        return repr(_shown(name, inner.value, record))
    return ast.unparse(value)


def _shown(name: str, value: str, record: Record) -> str:
    """Return an option's value with names in place of paths. `name` is empty for a word that follows no option."""
    if name == "init":
        return _weights(value, record)
    if name == "dataset" and is_local(value):
        return f"./{record.dataset.removeprefix('local/')}"
    path = PurePosixPath(value)
    if path.name == "run.py" or value.startswith(("/", "~", "../")):
        return path.name
    return _PATH.sub(r"\1", value)


def _weights(value: str, record: Record) -> str:
    """Return the weights that a run started from, as the ID of their run if they are a local file."""
    if _EVERYWHERE.fullmatch(value):
        return value
    known = record.init.run_id if record.init else None
    return known or PurePosixPath(value).name
