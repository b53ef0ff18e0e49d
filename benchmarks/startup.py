"""Start-up: processes timed from outside, `--help` against an empty Typer app, a first step against torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from app.bench import meter
from app.bench.report import Group, Report, hardware
from app.bench.rounds import Contender, Pace, Samples, measure
from app.cli import bench
from app.cli import options as o
from app.place import Place

from .children import Stage, stage
from .command import run, spelled

_HEAVY = ("torch", "numpy", "datasets", "torchvision", "timm")
_TRAIN = ("train", "--dataset", "digits", "--epochs", "1", "--limit-train", "64", "--threads", "1")
_SAME = {  # what -> (arguments of run.py, arguments of the empty app)
    "--help": (["--help"], ["--help"]),
    "--version": (["--version"], []),
    "a bad argument": (["train", "--sise", "1M"], ["--sise", "1M"]),
}
_NOTES = (
    "every child has compiled bytecode: PYTHONPYCACHEPREFIX is a new folder, PYTHONDONTWRITEBYTECODE is unset, and "
    "each command ran once or more before it was timed",
    "the empty Typer app has one command that does nothing; --version is compared with it",
    "the first training step ends when its row stands in the log (looked at every 2 ms); rows are written two rows "
    "late, so this is more than the step took; digits are in the cache, and the child is killed then",
    "torch alone imports torch, makes AdamW over one Linear on the same device and says so; its end is not waited for",
    "peak MB is the largest resident set (ru_maxrss) of the whole command, in a run of its own that is not timed",
)


@dataclass(frozen=True)
class Process:
    """A contender that is a process: how it is timed in seconds, and the command whose memory is looked at."""

    name: str
    timed: Callable[[], float]
    command: list[str]

    def contender(self) -> Contender:
        """One process is one unit, and one sample."""
        return Contender(name=self.name, prepare=lambda: lambda _: 1000 * self.timed(), required=True, most=1)


def compare(here: Place, pace: Pace) -> Report:
    """Milliseconds of wall time per process, and which heavy modules `--help` and `train` load."""
    with stage() as on:
        help_pairs = [(f"run.py {what}", f"empty Typer app for {what}") for what in _SAME]
        step_pairs = [("run.py train, first step", "torch alone")]
        groups = [
            _group("what needs no torch", _sentences(on), help_pairs, on, pace.share(2)),
            _group("the first training step", _first_step(on, here), step_pairs, on, pace.share(2)),
        ]
        pace.say("looking at the modules that are loaded")
        loaded = {"modules_of_help": on.modules("--help"), "modules_of_train": on.modules(*_train(on, here, "modules"))}
    return Report(
        bench="startup",
        setting={"first_step_of": " ".join(_TRAIN), "device": here.device.type},
        hardware=hardware(here.describe()),
        groups=groups,
        notes=_NOTES,
        facts={name: [one for one in _HEAVY if one in modules] for name, modules in loaded.items()},
    )


def _group(title: str, processes: list[Process], pairs: list[tuple[str, str]], on: Stage, pace: Pace) -> Group:
    samples, _ = measure([process.contender() for process in processes], pace, meter.Memory(None))
    peaks = [on.peak_bytes(process.command) for process in processes]
    held: list[Samples] = [replace(one, peak_bytes=peak) for one, peak in zip(samples, peaks, strict=True)]
    return Group(title=title, unit="ms per process", samples=held, pairs=pairs)


def _sentences(on: Stage) -> list[Process]:
    """What needs no torch, each beside the empty app's like."""
    commands: dict[str, list[str]] = {}
    for what, (mine, theirs) in _SAME.items():
        commands[f"run.py {what}"] = on.command("run.py", *mine)
        commands[f"empty Typer app for {what}"] = on.command("empty_app.py", *theirs)
    return [Process(name, lambda c=command: on.whole(c), command) for name, command in commands.items()]  # type: ignore[misc]


def _first_step(on: Stage, here: Place) -> list[Process]:
    """Our first step, in a folder of runs of its own each time, beside a script that imports torch."""
    numbers = count()

    def first_step() -> float:
        runs = f"runs-{next(numbers)}"
        return on.until_trained(on.command("run.py", *_train(on, here, runs)), on.folder / runs)

    torch_alone = on.command("torch_alone.py", str(here.device))
    return [
        Process("run.py train, first step", first_step, on.command("run.py", *_train(on, here, "memory"))),
        Process("torch alone", lambda: on.until_said(torch_alone), torch_alone),
    ]


def _train(on: Stage, here: Place, runs: str) -> list[str]:
    """The arguments of a run whose files go below a folder of that name."""
    return [*_TRAIN, "--device", str(here.device), "--checkpoints", str(on.folder / runs)]


def startup(
    device: o.Device = "cpu",
    rounds: bench.Rounds = bench.ROUNDS,
    seconds: bench.Seconds = bench.SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Wall time of help and errors against an empty Typer app, and to the first step against importing torch (cpu)."""
    bench.present(compare, device, None, None, rounds, seconds, as_json, spelled(startup))


if __name__ == "__main__":
    sys.exit(run(startup))
