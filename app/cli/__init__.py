"""The command line: one Typer app, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from app import __version__
from app.cli import evaluate, hub, plot, tables, train
from app.errors import InputError, NotUploaded, Stopped

DONE, DEFECT, BAD_INPUT, NOT_UPLOADED, INTERRUPTED, STOPPED = 0, 1, 2, 3, 130, 75

app = typer.Typer(
    name="isoscale",
    help="Which vision architecture is better at the same budget, data and seed, by how much, and is it real?",
    epilog="Exit codes: 0 done; 1 our defect; 2 bad input or nothing to do; 3 trained but not uploaded; "
    "75 stopped by a signal with the state saved (the same command continues).",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
for module in (train, evaluate, hub, plot, tables):
    module.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"isoscale {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Reads .env, from here upwards; what stands in the environment wins."""
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))


_SWITCHES = ("--upload", "--private", "--fresh", "--json", "--best", "--again")


def spelled(arguments: list[str]) -> list[str]:
    """The arguments as Typer takes them: `--batch_size 8` as `--batch-size 8`, `--upload true` as `--upload`."""
    out: list[str] = []
    for argument in arguments:
        if out and out[-1] in _SWITCHES and argument.lower() in ("true", "false"):
            out += [] if argument.lower() == "true" else [f"--no-{out.pop()[2:]}"]
            continue
        name, sign, value = argument.partition("=")
        out.append(name.replace("_", "-") + sign + value if name.startswith("--") else argument)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit code. Errors go to stderr as one sentence."""
    try:
        code = app(spelled(sys.argv[1:] if arguments is None else arguments), prog_name="run.py", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"; see {context.command_path} --help" if context else ""
        return _ended(f"{_sentence(error)}{hint}", getattr(error, "exit_code", BAD_INPUT))
    except InputError as error:
        return _ended(str(error), BAD_INPUT)
    except NotUploaded as error:
        return _ended(str(error), NOT_UPLOADED)
    except Stopped as error:
        return _ended(str(error), STOPPED)
    except (KeyboardInterrupt, typer.Abort):
        return _ended("interrupted at once; the last saved state is what the same command continues from", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if os.environ.get("ISOSCALE_DEBUG"):
            raise
        name = type(error).__name__
        return _ended(f"a defect of isoscale: {name}: {error} (ISOSCALE_DEBUG=1 shows where; please report it)", DEFECT)


def _sentence(error: TyperException) -> str:
    format_message = getattr(error, "format_message", None)
    return (format_message() if format_message else str(error)).rstrip(".").replace("\n", " ")


def _ended(text: str, code: int) -> int:
    print(f"error: {text}" if code != STOPPED else text, file=sys.stderr)
    return code
