"""What a command line that does not parse is answered with: what is wrong, what is allowed, what to type."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from typing import Any

from . import other_tools

_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)")


def sentence(error: Any) -> str:
    """Return the answer to an error of Typer's parser; empty for a command without arguments, whose help was shown."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", "")
    format_message = getattr(error, "format_message", None)
    text = " ".join((format_message() if format_message else str(error)).rstrip(".").split())
    if not text or context is None:
        return f"{text}{_how_to_write(text)}"
    if option and hasattr(error, "possibilities"):
        return _unknown_option(option, context)
    if getattr(error, "param", None) is not None and not hasattr(error, "param_type"):  # which a missing one has
        return _bad_value(error)
    found = _EXTRA.fullmatch(text)
    if found:
        return _extra(found[1], context)
    return _suggesting(text) or f"{text}{_how_to_write(text) or _see(context)}"


def _see(context: Any) -> str:
    return f". See {context.command_path} --help"


def _suggesting(text: str) -> str:
    """Return Typer's sentence on an unknown command with its suggestion as this program writes one."""
    known, mark, near = text.partition("Did you mean ")
    return f"{known}{mark}`{near.split(',')[0].strip(chr(39) + '?')}`?" if mark else ""


def _options_of(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def _unknown_option(option: str, context: Any) -> str:
    """Return the answer to an option that a command does not have."""
    known, wrong = _options_of(context.command), f"No such option: {option}"
    if option not in known and (says := other_tools.option(option, known, context.command_path)):
        return f"{wrong}. {says}"
    inner = {name: _options_of(each) for name, each in getattr(context.command, "commands", {}).items()}
    having = [name for name, options in inner.items() if option in options]
    if having:
        typed = next((name for name in having if name in sys.argv), having[0])
        return f"{wrong}. Write it after the command, as in `{context.command_path} {typed} {option} ...`"
    if context.info_name == "launch":
        return _of_inner(option, known, context)
    near = nearest(option, known)
    return f"{wrong}. Did you mean `{near}`?" if near else f"{wrong}{_see(context)}"


def _of_inner(option: str, known: Collection[str], context: Any) -> str:
    """Return the answer to an option that `launch` does not have, and perhaps `train` or `study` has."""
    commands = context.find_root().command.commands
    of_train = _options_of(commands["train"])
    options = of_train | _options_of(commands["study"].commands["run"])
    near = option if option in options else nearest(option, {*known, *options})
    wrong = f"No such option: {option}"
    if not near:
        return f"{wrong}{_see(context)}"
    meant = "" if near == option else f". Did you mean `{near}`?"
    if near in known:
        return f"{wrong}{meant}"
    inner = "train" if near in of_train else "study"
    rule = (
        f"It is an option of `{inner}`. Write it after `--`, as in `{context.command_path} vast -- {inner} {near} ...`"
    )
    return f"{wrong}{meant} {rule}" if meant else f"{wrong}. {rule}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like a word; empty if none is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, sorted(known), n=1)), "")


def _bad_value(error: Any) -> str:
    """Return the answer to a value that an option or argument does not take."""
    parameter = error.param
    name = parameter.opts[0] if parameter.param_type_name == "option" else (parameter.metavar or parameter.name)
    errors = getattr(error.__cause__, "errors", None)
    if errors is None:
        return f"{name}: {str(error).rstrip('.')}"
    found = errors()[0]
    kind = "whole number" if "INT" in parameter.display_type_rich(error.ctx).upper() else "number"
    span = _range(parameter)
    valid = f"Valid values: {kind}s{span}" if span else f"Use a {kind}"
    if "parsing" in found["type"] or "from_float" in found["type"] or found["type"].endswith("_type"):
        return f"{name} {found['input']!r} is not a {kind}. {valid}"
    if {"ge", "gt", "le", "lt"} & {*found.get("ctx", {})}:
        return f"{name} {found['input']} is out of range. {valid}"
    return f"{name} {found['input']!r} is not valid ({found['msg']}){_see(error.ctx)}"


def _range(parameter: Any) -> str:
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if least is None and most is None:
        return ""
    if most is None:
        return f" from {least}"
    return f" up to {most}" if least is None else f" from {least} to {most}"


def _extra(words: str, context: Any) -> str:
    """Return the answer to words that no argument takes: the option that a dataset, a model or a size is given with."""
    word = words.split(maxsplit=1)[0]
    if found := re.fullmatch(r"(\w+)=(\S+)", word):
        return f"unexpected argument {word!r}. Write --{found[1].replace('_', '-')} {found[2]}"
    known = _options_of(context.command)
    option = next((each for each in _meant_by(word) if each in known), None)
    if option:
        return f"unexpected argument {word!r}. Write {option} {word}"
    return f"unexpected argument {word!r}{_see(context)}"


def _meant_by(word: str) -> list[str]:
    """Return the options that a word may be a value of."""
    from pathlib import Path

    from ..tables import own
    from ..tables.datasets import DATASETS
    from ..tables.models import is_name

    if is_name(word) or own.is_file(word):
        return ["--model"]
    if re.fullmatch(r"\d+(\.\d+)?[KM]", word):
        return ["--size"]
    return ["--dataset"] if word in DATASETS or "/" in word or Path(word).is_dir() else []


def _how_to_write(text: str) -> str:
    """Return how to write a switch that was given a value."""
    if found := re.fullmatch(r"Option '--(?:no-)?([\w-]+)' does not take a value", text):
        return f". Write --{found[1]} or --no-{found[1]}"
    return ""
