"""A published run, found by its name even if it was changed, and whether its files agree with each other."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import evaluation
from ..artifacts import record, split_rows
from ..artifacts.index import RECORDS
from ..artifacts.parts import tested
from ..artifacts.paths import RunFiles
from ..artifacts.predictions import Predictions
from ..artifacts.record import plain
from ..artifacts.runs import Run
from ..artifacts.which import FINAL, Which
from ..errors import Damaged, Diverged, InputError
from ..sharing import entry, index, named, store
from ..system import repositories
from ..system.durable import sha256, text
from .reproduction import Fact

Say = Callable[[str], None]
_SHOWN = 5  # numbers that a line names
_RELATIVE = 1e-9  # between equal sums in another order


@dataclass(frozen=True, kw_only=True)
class Published:
    """A finished run and where it comes from. `sealed`: its record is as it was written."""

    run: Run
    origin: str
    commit: str | None
    sealed: bool
    which: Which = FINAL  # the weights that are meant

    @property
    def weights(self) -> str:
        """The name of the weights in `RunFiles`."""
        return self.which.file

    @property
    def predictions(self) -> Path:
        """The file with the published predictions of these weights."""
        path: Path = getattr(self.run.files, self.which.predictions)
        return path

    @property
    def test(self) -> Any:
        """The published test of these weights, or None."""
        results = self.run.record.results
        return results and getattr(results, self.which.test)


def found(name: str, checkpoints: Path, say: Say, *, which: Which = FINAL) -> Published:
    """Return the run that a name means: a path, an ID, or an address on the Hub, whose newest commit is downloaded.

    A run whose record was changed is found too. Raises InputError unless the run is finished and tested, and its
    weights and predictions are there.
    """
    commit = None
    if named.is_address(name):
        commit = repositories.head(store.parse_address(name)[0])
        where = str(named.fetched(name, say, commit=commit))
    else:
        where = name
    try:
        run, sealed = named.run_of(where, checkpoints, say), True
    except Damaged:
        run, sealed = _changed(where, checkpoints), False
    published = Published(
        run=run, origin=name if commit else str(run.files.record), commit=commit, sealed=sealed, which=which
    )
    _require_complete(published)
    return published


def _changed(where: str, checkpoints: Path) -> Run:
    """Return the one run of a name whose record is complete but was changed. Raise Damaged for any other record."""
    path = Path(where).expanduser()
    candidates = [path.with_name(f"{path.name}.json"), path, path.with_suffix(".json")]
    paths = {each for each in candidates if each.suffix == ".json" and each.is_file()}
    paths |= set(path.rglob(RECORDS)) if path.is_dir() else set()
    paths |= set() if paths else set(checkpoints.rglob(f"model_{glob.escape(where)}*.json"))
    paths |= set() if paths else {each for each in path.parent.glob(RECORDS) if path.name.startswith(each.stem)}
    if len(paths) != 1:
        raise Damaged(f"{len(paths)} runs at {where} have a damaged record. Name one of them by its path")
    only = paths.pop()
    return Run(RunFiles(only.parent, only.stem), record.opened(only)[0])


def _require_complete(published: Published) -> None:
    run = published.run
    run.require_done()
    published.which.require(run)
    if published.test is None:
        which = published.which
        lacks = "test results" if which is FINAL else f"results of its {which.title}"
        fix = "Evaluate it first" if which is FINAL else f"Omit --{which.name}"
        raise InputError(f"run {run.record.run_id} has no {lacks}. {fix}")
    for path in (getattr(run.files, published.weights), published.predictions):
        if not path.is_file():
            raise InputError(
                f"run {run.record.run_id} cannot be compared: {path} does not exist. Download the complete run"
            )


def facts(published: Published) -> list[Fact]:
    """Return whether record, files and numbers of a run agree with each other. No data are read."""
    seal = "is as it was written" if published.sealed else "was changed after it was written: its seal does not match"
    return [
        Fact(what="record", holds=published.sealed, text=f"{published.run.files.record.name} {seal}"),
        _files(published),
        _numbers(published),
        *_card(published),
    ]


def _files(published: Published) -> Fact:
    """Return whether the files have the checksums in the record. Files that are not there are reported."""
    run = published.run
    sums = run.record.files or {}
    there = {name: path for name, path in run.files.named(sums).items() if path.is_file()}
    changed = [path.name for name, path in there.items() if sha256(path) != sums[name]]
    gone = [path.name for name, path in run.files.named(sums).items() if name not in there]
    line = f"{len(there) - len(changed)} of {len(there)} files have the checksums in the record"
    line += f". Changed: {', '.join(changed)}" if changed else ""
    line += f". Missing: {', '.join(gone)}" if gone else ""
    return Fact(what="files", holds=not changed, text=line, values={"changed": changed, "gone": gone})


def are_weights_unchanged(published: Published) -> bool:
    """Return whether the weights have the checksum in the record, or the record has none."""
    wanted = (published.run.record.files or {}).get(published.weights)
    return wanted in (None, sha256(getattr(published.run.files, published.weights)))


def _numbers(published: Published) -> Fact:
    """Return whether the published numbers follow from the stored predictions, to the last example."""
    try:
        predictions = Predictions.load(published.predictions)
        evaluation.require_same_rows(predictions, split_rows.of_test(published.run.files))
        recomputed = plain(tested(evaluation.metrics(predictions)))
    except (Damaged, Diverged) as error:
        return Fact(what="numbers", holds=False, text=str(error))
    given = plain(published.test)
    compared = {name: given[name] for name in given.keys() & recomputed.keys()}
    apart = [(name, *pair) for key in given if key in compared for name, *pair in _apart(key, given[key],
             recomputed[key])]  # fmt: skip
    if not apart:
        line = f"{len(compared)} published numbers follow from the {len(predictions.rows):,} stored predictions"
        return Fact(what="numbers", holds=True, text=line)
    shown = ", ".join(f"{name} {_shown(theirs)} (recomputed {_shown(ours)})" for name, theirs, ours in apart[:_SHOWN])
    more = f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
    values = {"differ": [{"name": n, "published": theirs, "recomputed": ours} for n, theirs, ours in apart]}
    return Fact(what="numbers", holds=False, values=values,
                text=f"published numbers do not follow from the stored predictions: {shown}{more}")  # fmt: skip


def _card(published: Published) -> list[Fact]:
    """Return whether the card next to a run has the numbers of its record, or nothing without a card."""
    run, path = published.run, published.run.files.folder / "README.md"
    readme = "" if published.which is not FINAL or not path.is_file() else text(path, errors="replace")
    if not (given := index.numbers_of(readme, run.files.stem)):
        return []
    wanted = index.numbers(entry.index_entry(run))
    apart = [name for name, value in given.items() if name not in wanted or not _equal(value, wanted[name])]
    shown = ", ".join(f"{name} {_shown(given[name])} (record: {_shown(wanted.get(name))})" for name in apart)
    line = f"numbers of README.md are not those of the record: {shown}" if apart else "has the numbers of the record"
    return [Fact(what="card", holds=not apart, text=line)]


def _apart(name: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the numbers that differ by more than rounding, with their places in lists."""
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for at, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from _apart(f"{name}[{at}]", *pair)
    elif not _equal(theirs, ours):
        yield name, theirs, ours


def _equal(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, float) and isinstance(ours, int | float):
        return abs(theirs - ours) <= _RELATIVE * max(1.0, abs(theirs), abs(ours))
    return bool(theirs == ours)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
