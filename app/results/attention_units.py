"""Groups of test rows that count as one example in numbers of attention: of a patient, a simulation, exact copies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..errors import InputError
from ..statistics.grouping import codes_of
from .alike import Search


@dataclass(frozen=True, eq=False, kw_only=True)
class Units:
    """The group of each test row of some runs, as `compare` finds it."""

    run_id: str = ""  # of the run whose test set it is
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # (n,), ascending
    groups: np.ndarray | None = None  # (n,); None: every row is a separate example
    about: str = ""  # what the groups are, for a reader
    gap: str = ""  # why groups or duplicates were not looked for

    @classmethod
    def of(cls, run: Run, search: Search | None = None) -> Units:
        """Return the units of a run's test set. A shared `search` looks once for runs with the same test set.

        Raises Damaged for a damaged file of predictions.
        """
        if not run.files.predictions.exists():
            missing = f"run {run.record.run_id} has no predictions. Run `evaluate {run.record.run_id} --again`"
            return cls(gap=f"groups and exact duplicates among the test examples were not looked for: {missing}")
        found = Predictions.load(run.files.predictions)
        found = found.in_order(np.argsort(found.rows, kind="stable"))
        alike = (search or Search()).of(run, found)
        return cls(run_id=run.record.run_id, rows=found.rows, groups=alike.groups, about=alike.about, gap=alike.gap)

    def codes(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the group of each of these test rows from 0, int (n,), or None if each row has a separate one.

        Raises InputError for rows that the run was not tested on, whose groups are unknown.
        """
        if self.groups is None:
            return None
        at = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
        if not np.array_equal(self.rows[at], rows):
            raise InputError(
                f"the numbers of attention are for test rows that the predictions of run {self.run_id} lack. Run "
                f"`evaluate {self.run_id} --again`"
            )
        codes = codes_of(self.groups[at].tolist(), len(rows))
        return codes if codes.max() + 1 < len(rows) else None


NONE = Units()  # every row is a separate example
