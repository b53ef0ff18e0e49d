"""Small runs side by side on one device, as `study --jobs-per-device` starts them, against one run alone.

Each run is a process with the environment that a study gives its workers, which limits it to its share of the device's
memory. All are prepared first. Then all take steps at the same time, each with its validation batch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from app import place
from app.bench import ours
from app.computing.choices import Execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.errors import named_line
from app.studies import jobs
from app.system import neighbours, processes

from .cases import CLASSIC, TINY
from .findings import Findings, read
from .timing import tried

_SECONDS, _UNCOUNTED = 4.0, 5  # of steps at the same time; steps before them
_LEAST = 12.0  # seconds of a case: processes start, load their programs, and take steps
_COMPILING, _EACH = 13.0, 1.0  # more seconds: where the first run of a batch size compiles, and for each run


@dataclass(frozen=True)
class Case:
    """A number of runs of a 10M model on images of 32 px, at a batch size."""

    runs: int
    batch: int

    @property
    def name(self) -> str:
        return f"10M 32 px batch {self.batch}, {self.runs} run{'s' * (self.runs > 1)}"

    @property
    def least(self) -> float:
        """The seconds that it needs, as planned. One run comes first, and leaves its programs in the cache."""
        return _LEAST + (_COMPILING if self.runs == 1 else _EACH * self.runs)


CASES = (*(Case(runs, 64) for runs in (1, 8, 4, 2)), Case(1, 512), Case(4, 512))
_IN_MINIATURE = (Case(1, 2), Case(2, 2))


def measure(findings: Findings) -> None:
    """Measure each number of runs. One run comes first, since the others are compared with it."""
    for number, case in enumerate(_IN_MINIATURE if findings.tiny else CASES):
        least = 0.0 if findings.tiny or number == 0 else case.least
        tried(findings, "beside", case.name, lambda: together(case, findings), least=least)  # noqa: B023


def together(case: Case, findings: Findings) -> dict[str, Any]:
    """Return the training images per second of all runs together, and over those of one run alone.

    Raises RuntimeError if a run fails, for instance since its share of the memory is too small.
    """
    with ExitStack() as held:
        runs = [
            held.enter_context(Run(command(case, tiny=findings.tiny), more, f"run {number} of {case.runs}"))
            for number, more in enumerate(environments(case.runs, tiny=findings.tiny), start=1)
        ]
        for run in runs:
            run.answer()  # it is prepared
        for run in runs:
            run.begin()
        found = [run.answer() for run in runs]
    rates = [case.batch * each["steps"] / each["seconds"] for each in found]
    total = sum(rates)
    alone = total if case.runs == 1 else _alone(case, findings)
    return {
        "runs": case.runs, "batch": case.batch, "images_per_second": total,
        "over_one": total / alone if alone else None, "each": rates, "peak_bytes": [each["peak"] for each in found],
    }  # fmt: skip


def _alone(case: Case, findings: Findings) -> float | None:
    """Return the images per second of one run at the case's batch, or None if it is not measured yet."""
    rows = [one for one in read(findings.path) if one["kind"] == "beside" and one["runs"] == 1]
    return next((one["images_per_second"] for one in rows if one["batch"] == case.batch), None)


def environments(runs: int, *, tiny: bool) -> list[dict[str, str]]:
    """Return the variables of each run's process: those of a study's workers on the first GPU."""
    if tiny:
        return [neighbours.Neighbours(runs, runs).variable] * runs
    device = jobs.devices(on_cpu=False)[:1]
    return [more for _, more in jobs.shares(runs, device, threads=None, per_device=runs)]


def command(case: Case, *, tiny: bool) -> list[str]:
    """Return the command of a run's process."""
    more = ["--tiny"] if tiny else []
    return [sys.executable, "-m", "benchmarks.gpu.side_by_side", "--batch", str(case.batch), *more]


class Run:
    """A run's process, which answers with a line when it is prepared, and with another one after its steps."""

    def __init__(self, command: Sequence[str], more: dict[str, str], name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, env=os.environ | more, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=processes.die_with_parent,  # noqa: PLW1509  (the part has one thread)
        )  # fmt: skip

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def begin(self) -> None:
        """Let the process take its steps."""
        assert self._process.stdin, "it is a pipe"
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Return the next line of the process. Raises RuntimeError if it failed or ended."""
        assert self._process.stdout, "it is a pipe"
        line = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"error": f"exit {self._process.wait()}"}
        if "error" in found:
            raise RuntimeError(f"{self.name}: {found['error']}")
        return found


def main() -> None:
    """Be one of the runs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    try:
        take_steps(asked.batch, tiny=asked.tiny)
    except Exception as error:  # whatever it fails with is the answer  # noqa: BLE001
        _say({"error": named_line(error)})
        sys.exit(1)


def take_steps(batch: int, *, tiny: bool) -> None:
    """Say that the steps are prepared. After a line from the other process, take steps and say how many."""
    at = place.choose(device="cpu" if tiny else "cuda", precision="bf16")
    request = TINY if tiny else {"size": "10M", "dataset": "cifar10", "batch_size": batch}
    config = ours.config_at({**request, "model": CLASSIC}, at)
    chosen = Execution(
        attention_path="plain" if tiny else "sdpa", micro_batch_size=batch, threads=torch.get_num_threads(),
        compile="off" if tiny else "blocks", checkpointing=False,
    )  # fmt: skip
    images = HeldBatch.of(config, at.device)
    rehearsal, examples = Rehearsal(config, at, images, chosen), images.order(0)[: config.val_batch_size]

    def unit() -> None:
        rehearsal.step()
        rehearsal.validate(examples)

    for _ in range(1 if tiny else _UNCOUNTED):
        unit()
    at.wait()
    _say({"prepared": True})
    sys.stdin.readline()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < (0.0 if tiny and steps else _SECONDS):
        unit()
        steps += 1
    at.wait()
    _say({"steps": steps, "seconds": time.perf_counter() - began, "peak": at.peak_bytes()})


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
