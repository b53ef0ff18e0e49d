"""The command line: the Typer app, and the place where errors become sentences and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache as remembered
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.main
from typer.exceptions import TyperException

from .. import __version__
from ..errors import (
    DISK_FULL,
    NO_FOLDER,
    ChecksFailed,
    InputError,
    NotReproduced,
    NotUploaded,
    RunFailed,
    Stopped,
    failure_of,
    few_addresses,
    has_folder,
    wrong_path,
)
from ..system import endpoint, outcome, output, signals
from ..system.printable import printable
from ..system.ranks import rank
from . import (
    attention,
    bench,
    cache,
    compare,
    data,
    datasets,
    doctor,
    evaluate,
    export,
    hub,
    importing,
    launch,
    plan,
    plot,
    predict,
    refusing,
    report,
    reproduce,
    robust,
    runs,
    screen,
    selftest,
    spelling,
    study,
    study_options,
    sweep,
    sweep_options,
    tables,
    track,
    train,
)  # fmt: skip
from .examples import group

DONE, INTERNAL, BAD_INPUT, NOT_UPLOADED, FAILED, NOT_REPRODUCED, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 75, 130
# commands whose result is their stdout
_PRINTS = (
    "study", "sweep", "compare", "evaluate", "robust", "attention", "reproduce", "export", "plan", "runs", "cache",
    "models", "datasets", "doctor", "launch", "report", "bench", "selftest", "track",
)  # fmt: skip
_COMPUTE = (  # commands that load torch
    "train", "study", "sweep", "evaluate", "robust", "attention", "predict", "reproduce", "export",
)  # fmt: skip
_SAVES = ("train", "study", "sweep", "reproduce")  # commands that save a state
_KINDS = {INTERNAL: "internal error", BAD_INPUT: "bad input", STOPPED: "stopped", INTERRUPTED: "interrupted"}

_EXIT_CODES = (
    "Exit codes: 0 done. 1 internal error (a bug in isoscale, not your input). 2 bad input or nothing to do. "
    "3 trained but not uploaded. 4 failed while running: diverged, out of memory, disk full, damaged, held, inexact or "
    "unavailable (--json prints the kind). 5 not reproduced. 75 stopped by a signal or --max-minutes with the state "
    "saved (the same command resumes). 130 interrupted at once.",
)

app = typer.Typer(
    name="isoscale",
    help="Train vision architectures at the same budget, data and seed, and measure which one is better, by how much, "
    "and whether the difference is real.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    **group("", *_EXIT_CODES),
)
for module in (
    train, study, sweep, compare, report, plan, evaluate, robust, attention, predict, reproduce, export, runs, hub,
    importing, plot, tables, datasets, data, cache, track, bench, selftest, doctor, launch,
):  # fmt: skip
    module.register(app)


def _version(asked: bool) -> None:
    if asked:
        screen.result(f"isoscale {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Print the version and exit."),
    ] = False,
    env_file: Annotated[
        Path | None,
        typer.Option(
            "--env-file",
            metavar="PATH",
            show_default=False,
            help="Read HF_TOKEN and HF_REPOSITORY from this file. Default: .env in this folder, else in the checkout.",
        ),
    ] = None,
) -> None:
    """Read .env; variables of the environment take precedence."""
    from ..system import envfile

    for note in envfile.load(env_file):
        if rank() == 0:
            screen.note(printable(note))


@remembered
def command() -> Any:
    """Return the program's command with all others, made once: that takes as long as a short command."""
    return typer.main.get_command(app)


def spelled(arguments: list[str]) -> list[str]:
    """Return the arguments as Typer takes them: `--batch_size 8` as `--batch-size 8`, `--upload true` as `--upload`."""
    words = spelling.seed_named(
        spelling.env_file_first(spelling.spelled(arguments, lambda: spelling.switches_of(command(), arguments)))
    )
    return spelling.run_named(words, {"study": study_options.COMMANDS, "sweep": sweep_options.COMMANDS})


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Errors go to stderr as one sentence."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with signals.ending(), screen.libraries_printable():
            code = _run(given)
            signals.end_undisturbed()
            return _unless_unread(code, given)
    except (Stopped, KeyboardInterrupt) as error:  # between the command's end and its last words
        return STOPPED if isinstance(error, Stopped) else INTERRUPTED


def _unless_unread(code: int, given: list[str]) -> int:
    """Return a command's exit code; of one whose result is its stdout another, where that is full or cannot be used."""
    if code != DONE or not (why := output.failure()) or why.errno == errno.EPIPE:  # a reader may leave early
        return code
    kind = "disk full" if why.errno in DISK_FULL else "unavailable"
    text = f"stdout cannot be written ({why.strerror}), so the output is incomplete. Redirect stdout elsewhere"
    if _prints(given):
        return _ended(text, FAILED, as_json=False, kind=kind)
    screen.report(f"note: {text}")
    return DONE


def _prints(given: list[str]) -> bool:
    """Return whether a command's result is what it prints."""
    words = spelling.apart(given)[1]  # without --env-file, which comes before the command
    return not words or words[0] in _PRINTS or words[0].startswith("-")


def leave(code: int) -> NoReturn:
    """End the process; one that has read through `datasets` ends at once, without the interpreter's shutdown.

    Arrow's threads outlive a stream that was left early, and hang or abort an interpreter that ends
    (apache/arrow issue 45214): the exit code would be lost.
    """
    if "datasets" in sys.modules:
        output.flush()
        os._exit(code)
    raise SystemExit(code)


def _run(given: list[str]) -> int:
    end = partial(_ended, as_json="--json" in given)
    try:
        code = command()(_sound(spelled(given)), prog_name=screen.name(), standalone_mode=False)
        if code == INTERRUPTED:  # Typer's answer to Ctrl-C, which says nothing
            raise KeyboardInterrupt
        return code if isinstance(code, int) else DONE
    except TyperException as error:
        text = refusing.sentence(error)
        return end(text, BAD_INPUT) if text else BAD_INPUT
    except InputError as error:
        return end(str(error), BAD_INPUT, printed=isinstance(error, ChecksFailed))
    except RunFailed as error:
        return end(str(error), FAILED, kind=error.kind)
    except (NotUploaded, NotReproduced) as error:
        return end(str(error), NOT_UPLOADED if isinstance(error, NotUploaded) else NOT_REPRODUCED, printed=True)
    except Stopped as error:
        text = f"{error}{_how_to_go_on(error) if error.saved else _what_is_left(given)}"
        return end(text, STOPPED, kind=error.kind)
    except (KeyboardInterrupt, typer.Abort):
        return end(f"interrupted{_what_is_left(given)}", INTERRUPTED)
    except SystemExit:  # Typer's end at any broken pipe
        return _broken(given, end)
    except Exception as error:  # whatever it is, it becomes an exit code  # noqa: BLE001
        if failure := failure_of(error):
            return end(str(failure), FAILED, kind=failure.kind)
        if wrong := wrong_path(error):
            return end(wrong, BAD_INPUT)
        if os.environ.get("ISOSCALE_DEBUG"):
            screen.note(traceback.format_exc())
        from ..system import project  # a start without an error needs no metadata of packages

        what = f"{type(error).__name__}: {error}".rstrip(".: ")
        do = f"Set ISOSCALE_DEBUG=1 to print where it happened, and report it in {project.tracker()}"
        return end(f"internal error in isoscale (a bug, not your input): {what}. {do}", INTERNAL)


def _sound(given: list[str]) -> list[str]:
    """Return the arguments; raises InputError for what no command can be run with; but for help."""
    if not {"-h", "--help"} & {*given}:
        if not has_folder():  # some libraries would end the process there, with a message of their own
            raise InputError(NO_FOLDER)
        spelling.require_values(given)
        spelling.require_separator(given, screen.name())
        if {*given[:3]} & {*_COMPUTE} and (why := few_addresses()):  # below it some libraries abort without a word
            screen.note(f"note: {why} if the command ends without a message")
        endpoint.require_sound()
    return given


def _broken(given: list[str], end: Callable[..., int]) -> int:
    """End for a broken pipe: of a stdout that does not last, whose reader may leave early, or of a connection."""
    if not output.lasts() and _prints(given):
        return DONE
    return end("a connection broke (Broken pipe). Run the same command again", FAILED, kind="unavailable")


def _how_to_go_on(error: Stopped) -> str:
    """Return the end of a stopped training's message. With `--fresh` the training would begin again."""
    if error.complete:
        return ""
    return f". The same command{' without --fresh' if '--fresh' in sys.argv else ''} resumes the run"


def _what_is_left(given: list[str]) -> str:
    """Return the end of the sentence on a command that was interrupted: only a training has a state to resume from."""
    words = spelling.apart(given)[1]
    resumes = ". The same command resumes from what was last saved, if anything was"
    return resumes if words[:1] and words[0] in _SAVES else ""


def _ended(text: str, code: int, *, as_json: bool, kind: str = "", printed: bool = False) -> int:
    """Report why a command ends, on stderr, and for `--json` on stdout: {"error": {"kind", "message"}}.

    `printed` says that the command's own object is on stdout already.
    """
    signals.end_undisturbed()
    if code == STOPPED and rank():  # the first rank speaks for all, and `torchrun`
        return DONE  # ends all with the first that answers anything else, be it before that sentence
    screen.report(printable(f"error: {text}" if code not in (STOPPED, INTERNAL) else text))
    outcome.report(kind or _KINDS.get(code, ""), text)
    if as_json and not printed:
        with suppress(OSError, ValueError):
            screen.result_json({"error": {"kind": kind or _KINDS[code], "message": text}})
    return code
