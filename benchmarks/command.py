"""A benchmark as a command line: its options as Typer makes them, its errors as one sentence with exit code 2."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence

import typer
from typer.exceptions import TyperException

from app.errors import Explained, InputError

BAD_INPUT, FAILED = 2, 4


def run(body: Callable[..., None], arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark's body with the arguments given, or with the process's; return the exit code."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(body)
    try:
        code = app(arguments, prog_name=f"python -m {name_of(body)}", standalone_mode=False)
    except TyperException as error:
        format_message = getattr(error, "format_message", None)
        sentence = (format_message() if format_message else str(error)).rstrip(".").replace("\n", " ")
        return _refused(f"{sentence}. See python -m {name_of(body)} --help")
    except Explained as error:
        return _refused(str(error), BAD_INPUT if isinstance(error, InputError) else FAILED)
    return code if isinstance(code, int) else 0


def name_of(body: Callable[..., None]) -> str:
    """The benchmark's module, also where it is the program that runs."""
    return f"benchmarks.{body.__name__}"


def spelled(body: Callable[..., None]) -> str:
    """The command line that repeats this process's benchmark."""
    return shlex.join(["python", "-m", name_of(body), *sys.argv[1:]])


def _refused(sentence: str, code: int = BAD_INPUT) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code
