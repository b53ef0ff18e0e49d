"""`selftest`: proves on this machine that a run can be stopped by anything and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .screen import note, result, result_json, result_line

if TYPE_CHECKING:
    from ..selftest import Trial, Verdict

Kill = Annotated[
    int | None,
    typer.Option("--kill", min=1, metavar="N", help="SIGKILL at N random steps, continued each time; every byte."),
]
Sigterm = Annotated[bool, typer.Option("--sigterm/--no-sigterm", metavar="", help="SIGTERM, Ctrl-C, and Ctrl-C twice.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the runs, and of every random step and byte.")]
ModelName = Annotated[str, typer.Option("--model", help="The model of the tiny run.")]
Ranks = Annotated[int, typer.Option("--ranks", min=1, help="Processes of each run, under torchrun.")]
Epochs = Annotated[int, typer.Option("--epochs", min=2, help="Epochs of the tiny run, of 5 steps each.")]
Keep = Annotated[Path | None, typer.Option("--keep", metavar="FOLDER", help="Work in this new folder and leave it.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Without a kind: --kill 2 --sigterm. Exit codes: 0 all passed; 1 one failed; 2 bad input.")(
        selftest
    )


def selftest(
    kill: Kill = None,
    sigterm: Sigterm = False,
    seed: Seed = 0,
    model: ModelName = "vit_differential",
    micro_batch_size: o.MicroBatchSize = None,
    ranks: Ranks = 1,
    epochs: Epochs = 4,
    keep: Keep = None,
    as_json: o.AsJson = False,
) -> None:
    """Train a tiny run, disturb it, continue it, and compare every byte with a run that was left alone."""
    setting = {"seed": seed, "model": _named(model), "micro_batch_size": micro_batch_size, "ranks": ranks}
    began = time.monotonic()
    with _trial(keep, as_json=as_json, **setting, epochs=epochs) as trial:
        from ..selftest import run

        verdicts = run({"kill": kill or 0, "sigterm": int(sigterm)}, trial)
    if as_json:
        result_json(_json(verdicts, setting))
    else:
        result_line(_summary(verdicts, setting, time.monotonic() - began))
    raise typer.Exit(0 if all(verdict.passed for verdict in verdicts) else 1)


def _named(model: str) -> str:
    from ..tables.models import model_row

    return model_row(model).name


@contextmanager
def _trial(keep: Path | None, *, as_json: bool, **setting: Any) -> Iterator[Trial]:
    """The selftest's setting, in a folder that is new, and gone at the end unless it shall be kept."""
    import tempfile

    from ..errors import InputError
    from ..selftest import Trial

    if keep and keep.exists() and any(keep.iterdir()):
        raise InputError(f"{keep} is not empty; --keep takes a new folder")
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield Trial(root=keep.resolve(), say=_say(as_json), **setting)
        return
    with tempfile.TemporaryDirectory(prefix="isoscale-selftest-", ignore_cleanup_errors=True) as folder:
        yield Trial(root=Path(folder).resolve(), say=_say(as_json), **setting)


def _say(as_json: bool) -> Any:
    """Lines on stdout as they come; on stderr where stdout is for machines."""
    return note if as_json else result


def _summary(verdicts: list[Verdict], setting: dict[str, Any], seconds: float) -> str:
    """The last line."""
    passed = sum(verdict.passed for verdict in verdicts)
    word = "PASS" if passed == len(verdicts) else "FAIL"
    what = f"{setting['model']}, seed {setting['seed']}, {seconds:.0f} s"
    return f"{word} selftest: {passed} of {len(verdicts)} kinds, {what}"


def _json(verdicts: list[Verdict], setting: dict[str, Any]) -> dict[str, Any]:
    """What `--json` prints."""
    kinds = {
        one.kind: {"passed": one.passed, "verdict": one.line(), "failures": one.failures, **one.facts}
        for one in verdicts
    }
    return {"passed": all(verdict.passed for verdict in verdicts), **setting, "kinds": kinds}
