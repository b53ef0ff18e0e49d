"""The versions and machines of a published run, compared with those of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from ..artifacts import parts, provenance
from ..artifacts.record import Record
from ..place import Place

OF_A_MACHINE = ("device", "device_type", "precision", "threads", "ranks", "cuda", "platform")
_OF_BITS = ("isoscale", "python", "torch", "numpy")  # versions on which the last bit of a CPU's result may depend


def differences(record: Record, ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between the machine that finished a run and this one, by name: (published, here).

    `ours` describes this machine as `Place.describe` does. An entry that the record lacks is not compared.
    """
    versions = provenance.versions()
    found: dict[str, tuple[Any, Any]] = {name: (theirs, versions.get(name)) for name, theirs in record.versions.items()}
    last = record.places[-1]
    found |= {name: (getattr(last, name), ours[name]) for name in OF_A_MACHINE}
    found["commit"] = (record.commit, provenance.commit())
    return {name: pair for name, pair in found.items() if pair[0] not in (None, UNSET) and pair[0] != pair[1]}


def same_bits(record: Record, other: Record) -> bool:
    """Return whether two trainings of one configuration must end in the same bits.

    They must on CPUs of one kind, with equal versions, threads and ranks, and computed alike. On one CUDA device of a
    kind they must if they are deterministic.
    """
    places = [*record.places, *other.places]
    machines = {
        (place.device, place.cuda, place.precision, place.threads, place.ranks, place.platform) for place in places
    }
    alike = all(map(_repeats_bits, places)) and len(machines) == 1
    versions = all(record.versions.get(name) == other.versions.get(name) for name in _OF_BITS)
    return alike and versions and record.stored_execution == other.stored_execution


def _repeats_bits(place: parts.Place) -> bool:
    if place.device_type == "cpu":
        return True
    deterministic = place.execution is not None and bool(place.execution.deterministic)
    return place.device_type == "cuda" and place.ranks == 1 and deterministic


def on_cpu_in_fp32(record: Record, here: Place) -> bool:
    """Return whether a run was finished on a CPU in fp32, and this place is one too."""
    last = record.places[-1]
    theirs = last.device_type == "cpu" and last.precision == "fp32"
    return theirs and here.device.type == "cpu" and here.precision == "fp32"
