"""The reports of a command while another machine has the lease of the run that it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..system import clock
from .claims import Lease


class Standing(NamedTuple):
    """A branch at one commit."""

    head: str
    files: dict[str, Any]  # name within the folder -> the Hub's description
    lease: Lease
    until: float = 0.0  # by the Hub's clock: when another machine's lease ends; 0 for none
    problem: str = ""  # the reason why the lease is invalid

    @property
    def left(self) -> float:
        """The seconds until another machine's lease ends; 0 for none."""
        return max(0.0, self.until - clock.now()) if self.until else 0.0


class Waiting:
    """The reports while another machine's lease lasts: once, and again whenever the lease was renewed."""

    def __init__(self, run_id: str, say: Callable[[str], None]) -> None:
        self._run_id, self._say, self._told_until = run_id, say, 0.0

    def report(self, standing: Standing) -> None:
        """Report who has the lease, until when, and how to end it."""
        there = f"on {standing.lease.machine}" if standing.lease.machine else "there"
        if not self._told_until:
            self._say(
                f"another machine trains run {self._run_id}. This command waits until it ends or its claim expires "
                f"({held(standing)}, and the run renews it while it trains). To take the run sooner, stop it "
                f"{there}: Ctrl-C or SIGTERM releases the claim. With --if-held refuse, this command ends instead of "
                "waiting"
            )
        elif clock.now() > self._told_until:
            self._say(f"another machine still trains run {self._run_id} ({held(standing)}). This command still waits")
        else:
            return
        self._told_until = standing.until


def held(standing: Standing) -> str:
    """Return a description of a lease: whose it is, and how long it lasts."""
    lease = standing.lease
    whose = f"the claim of {lease.machine}" if lease.machine else "its claim"
    more = ", because at most a day of a longer claim counts" if lease.until > standing.until else ""
    return f"{whose} lasts until {clock.utc(standing.until)}, {clock.duration(standing.left)} from now{more}"
