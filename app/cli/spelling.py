"""The spellings of an option that Typer does not know: `--batch_size 8`, `--upload true`, `--qkv-bias=no`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config.settings.declaring import FALSE, TRUE
from ..errors import InputError

_ENV_FILE = "--env-file"
_NEW_SEED = "--new-seed"
NEXT = "next"  # the value of --new-seed without a number


def spelled(arguments: list[str], switches: Callable[[], Mapping[str, str]]) -> list[str]:
    """Return the arguments as Typer takes them; `switches` gives each switch's name and the one that turns it off."""
    out: list[str] = []
    for argument in arguments:
        name, sign, value = argument.partition("=")
        if name.startswith("--"):
            name = name.replace("_", "-")
            out += [_switched(name, value, switches) if sign else name]
        elif out and out[-1].startswith("--") and "=" not in out[-1]:
            last = out.pop()
            switched = _switched(last, argument, switches)
            out += [last, argument] if "=" in switched else [switched]
        else:
            out.append(argument)
    return out


def env_file_first(arguments: list[str]) -> list[str]:
    """Return the arguments with `--env-file PATH` before the command, which may stand after it as well."""
    option, others = apart(arguments)
    return [*option, *others]


def seed_named(arguments: list[str]) -> list[str]:
    """Return the arguments of `reproduce` with `next` after a `--new-seed` that no number follows."""
    if apart(arguments)[1][:1] != ["reproduce"]:
        return arguments
    out: list[str] = []
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        out += [word, NEXT] if word == _NEW_SEED and not after.isdecimal() and after != NEXT else [word]
    return out


def run_named(arguments: list[str], groups: Mapping[str, Collection[str]]) -> list[str]:
    """Return `study FILE ...` as `study run FILE ...`, if the word after a group is none of its commands."""
    option, words = apart(arguments)
    commands = groups.get(words[0], ()) if words else ()
    if not commands or not words[1:] or words[1] in {*commands, "-h", "--help"}:
        return arguments
    if words[1].isalpha() and not Path(words[1]).exists():
        from difflib import get_close_matches

        if get_close_matches(words[1], commands, n=1):
            return arguments  # a slip in a command's name, for which the group has an answer
    return [*option, words[0], "run", *words[1:]]


def apart(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of `--env-file PATH`, and all others. What follows a `--` is another command's."""
    option: list[str] = []
    others: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return option, [*others, word, *words]
        if word.replace("_", "-") == _ENV_FILE:
            option = [word, *([path] if (path := next(words, None)) is not None else [])]
        elif word.replace("_", "-", 1).startswith(f"{_ENV_FILE}="):
            option = [word]
        else:
            others.append(word)
    return option, others


def require_values(arguments: list[str]) -> None:
    """Raise InputError for an empty word: a variable that is not set gives one, and would mean another command."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for before, word in zip(["", *own], own, strict=False):
        name, sign, value = word.partition("=")
        if not word or (name.startswith("--") and sign and not value):
            what = name or (before if before.startswith("-") else "an argument")
            raise InputError(f"{what} has an empty value, perhaps from an unset variable. Give a value, or omit it")


def require_separator(arguments: list[str], program: str) -> None:
    """Raise InputError for `launch PLACE train --option` without `--`: `launch` would take options of `train`."""
    words = apart(arguments)[1]
    inner = next((word for word in words if word in ("train", "study", "sweep")), None)
    if words[:1] != ["launch"] or "--" in words or inner is None:
        return
    at = words.index(inner)
    if any(word.startswith("-") for word in words[at:]):
        command = shlex.join([program, *words[:at], "--", *words[at:]])
        raise InputError(
            f"options of `{inner}` follow `--`, which separates them from those of `launch`. Write: {command}"
        )


def _switched(name: str, value: str, switches: Callable[[], Mapping[str, str]]) -> str:
    """Return the flag for a switch with a value, and `name=value` for any other option."""
    if value.lower() not in (*TRUE, *FALSE) or name not in switches():
        return f"{name}={value}"
    return name if value.lower() in TRUE else switches()[name]


def switches_of(command: Any, arguments: Iterable[str] = ()) -> dict[str, str]:
    """Return the name of each switch of the command that is meant, and the one that turns it off.

    It is the command that the arguments name, or all of its groups' commands if they name none: `evaluate --ema` is a
    switch, and `train --ema 1` a number.
    """
    for word in arguments:
        command = getattr(command, "commands", {}).get(word, command)
    return dict(_all_switches(command))


def _all_switches(command: Any) -> Iterator[tuple[str, str]]:
    for option in command.params:
        if option.secondary_opts:
            yield option.opts[0], option.secondary_opts[0]
    for inner in getattr(command, "commands", {}).values():
        yield from _all_switches(inner)
