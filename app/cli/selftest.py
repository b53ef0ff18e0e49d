"""`selftest`: test on this machine that a run can be interrupted at any point and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .examples import page
from .screen import note, result, result_json, result_line

if TYPE_CHECKING:
    from ..selftest import Trial, Verdict

_option = partial(typer.Option, show_default=False)

Kill = Annotated[
    int | None,
    _option("--kill", min=1, metavar="N", help="Send SIGKILL at N random steps, resume each time, and compare every "
            "byte at the end. Default: 2 if no kind is given."),
]  # fmt: skip
Sigterm = Annotated[
    bool,
    _option("--sigterm/--no-sigterm", metavar="", help="Send SIGTERM, Ctrl-C, and Ctrl-C twice, and resume each time. "
            "Default: on if no kind is given."),
]  # fmt: skip
Seed = Annotated[
    int, _option("--seed", min=0, help="Set the seed of the runs, and of the random steps of --kill. Default: 0.")
]
ModelName = Annotated[
    str,
    _option("--model", help="Train this model in the tiny run: a name, or FILE.py:NAME. Default: vit_differential."),
]
Ranks = Annotated[
    int, _option("--ranks", min=1, help="Start each run with this many processes, under torchrun. Default: 1.")
]
Epochs = Annotated[
    int, _option("--epochs", min=2, help="Train the tiny run for this many epochs of 5 steps each. Default: 4.")
]
Keep = Annotated[
    Path | None,
    _option("--keep", metavar="FOLDER", help="Work in this new folder and keep it. Default: a temporary folder."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("selftest", "Exit codes: 0 all kinds passed; 1 a kind failed; 2 bad input."))(selftest)


def selftest(
    kill: Kill = None,
    sigterm: Sigterm = False,
    seed: Seed = 0,
    model: ModelName = "vit_differential",
    model_args: o.ModelArgs = None,
    micro_batch_size: o.MicroBatchSize = None,
    deterministic: o.Deterministic = None,
    ranks: Ranks = 1,
    epochs: Epochs = 4,
    keep: Keep = None,
    as_json: o.AsJson = False,
) -> None:
    """Train a tiny run, interrupt it, resume it, and compare every byte with a run that was not interrupted."""
    setting = {"seed": seed, "model": model, "micro_batch_size": micro_batch_size, "ranks": ranks}
    setting |= {"deterministic": True} if deterministic else {}
    began = time.monotonic()
    with _trial(keep, as_json=as_json, **setting, model_args=model_args, epochs=epochs) as trial:
        from ..selftest import run

        verdicts = run({"kill": kill or 0, "sigterm": int(sigterm)}, trial)
    if as_json:
        result_json(_json(verdicts, setting))
    else:
        result_line(_summary(verdicts, setting, time.monotonic() - began))
    raise typer.Exit(0 if all(verdict.passed for verdict in verdicts) else 1)


@contextmanager
def _trial(keep: Path | None, *, as_json: bool, **setting: Any) -> Iterator[Trial]:
    """Yield the setting of the selftest in a new folder, which is deleted at the end without --keep."""
    import tempfile

    from ..errors import InputError
    from ..selftest import Trial

    if keep and keep.exists() and any(keep.iterdir()):
        raise InputError(f"--keep {keep} is not empty. Name a new folder")
    Trial(root=Path(), say=note, **setting).require_possible()
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield Trial(root=keep.resolve(), say=_say(as_json), **setting)
        return
    with tempfile.TemporaryDirectory(prefix="isoscale-selftest-", ignore_cleanup_errors=True) as folder:
        yield Trial(root=Path(folder).resolve(), say=_say(as_json), **setting)


def _say(as_json: bool) -> Any:
    """Return what prints a line: on stdout, or on stderr with --json."""
    return note if as_json else result


def _summary(verdicts: list[Verdict], setting: dict[str, Any], seconds: float) -> str:
    """Return the last line."""
    passed = sum(verdict.passed for verdict in verdicts)
    word = "PASS" if passed == len(verdicts) else "FAIL"
    what = f"{setting['model']}, seed {setting['seed']}, {seconds:.0f} s"
    return f"{word} selftest: {passed} of {len(verdicts)} kinds, {what}"


def _json(verdicts: list[Verdict], setting: dict[str, Any]) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    kinds = {
        one.kind: {"passed": one.passed, "verdict": one.line(), "failures": one.failures, **one.facts}
        for one in verdicts
    }
    return {"passed": all(verdict.passed for verdict in verdicts), **setting, "kinds": kinds}
