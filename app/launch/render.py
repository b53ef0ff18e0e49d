"""From a template and a job to a place's text; what is quoted for a shell is quoted here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .job import PYTHON, RUN, Job

if TYPE_CHECKING:
    from jinja2 import Environment

_WIDTH = 100  # of a line of a pasted command


def render(template: str, **values: Any) -> str:
    """Return the text of `<template>.jinja` in this folder, without a final newline."""
    return _templates().get_template(f"{template}.jinja").render(values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=here, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.filters |= {"quote": shlex.quote, "join_words": shlex.join, "command": _command, "json": json.dumps}
    return templates


def _command(text: str) -> str:
    """Return a command, however its words are spread over lines, as it is pasted."""
    return in_shell(shlex.split(text)) + "\n"


def in_shell(words: Iterable[str]) -> str:
    """Return a command as it is pasted, broken before its options."""
    groups: list[str] = []
    for word in words:
        if not groups or word.startswith("--"):
            groups.append(shlex.quote(word))
        else:
            groups[-1] += f" {shlex.quote(word)}"
    lines = [groups[0]]
    for group in groups[1:]:
        if len(lines[-1]) + len(group) < _WIDTH:
            lines[-1] += f" {group}"
        else:
            lines.append(f"  {group}")
    return " \\\n".join(lines)


def until_done(job: Job, place: str) -> str:
    """Return the shell script of a container that its place starts again whenever it ends, in one line."""
    script = render("until_done.sh", job=job, place=place, python=PYTHON, run=RUN)
    return "; ".join(script.splitlines())
