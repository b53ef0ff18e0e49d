"""The settings of where a run is stored and when it stops, which do not belong to its ID."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...tables.trackers import TRACKERS, canonical
from .declaring import MOST, setting

PANEL, HUB = "Keeping the run", "Hub"
IF_HELD = ("wait", "refuse")
DAY = 86400  # seconds: no lease lasts longer


def _keep(default: Any, help_: str, **more: Any) -> Any:
    return setting(default, help=help_, decides=False, differs="harmless", **{"panel": PANEL, **more})


def _hub(default: Any, help_: str, **more: Any) -> Any:
    return _keep(default, help_, panel=HUB, needs="upload", **more)


def _time(default: float, help_: str, *, shown: str, at_hub: bool = True) -> Any:
    """Declare a time in seconds, which is written as 90s, 30m or 1h."""
    return (_hub if at_hub else _keep)(default, help_, shown=shown, time=True, metavar="TIME", **_ABOVE[at_hub])


_ABOVE: dict[bool, dict[str, float]] = {True: {"above": 0}, False: {}}  # a state may be saved at every step


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Where a run is stored, and when it stops. Times are in seconds."""

    state_every: float = _time(
        300.0, "Save the state of training at this interval, such as 90s, 5m or 1h; a plain number is in seconds.",
        shown="5m", at_hub=False,
    )  # fmt: skip
    keep_every: int | None = _keep(
        None, "Keep the weights after every Nth epoch of this number N, in addition to the best and the final ones.",
        above=0, most=MOST,
    )  # fmt: skip
    max_minutes: float | None = _keep(
        None, "Save the state and stop after this many minutes.", least=0, shown="no limit"
    )
    checkpoints: Path = _keep(Path("checkpoints"), "Keep all runs in this folder.")
    tag: str | None = _keep(
        None, "Store this text with the run, by which `runs --where tag=TEXT` finds it.", characters=100, metavar="TEXT"
    )
    usd_per_hour: float | None = _keep(
        None, "State the price of this machine in USD per hour, from which the dollars in the record follow.", least=0
    )
    track: str | None = _keep(
        None, "Send the curves of training to these trackers, joined by +.", words=tuple(TRACKERS), spelled=canonical,
        metavar="NAME[+NAME]",
    )  # fmt: skip
    track_every: int = _keep(
        10, "Send every Nth step of this number N, and the last one of each epoch, with --track.", above=0, most=MOST,
        needs="track",
    )  # fmt: skip
    fresh: bool = _keep(False, "Delete what exists of this run and train it again.")
    upload: bool = _keep(False, "Upload the run to HF_REPOSITORY, and its state while it trains.", panel=HUB)
    private: bool = _hub(False, "Make the repository private if it has to be created.", off="--public", shown="public")
    push_every: float = _time(1800.0, "Upload the state at this interval, with --upload.", shown="30m")
    if_held: str = _hub("wait", "Wait or refuse while another machine trains this run, with --upload.", choices=IF_HELD)
    grace: float = _hub(
        30.0, "Take at most this time after a signal to save and upload the state, with --upload.", shown="30s",
        time=True, metavar="TIME", above=0, most=DAY,
    )  # fmt: skip
    lease: float = _hub(
        900.0, "Release a run after this time, at most 24h, if its machine disappears, with --upload.",
        shown="15m", time=True, metavar="TIME", above=0, most=DAY,
    )  # fmt: skip
