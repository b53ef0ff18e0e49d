"""The command line: one Typer app, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..errors import InputError, NotUploaded, Stopped
from . import bench, data, doctor, evaluate, hub, launch, plan, plot, screen, selftest, tables, train

DONE, DEFECT, BAD_INPUT, NOT_UPLOADED, INTERRUPTED, STOPPED = 0, 1, 2, 3, 130, 75

app = typer.Typer(
    name="isoscale",
    help="Which vision architecture is better at the same budget, data and seed, by how much, and is it real?",
    epilog="Exit codes: 0 done; 1 our defect; 2 bad input or nothing to do; 3 trained but not uploaded; "
    "75 stopped by a signal or --max-minutes with the state saved (the same command continues); "
    "130 interrupted at once.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
for module in (train, plan, evaluate, hub, plot, tables, data, bench, selftest, doctor, launch):
    module.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"isoscale {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, metavar="", help="The version.")
    ] = False,
) -> None:
    """Reads .env, from here upwards; what stands in the environment wins."""
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))


_SWITCHES = (
    "--upload", "--private", "--fresh", "--json", "--best", "--again", "--compile", "--checkpointing", "--qkv-bias",
    "--projection-bias", "--value-skip", "--strict", "--probe",
)  # fmt: skip


def spelled(arguments: list[str]) -> list[str]:
    """The arguments as Typer takes them: `--batch_size 8` as `--batch-size 8`, `--upload true` as `--upload`."""
    out: list[str] = []
    for argument in arguments:
        name, sign, value = argument.partition("=")
        if name.startswith("--"):
            name = name.replace("_", "-")
            out += [_switched(name, value)] if sign and _is_truth(name, value) else [name + sign + value]
        elif out and _is_truth(out[-1], argument):
            out.append(_switched(out.pop(), argument))
        else:
            out.append(argument)
    return out


def _is_truth(name: str, value: str) -> bool:
    return name in _SWITCHES and value.lower() in ("true", "false")


def _switched(name: str, value: str) -> str:
    if value.lower() == "true":
        return name
    return "--public" if name == "--private" else f"--no-{name[2:]}"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit code. Errors go to stderr as one sentence."""
    with _terminated():
        return _run(arguments)


def leave(code: int) -> NoReturn:
    """Ends the process, one that has read through `datasets` or opens a stream at once, not by the interpreter's end.

    Arrow's threads outlive a stream that was left early, and hang or abort an interpreter that ends
    (apache/arrow issue 45214): the exit code would be lost. A stream's reader may wait for a silent Hub.
    """
    if "datasets" in sys.modules or any(thread.name.startswith("stream") for thread in threading.enumerate()):
        for said in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                said.flush()
        os._exit(code)
    raise SystemExit(code)


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, so that nothing is left half-written; a training loop has its own way."""

    def stop(*_: object) -> None:
        raise Stopped("stopped by SIGTERM; the same command goes on from what was last saved, if anything was")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str] | None) -> int:
    try:
        code = app(spelled(sys.argv[1:] if arguments is None else arguments), prog_name=screen.name(), standalone_mode=False)
        if code == INTERRUPTED:  # Typer's answer to Ctrl-C, which says nothing
            raise KeyboardInterrupt
        return code if isinstance(code, int) else DONE
    except TyperException as error:
        return _refused(error)
    except InputError as error:
        return _ended(str(error), BAD_INPUT)
    except NotUploaded as error:
        return _ended(str(error), NOT_UPLOADED)
    except Stopped as error:
        return _ended(f"{error}{_how_to_go_on() if error.saved else ''}", STOPPED)
    except (KeyboardInterrupt, typer.Abort):
        return _ended(
            "interrupted at once; the same command goes on from what was last saved, if anything was", INTERRUPTED
        )
    except SystemExit:  # Typer's end where the reader of stdout is gone
        return DONE
    except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        return _ended(f"{error.filename}: {error.strerror}; choose another path or mend this one", BAD_INPUT)
    except Exception as error:  # whatever it is, it becomes an exit code  # noqa: BLE001
        if os.environ.get("ISOSCALE_DEBUG"):
            traceback.print_exc()
            return DEFECT
        name = type(error).__name__
        return _ended(f"a defect of isoscale: {name}: {error} (ISOSCALE_DEBUG=1 shows where; please report it)", DEFECT)


def _how_to_go_on() -> str:
    """The end of a stopped training's sentence; `--fresh` would begin once more."""
    return f"; the same command{' without --fresh' if '--fresh' in sys.argv else ''} continues it"


def _refused(error: TyperException) -> int:
    """Ends for arguments that do not parse; a command without any has shown its help."""
    format_message, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
    sentence = (format_message() if format_message else str(error)).rstrip(".").replace("\n", " ")
    hint = f"; see {context.command_path} --help" if context else ""
    return _ended(f"{sentence}{hint}", BAD_INPUT) if sentence else BAD_INPUT


def _ended(text: str, code: int) -> int:
    if code == STOPPED and os.environ.get("RANK", "0") != "0":  # the first rank speaks for all, and `torchrun`
        return DONE  # ends all with the first that answers anything else, be it before that sentence
    print(f"error: {text}" if code != STOPPED else text, file=sys.stderr)
    return code
