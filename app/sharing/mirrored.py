"""A run's curves sent to a tracker by a command: what `track` does and prints."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

from ..artifacts import marks
from ..artifacts.runs import Run
from ..errors import Explained, InputError, Unavailable
from ..system import locks, packages
from ..tables.trackers import tracker_row
from .mirror import Mirror


@dataclass(frozen=True)
class Sent:
    """What a tracker has after a command."""

    run_id: str
    tracker: str
    destination: str
    steps: int  # sent by this command
    last_step: int  # that the tracker has
    done: bool  # whether it has the test results
    advice: str = ""  # how to send steps that cannot be added; not in the JSON object

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {name: value for name, value in asdict(self).items() if name != "advice"}

    def __str__(self) -> str:
        rest = "" if self.done else ". The run is not finished: `track` sends the rest later"
        steps = f"{self.steps:,} step{'' if self.steps == 1 else 's'} sent" if self.steps else "nothing to send"
        return f"{self.tracker}: {steps}, up to step {self.last_step:,} ({self.destination}){rest}{self.advice}"


def require_installed(names: Collection[str]) -> None:
    """Raise InputError for a tracker whose package is missing."""
    for name in names:
        package = tracker_row(name).package
        if not packages.is_installed(package):
            raise InputError(
                f"--to {name} needs the package {package}, which is not installed. Install the extra `{name}`: "
                f"uv sync --no-dev --extra {name}, or pip install 'isoscale[{name}]'"
            )


def sent(run: Run, tracker: str, *, every: int) -> Sent:
    """Send what a tracker lacks of a run. Raises Held if another process does so, and Unavailable if it fails."""
    with locks.lock(marks.path_of(run.files, f"{tracker}.lock"), wait=False):
        mirror = Mirror.of(run.files, tracker, every=every, report=lambda *_: None)
        if not mirror.is_complete:
            _send(mirror)
    mark = mirror.mark
    return Sent(run.record.run_id, tracker, mark.destination, mirror.count, mark.step, mark.done, _advice(mirror))


def _advice(mirror: Mirror) -> str:
    """Return the sentences on steps that were asked for and are between those that the tracker has, if there are."""
    if (there := mirror.mark.spacing_without(mirror.every)) is None:
        return ""
    remedy = f"delete {mirror.files.tensorboard}"
    if mirror.tracker != "tensorboard":
        remedy = f"name another project in {mirror.tracker.upper()}_PROJECT"
    return (
        f". It got these steps with --track-every {there}, and others cannot be added between them. To send "
        f"the steps of --track-every {mirror.every}, {remedy}, and run the same command again"
    )


def _send(mirror: Mirror) -> None:
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # packages of trackers print
            mirror.send()
            mirror.finish()
    except Explained:
        raise
    except Exception as error:  # of any kind: the trackers have no common class
        why = f"{type(error).__name__}: {error}".rstrip(".: ")
        raise Unavailable(f"{mirror.tracker} failed ({why}). Run the same command again") from error
