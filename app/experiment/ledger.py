"""The costs of a run, in its record: the time at each place, lost work, energy and dollars, over all its processes.

A place is one process of the run. Its time begins with reading the data and ends with the test. A process that was
killed cannot write, so the next one enters its time from the saved state and from the log.

Runs at once on a machine share its price, and runs at once on a GPU share its energy, in equal parts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .. import log
from ..artifacts import provenance
from ..artifacts.checkpoint import State
from ..artifacts.parts import Seconds
from ..artifacts.record import Record
from ..place import Place
from ..system import energy, neighbours
from .observers import Saving

_HOUR = 3600  # seconds


@dataclass(frozen=True)
class Stay:
    """The time of this process at its place: when it began, and the energy in kWh since then."""

    began: float  # of time.monotonic()
    energy: energy.Counter

    @classmethod
    def begin(cls, here: Place) -> Stay:
        """Return a stay that begins now."""
        used = energy.counter(energy.gpus(here.device, here.ranks), runs=neighbours.here().on_device)
        return cls(time.monotonic(), used)


def open_place(kept: Record, here: Place, stay: Stay, *, from_step: int, usd_per_hour: float | None) -> None:
    """Append the place of a process to the record, before its first step."""
    place = provenance.place(here.describe(), from_step=from_step, execution=kept.execution)
    place.usd_per_hour = usd_per_hour
    kept.places.append(place)
    _enter(kept, stay)


def note(kept: Record) -> str:
    """Return what a reader must know about the dollars, or an empty text."""
    stated = [place.usd_per_hour is not None for place in kept.places]
    if all(stated) or not any(stated):
        return ""
    return f"--usd-per-hour is unknown at {stated.count(False)} of {len(stated)} places of the run. dollars omits them"


def settle(kept: Record, state: State | None, rows: Path) -> bool:
    """Enter the costs of the previous process, if the log has its rows. Return whether there was one.

    Steps after the state are lost work. Costs that the process itself entered before it ended are not counted twice.
    """
    if len(kept.places) < 2:
        return False
    before, facts = kept.places[-2], state.facts if state else None
    trained, offset = (float(facts.seconds), facts.log_bytes) if facts else (0.0, 0)
    lost = log.seconds_after(rows, offset)
    entered = float(kept.seconds.training) if kept.seconds else 0.0
    before.seconds = round((before.seconds or 0) + max(0.0, trained + lost - entered), 1)
    if before.energy_kwh is None and state and facts and state.step > (before.from_step or 0):
        before.energy_kwh = facts.energy_kwh
    known = (kept.seconds.lost if kept.seconds else None) or 0
    kept.seconds = Seconds(
        training=round(trained, 1),
        waiting=facts.waiting if facts else None,
        validation=facts.validation if facts else None,
        lost=round(known + lost, 1) or None,
    )
    _add_up(kept)
    return True


def enter(kept: Record, stay: Stay, saving: Saving) -> None:
    """Enter the time of this process in the loop, which ended or was stopped."""
    lost = kept.seconds.lost if kept.seconds else None
    kept.seconds = Seconds(
        training=round(saving.seconds, 1),
        waiting=round(saving.logging.waiting, 1),
        validation=round(saving.logging.validation, 1),
        lost=lost,
    )
    _enter(kept, stay)


def enter_test(kept: Record, stay: Stay, seconds: float) -> None:
    """Enter the time of the test, the last part of a run."""
    assert kept.seconds, "the loop has ended"
    kept.seconds = msgspec.structs.replace(kept.seconds, test=round(seconds, 1))
    _enter(kept, stay)


def _enter(kept: Record, stay: Stay) -> None:
    """Enter the time and energy of this process so far."""
    kept.places[-1].seconds = round(time.monotonic() - stay.began, 1)
    kept.places[-1].energy_kwh = stay.energy()
    _add_up(kept)


def _add_up(kept: Record) -> None:
    """Enter the energy and the dollars of all places for which they are known."""
    energies = [place.energy_kwh for place in kept.places if place.energy_kwh is not None]
    prices = [
        (place.seconds or 0) / (place.jobs or 1) / _HOUR * place.usd_per_hour
        for place in kept.places if place.usd_per_hour is not None
    ]  # fmt: skip
    kept.energy_kwh = round(sum(energies), 6) if energies else None
    kept.dollars = round(sum(prices), 6) if prices else None
