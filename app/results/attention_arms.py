"""The architectures of `attention`: which of them are compared, in what else they differ, and why others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts.attention_rows import TEST
from ..artifacts.index import Entry
from ..artifacts.runs import Run
from ..errors import InputError
from . import arms, attended, audit, family, tuning
from .alike import Search
from .arms import Arm
from .attended import Difference, Parts
from .attention_units import Units
from .subtracted import Subtracted, subtracted

Measured = Mapping[Path, Parts]  # by the file of a run's record


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two architectures with the differences of their numbers."""

    arms: tuple[str, str]
    n: int  # test images
    groups: int | None  # of test images that count as one, such as patients; None: there are none
    differences: tuple[Difference, ...]
    confounds: tuple[str, ...]
    also: str  # the sentence that names the confounds

    def to_json(self) -> dict[str, Any]:
        """Return the comparison for a machine."""
        return {
            "arms": [*self.arms], "n": self.n, "groups": self.groups, "confounds": [*self.confounds],
            "differences": [gap.to_json() for gap in self.differences],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The effect of subtracting in each architecture, and the comparison, or a note on why there is none."""

    subtracted: tuple[Subtracted, ...]
    compared: Compared | None
    notes: tuple[str, ...]


def answered(parts: Mapping[str, Sequence[Run]], measured: Measured, entries: Sequence[Entry]) -> Answer:
    """Return the answer for the runs that each argument names. `entries` are those of all runs in the folder."""
    found, notes = dict[str, tuple[Arm, ...]](), list[str]()
    for dataset in family.datasets_of(parts, ()):
        try:
            chosen = arms.chosen(parts, dataset, fewest=1)
        except InputError as error:
            notes.append(str(error))
            continue
        notes += [each.line for each in chosen.exclusions]
        found[dataset] = chosen.arms
    search = Search()
    units = {arm.run_ids: Units.of(arm.runs[0], search) for its in found.values() for arm in its}
    notes += sorted({each.gap for each in units.values() if each.gap})
    notes += sorted(
        {f"groups of test rows count as one example: {each.about}" for each in units.values() if each.about}
    )
    several = len(found) > 1
    effects = [
        each for dataset, its in found.items() for arm in its
        for each in subtracted(
            f"{arm.title} on {dataset}" if several else arm.title, arm.run_ids, _of(arm, measured), units[arm.run_ids]
        )
    ]  # fmt: skip
    try:
        compared = _compared(found, measured, entries, units)
    except InputError as error:
        compared = None
        notes.append(str(error))
    return Answer(subtracted=tuple(effects), compared=compared, notes=tuple(notes))


def _compared(
    found: Mapping[str, tuple[Arm, ...]], measured: Measured, entries: Sequence[Entry],
    units: Mapping[tuple[str, ...], Units],
) -> Compared | None:  # fmt: skip
    """Return the comparison of two architectures, or None for one. Raises InputError for others, by compare's rule."""
    if len(found) > 1:
        raise InputError(f"the runs are of {len(found)} datasets ({', '.join(found)}) and are not compared. Name the "
                         "runs of one dataset")  # fmt: skip
    its = next(iter(found.values()), ())
    if len(its) < 2:
        return None
    if len(its) > 2:
        raise InputError(f"{len(its)} architectures are not compared. Name two")
    audit.require_comparable(its)
    a, b = its
    one, other = _of(a, measured), _of(b, measured)
    if not len(rows := attended.common([*one, *other], [TEST])):
        raise InputError("the runs have no test row in common and are not compared. Name runs with the same test rows")
    codes = units[a.run_ids].codes(rows)
    about = audit.audited(a, b, tuning.findings(a, b, entries))
    return Compared(
        arms=(a.title, b.title), n=len(rows), groups=None if codes is None else int(codes.max()) + 1,
        differences=tuple(attended.differences(one, other, units[a.run_ids])),
        confounds=about.confounds, also=about.also,
    )  # fmt: skip


def _of(arm: Arm, measured: Measured) -> list[Parts]:
    return [measured[run.files.record] for run in arm.runs]
