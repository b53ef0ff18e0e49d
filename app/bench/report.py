"""The result of a comparison: a table for readers, and one JSON object with every sample for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__
from ..system.columns import columns
from .rounds import Samples, ratios, spread

_LIBRARIES = ("torch", "numpy", "typer", "timm", "torchvision", "datasets", "transformers", "accelerate", "triton")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Contenders that were measured in turns, in one unit. `pairs` are the ratios to report, (over, under)."""

    title: str
    unit: str
    samples: Sequence[Samples]
    pairs: Sequence[tuple[str, str]] = ()

    def ratios(self) -> list[dict[str, Any]]:
        """Return each measured pair with its ratio per round."""
        by_name = {one.name: one.values for one in self.samples}
        return [
            {"over": over, "under": under, **_figures(ratios(by_name[over], by_name[under]))}
            for over, under in self.pairs
            if over in by_name and under in by_name
        ]

    def to_json(self) -> dict[str, Any]:
        """Return every sample with medians, quartiles and ratios."""
        contenders = [
            {"name": one.name, **_figures(one.values), "units_per_sample": one.units, "peak_bytes": one.peak_bytes}
            | dict(one.facts)
            for one in self.samples
        ]
        return {"title": self.title, "unit": self.unit, "contenders": contenders, "ratios": self.ratios()}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of one `bench` command."""

    bench: str
    setting: Mapping[str, Any]
    hardware: Mapping[str, Any]
    groups: Sequence[Group]
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)  # facts that are not samples

    def to_json(self, command: str) -> dict[str, Any]:
        """Return the complete result, with the versions and the command that repeats it."""
        fields = asdict(self) | {"groups": [group.to_json() for group in self.groups]}
        return fields | {"versions": _versions(), "command": command}

    def to_text(self) -> str:
        """Return tables of medians with quartiles, then ratios, then the facts that are needed to read them."""
        setting = ", ".join(f"{name} {_cell(value)}" for name, value in self.setting.items())
        blocks = [f"bench {self.bench}: {setting}", *map(_block, self.groups)]
        if self.facts:
            blocks.append("\n".join(f"{name.replace('_', ' ')}: {_cell(value)}" for name, value in self.facts.items()))
        notes = [f"left out: {sentence}" for sentence in self.left_out] + [f"note: {note}" for note in self.notes]
        blocks += ["\n".join(notes)] if notes else []
        machine = {**self.hardware, **_versions()}
        return "\n\n".join([*blocks, ", ".join(f"{name} {value}" for name, value in machine.items() if value)])


def hardware(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a place's description of itself, with the host's cores and their load."""
    busy = {"load_average": round(os.getloadavg()[0], 2)} if hasattr(os, "getloadavg") else {}
    return {**described, "cores": os.cpu_count(), **busy}


def _block(group: Group) -> str:
    """Return the text of one group: contenders, then ratios."""
    if not group.samples:
        return f"{group.title}\nnothing could be measured"
    names = list(dict.fromkeys(name for one in group.samples for name in one.facts))
    if any(one.peak_bytes is not None for one in group.samples):
        names.insert(0, "peak_bytes")
    heads = [group.unit, "median", "quartiles", *(n.replace("_bytes", " MB").replace("_", " ") for n in names)]
    lines = []
    for one in group.samples:
        middle, low, high = map(_cell, spread(one.values))
        beside = {"peak_bytes": one.peak_bytes, **one.facts}
        lines.append([one.name, middle, f"{low} to {high}", *(_cell(beside.get(name), name) for name in names)])
    parts = [group.title, columns(heads, lines)]
    if found := group.ratios():
        cells = [
            [f"{one['over']} / {one['under']}", f"{one['median']:.3f}", "{:.3f} to {:.3f}".format(*one["quartiles"])]
            for one in found
        ]
        parts.append(columns(["ratio per round", "median", "quartiles"], cells))
    return "\n".join([*parts, f"rounds: {len(group.samples[0].values)}, in turns (A B, B A, ...)"])


def _figures(values: Sequence[float]) -> dict[str, Any]:
    found = spread(values)
    return {"median": found.median, "quartiles": [found.low, found.high], "samples": list(values)}


def _cell(value: Any, name: str = "") -> str:
    """Return a figure as a table shows it, with bytes in units of a million."""
    if value is None:
        return "-"
    if name.endswith("_bytes"):
        value = value / 1e6
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _versions() -> dict[str, str]:
    found = {"isoscale": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
