"""The audit of two arms: every setting and fact in which they differ besides the architecture, and their budgets.

A difference voids a comparison, confounds it, or is harmless. The class of a setting is part of its declaration.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..artifacts.record import Record
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..config.settings import Computing, declared, flag
from ..errors import InputError
from ..experiment import length
from .arms import Arm, shown

_NAMED = 10  # classes of which every name is shown
_MATCHED = 0.01  # relative difference of two budgets, at most
_OF_A_RUN = ("seed", "fold", "repeat")  # settings that are meant to differ among the runs of an arm
_CONFIG = {
    field.name: declared(field).differs
    for field in dataclasses.fields(RunConfig)
    if declared(field).differs != "architecture" and field.name not in _OF_A_RUN
}
_OF_A_FOLD = ("train rows", "warm-up share", "training and validation rows")  # differ among the folds of an arm
_LIBRARIES = {"isoscale": "confound", "torch": "confound"}  # others are harmless: no result depends on them


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A setting or fact in which the arms differ, or the runs of an arm among themselves."""

    name: str
    differs: str  # voids | confound | harmless
    a: tuple[str, ...]  # the values of the arm's runs, each once
    b: tuple[str, ...]

    @property
    def line(self) -> str:
        """The difference for a reader."""
        return f"{self.name} ({', '.join(self.a)} against {', '.join(self.b)})"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run of each arm takes on average. None: unknown."""

    name: str
    a: float | None
    b: float | None

    @property
    def ratio(self) -> float | None:
        """A's budget over B's."""
        return self.a / self.b if self.a is not None and self.b else None

    @property
    def matched(self) -> bool | None:
        """Whether the budgets are at most 1 % apart."""
        return None if self.ratio is None else abs(self.ratio - 1) <= _MATCHED


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A remark on the arms' runs. A confound is named next to the verdict."""

    confound: str  # its name, or an empty text
    text: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The differences of two arms besides the architecture, their budgets, and remarks."""

    differences: tuple[Difference, ...]
    budgets: tuple[Budget, ...]
    findings: tuple[Finding, ...] = ()

    def of(self, differs: str) -> tuple[Difference, ...]:
        """Return the differences of a class."""
        return tuple(each for each in self.differences if each.differs == differs)

    @property
    def confounds(self) -> tuple[str, ...]:
        """What else than the architecture may explain a difference of the results."""
        sizes = [
            f"parameters ({each.a:,.0f} against {each.b:,.0f})"
            for each in self.budgets if each.name == "parameters" and each.matched is False
        ]  # fmt: skip
        named = [each.confound for each in self.findings if each.confound]
        return (*(each.line for each in self.of("confound")), *sizes, *dict.fromkeys(named))

    @property
    def also(self) -> str:
        """The sentence that names the confounds, or an empty text."""
        return f"The models differ also in: {'; '.join(self.confounds)}." if self.confounds else ""

    def to_json(self) -> dict[str, Any]:
        """Return the audit for a machine."""
        return {
            "differences": [
                {"name": each.name, "class": each.differs, "a": list(each.a), "b": list(each.b)}
                for each in self.differences
            ],
            "budgets": [dataclasses.asdict(each) | {"matched": each.matched} for each in self.budgets],
            "findings": [dataclasses.asdict(each) for each in self.findings],
            "confounds": list(self.confounds),
        }


def require_comparable(arms: Sequence[Arm]) -> None:
    """Raise InputError if two arms differ in a setting or fact that makes their tests different ones."""
    for arm in arms[1:]:
        voids = [each for each in _differences(arms[0], arm) if each.differs == "voids"]
        if voids:
            what = "; ".join(each.line for each in voids)
            raise InputError(
                f"{arms[0].title} and {arm.title} are not comparable: they differ in {what}. Train both on the same "
                "data with the same test rows"
            )


def audited(a: Arm, b: Arm, findings: Iterable[Finding] = (), *, usd_per_hour: float | None = None) -> Audit:
    """Return the audit of two arms that are comparable."""
    return Audit(
        differences=tuple(_differences(a, b)), budgets=budgets(a, b, usd_per_hour=usd_per_hour),
        findings=tuple(findings),
    )  # fmt: skip


def budgets(a: Arm, b: Arm, *, usd_per_hour: float | None = None) -> tuple[Budget, ...]:
    """Return the mean parameters, training FLOPs, training seconds and dollars of a run of each arm."""
    kinds: dict[str, Callable[[Record], float | None]] = {
        "parameters": lambda record: record.parameters.total,
        "training FLOPs": training_flops,
        "seconds": seconds,
        "dollars": lambda record: dollars(record, usd_per_hour),
    }
    return tuple(Budget(name=name, a=_mean(a, of), b=_mean(b, of)) for name, of in kinds.items())


def training_flops(record: Record) -> float | None:
    """Return the FLOPs of a run: three forward passes per input trained on, one per evaluated input."""
    if record.flops_per_image is None:
        return None
    config, rows = RunConfig.from_json(record.config), record.data.rows
    trained = config.epochs * length.shown(config, rows.train)
    evaluated = length.evaluated(config, train=rows.train, val=rows.val, test=rows.test)
    return float(record.flops_per_image) * (3 * trained + evaluated)


def seconds(record: Record) -> float | None:
    """Return the seconds of a run's training."""
    return float(record.seconds.training) if record.seconds else None


def side_by_side(record: Record) -> list[int]:
    """Return how many runs used a device at once at the places of a run, each number once."""
    return sorted({place.jobs_per_device or 1 for place in record.places})


def dollars(record: Record, usd_per_hour: float | None = None) -> float | None:
    """Return the dollars of a run: those in its record, else those of its machines' time at a price."""
    if record.dollars is not None:
        return float(record.dollars)
    occupied = [place.seconds / (place.jobs or 1) for place in record.places if place.seconds is not None]
    took = sum(occupied) if occupied else seconds(record)
    return None if usd_per_hour is None or took is None else took / 3600 * usd_per_hour


def _mean(arm: Arm, of: Callable[[Record], float | None]) -> float | None:
    found = [value for run in arm.runs if (value := of(run.record)) is not None]
    return sum(found) / len(found) if len(found) == len(arm.runs) else None


def _differences(a: Arm, b: Arm) -> list[Difference]:
    """Return the facts whose values differ between the arms or within one, the voids first, then the confounds."""
    ours, theirs = [facts(run) for run in a.runs], [facts(run) for run in b.runs]
    found = []
    for name, differs in _classes([*ours, *theirs]).items():
        values = [tuple(sorted({its[name][1] for its in arm if name in its})) for arm in (ours, theirs)]
        by_design = a.of_folds and b.of_folds and name in _OF_A_FOLD
        mixed = differs == "confound" and max(map(len, values)) > 1 and not by_design
        if (values[0] != values[1] and all(values)) or mixed:
            found.append(Difference(name=name, differs=differs, a=values[0] or ("none",), b=values[1] or ("none",)))
    order = ("voids", "confound", "harmless")
    return sorted(_apart(found), key=lambda each: order.index(each.differs))


def _classes(found: Iterable[dict[str, tuple[str, str]]]) -> dict[str, str]:
    return {name: differs for each in found for name, (differs, _) in each.items()}


def _apart(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences without those that follow from others: other training rows make another split."""
    rows = {"val_fraction", "val_split", "group_column", "limit_train", "limit_val", "folds", "train rows"}
    explained = any(each.name in rows for each in found)
    return [each for each in found if not (each.name == "training and validation rows" and explained)]


def facts(run: Run) -> dict[str, tuple[str, str]]:
    """Return the facts of a run by name: their class, and their value for a reader."""
    record, config = run.record, run.config
    found = {name: (differs, shown(getattr(config, name))) for name, differs in _CONFIG.items()}
    data, steps = record.data, record.schedule
    found |= {
        "data version": ("voids", data.version),
        "class names": ("voids", _names(data.class_names)),
        "train rows": ("confound", f"{data.rows.train:,}"),
        "warm-up share": ("confound", f"{steps.warmup_steps / max(1, steps.total_steps):.3g}"),
        "training and validation rows": ("confound", f"split {data.split_fingerprint}"),
        "computed in": ("confound", ", ".join(sorted({place.precision for place in record.places}))),
        "device": ("harmless", ", ".join(sorted({place.device for place in record.places}))),
        "runs at once on the device": ("harmless", ", ".join(map(str, side_by_side(record)))),
    }
    if data.arrays_digest:
        found["cached arrays"] = ("voids", data.arrays_digest[:12])
    for name, version in record.versions.items():
        found[f"version of {name}"] = (_LIBRARIES.get(name, "harmless"), version)
    if isinstance(record.commit, str):
        found["commit"] = ("confound", record.commit[:12] + ("-dirty" if record.commit.endswith("-dirty") else ""))
    return found | _computed(record)


def _names(names: Sequence[str]) -> str:
    """Return class names for a reader; of many, the first and a digest of all."""
    text = ", ".join(names)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return text if len(names) <= _NAMED else f"{', '.join(names[:3])}, ... ({len(names):,} names, digest {digest})"


def _computed(record: Record) -> dict[str, tuple[str, str]]:
    """Return the settings of the computation that a record has, with their declared classes."""
    return {
        flag(field.name)[2:]: (declared(field).differs, shown(value))
        for field in dataclasses.fields(Computing)
        if (value := getattr(record.execution, field.name, None)) is not None
    }
