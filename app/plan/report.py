"""A plan as text for readers and as one JSON object for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..config.run import RunConfig
from ..config.settings.declaring import spelled_numbers
from ..data import Understood
from ..system.findings import Finding
from ..system.printable import printable
from ..system.storage import spoken, spoken_alike

_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The configuration of a run, its costs, and the checks."""

    config: RunConfig
    data: Understood
    device: dict[str, Any]
    execution: dict[str, Any]
    costs: dict[str, Any]
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """Return one object: run, config, data, device, execution, costs, checks."""
        return {
            "run_id": self.config.run_id,
            "config": self.config.to_json(),
            "data": self.data.to_json(),
            "device": self.device,
            "execution": self.execution,
            "costs": self.costs,
            "checks": [line.to_json() for line in self.findings],
        }

    def to_text(self) -> str:
        """Return the same content as text."""
        config = self.config
        fields = ", ".join(f"{name} {_shown(value)}" for name, value in config.to_json().items() if value is not None)
        shown = [
            f"{config.stem}: nothing is trained",
            *textwrap.wrap(printable(fields), _WIDTH, initial_indent="  ", subsequent_indent="  ",
                           break_on_hyphens=False),
            *self.data.lines(),
            "costs",
            *(f"  {name:<16}{value}" for name, value in self._costs()),
            "checks",
            *(f"  {line.line()}" for line in self.findings),
        ]  # fmt: skip
        return "\n".join(map(printable, shown))

    def _costs(self) -> Iterator[tuple[str, str]]:
        costs, config, how = self.costs, self.config, self.execution
        yield "device", f"{self.device['device']}, {self.device['precision']}"
        rows = costs["rows"]
        yield "rows", ", ".join(f"{name} {_number(rows[name])}" for name in rows)
        steps, trained, evaluated = (_number(costs[name]) for name in ("steps", "trained_inputs", "evaluated_inputs"))
        epochs = _counted(config.epochs, "epoch")
        yield "steps", f"{steps} in {epochs}, {trained} inputs trained on, {evaluated} evaluated"
        yield "model", f"{costs['parameters']:,} parameters ({costs['non_embedding']:,} non-embedding), " \
            f"{_counted(costs['tokens'], 'token')}, {costs['flops'] / 1e9:.2f} GFLOPs per image"  # fmt: skip
        flops = costs["training_flops"]
        yield "training", "unknown" if flops is None else f"{flops:.3g} FLOPs, validation and test included"
        memory = costs["memory_bytes"]
        (whole,), images = spoken_alike([sum(memory.values())]), _counted(how["micro_batch_size"], "image")
        yield "memory", f"{whole} ({_parts(memory)} of {images})"
        yield "download", _bytes(costs["download_bytes"])
        yield "disk", f"{_parts(costs['disk_bytes'])} (the state until the end)"
        yield from self._time()

    def _time(self) -> Iterator[tuple[str, str]]:
        probe, seconds, usd = self.costs["probe"], self.costs["seconds"], self.costs["usd"]
        if probe is None:
            yield "time", "not measured (--probe)"
            return
        scaled = f", measured with {_counted(probe['images'], 'image')} and scaled up" if probe["scaled"] else ""
        step = probe["step_seconds"] * self.config.batch_size / probe["images"]
        yield (
            "time",
            f"{_duration(seconds)} without reading the data ({probe['steps']} steps of {1000 * step:,.1f} ms{scaled})",
        )
        if usd is not None:
            yield "money", f"{usd:,.2f} USD"


def _shown(value: Any) -> str:
    """Return a setting's value as an option accepts it."""
    if isinstance(value, tuple):
        return spelled_numbers(value)
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds / 3600:,.1f} h" if seconds >= 7200 else f"{seconds / 60:.1f} min"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _bytes(value: int | None) -> str:
    return "unknown" if value is None else spoken(value)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _parts(values: Mapping[str, int | None]) -> str:
    known = {name: value for name, value in values.items() if value is not None}
    texts = dict(zip(known, spoken_alike([*known.values()]), strict=True))
    return ", ".join(f"{name} {texts.get(name, 'unknown')}" for name in values)
