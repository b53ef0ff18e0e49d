"""A run's predictions for corrupted test rows, one pair of corruption and severity after the other, and kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from .. import draws, evaluation, place, task
from ..artifacts import provenance, record, robust_rows
from ..artifacts.parts import Results, Robust
from ..artifacts.robust_rows import CLEAN, Outcome, Pair
from ..artifacts.runs import Run
from ..artifacts.which import FINAL, Which
from ..config import effects
from ..data.cifar_c import Published
from ..data.sources import signals
from ..data.splits.part import in_turn
from ..data.splits.resident import Split
from ..data.transforms.corruptions import patterns
from ..data.transforms.corruptions.applied import AtSide, Corrupt, Function
from ..data.transforms.distractors import Distract
from ..errors import InputError
from ..place import Place
from ..system.locks import lock
from ..tables.corruptions import CORRUPTIONS, MOST_VALUES, SEVERITIES
from ..tables.shape import Extent, plane, spelled
from . import photographs, recomputing
from . import stages as training
from .elsewhere import restored
from .observers import Screen
from .options import Options

GENERATED = "generated"  # the source of inputs that this program corrupts


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The corruptions that a command asks for, and the conditions under which they are computed."""

    corruptions: tuple[str, ...]
    severities: tuple[int, ...] = SEVERITIES
    seed: int = 0
    rows: int | None = None  # of the test set, a fixed stratified part; None: all
    side: int | None = None  # that images have when they are corrupted; None: that of the stored images
    frost: Path | None = None  # a folder of photographs
    cifar_c: Path | None = None  # a folder of the published arrays


@dataclass(frozen=True)
class Corrupted:
    """A run with its outcomes, for the same rows each."""

    run: Run
    side: str  # in pixels, or the samples of a signal
    clean: Outcome
    pairs: dict[Pair, Outcome]
    units: np.ndarray | None  # of rows that belong together, (n,): patients or simulations


def corrupt(run: Run, asked: Asked, options: Options, screen: Screen, *, which: Which = FINAL) -> Corrupted:
    """Return the outcomes of a run for each pair. Those that are kept are not computed again.

    Raises InputError for an unfinished run, for a corruption that does not apply to its inputs, and if its data are
    unavailable or differ.
    """
    run.require_done()
    which.require(run)
    require_inputs(run, asked, options)
    with lock(run.files.lock, wait=False), place.own_threads():
        here = training.place_of_evaluation(run, options, screen.say)
        whole = recomputing.splits_of(run, here, options, screen).test
        test = part_of(whole, chosen(whole, asked.rows, regression=run.config.task == "regression"))
        inputs = _Inputs.of(run, whole, test, asked, here, options)
        stored = robust_rows.load(run.files.robust)
        wanted = inputs.pairs(which)
        missing = [pair for pair in wanted if pair not in stored or stored[pair].of(test.rows) is None]
        model = restored(run, here, options, screen, weights=which.file) if missing else nn.Identity()
        for number, pair in enumerate(missing):
            screen.stage(f"{run.record.run_id}: {pair.corruption} {pair.severity} ({number + 1} of {len(missing)})")
            found = evaluation.predict(
                model, inputs.split(pair), task=task.of(run.config.task), batch_size=run.config.val_batch_size,
                place=here,
            )  # fmt: skip
            assert found, "one process has them all"
            evaluation.require_numbers(found)
            stored[pair] = robust_rows.outcome_of(found)
            robust_rows.save(run.files.robust, stored)
        found_all = {pair: stored[pair].of(test.rows) for pair in wanted}
        outcomes = {pair: outcome for pair, outcome in found_all.items() if outcome is not None}
        clean = next(outcome for pair, outcome in outcomes.items() if pair.corruption == CLEAN)
        pairs = {pair: outcome for pair, outcome in outcomes.items() if pair.corruption != CLEAN}
        done = _recorded(run, clean, pairs)
    return Corrupted(done, inputs.side, clean, pairs, test.groups if test.groups is not None else test.names)


def _recorded(run: Run, clean: Outcome, pairs: Mapping[Pair, Outcome]) -> Run:
    """Return the run with the values of all pairs in its results, and write its record."""
    results, kind = run.record.results or Results(), effects.kind_of(run.config.dataset)
    robust = dict(results.robust or {})
    for pair, found in pairs.items():
        source, n = pair.source.partition(":")[0], len(found.rows)
        unit = "samples" if kind == "signal" else "px"
        name = f"{pair.weights}-{source}-seed{pair.seed}-{pair.side}{unit}-n{n}"
        values = {key: dict(each) for key, each in robust[name].values.items()} if name in robust else {}
        values.setdefault(pair.corruption, {})[str(pair.severity)] = found.value
        robust[name] = Robust(
            weights=pair.weights, source=source, seed=pair.seed, side=pair.side, n=n, clean=clean.value, values=values,
            measured=provenance.now(),
        )  # fmt: skip
    results = msgspec.structs.replace(results, robust=robust)
    done = Run(run.files, msgspec.structs.replace(run.record, results=results))
    record.write(run.files.record, done.record)
    return done


def require_inputs(run: Run, asked: Asked, options: Options) -> None:
    """Raise InputError unless every corruption, and every other option, applies to the inputs of the run."""
    config, kind = run.config, effects.kind_of(run.config.dataset)
    if wrong := [name for name in asked.corruptions if CORRUPTIONS[name].kind != kind]:
        raise InputError(f"{wrong[0]} is a corruption of {CORRUPTIONS[wrong[0]].kind}s, but run {config.run_id} was "
                         f"trained on {kind}s. Omit it")  # fmt: skip
    given = {"--at": asked.side, "--frost": asked.frost, "--cifar-c": asked.cifar_c}
    if kind != "image" and (without := [option for option, value in given.items() if value]):
        raise InputError(f"{without[0]} is for images, but run {config.run_id} was trained on {kind}s. Omit it")
    if kind != "signal":
        _require_drawn(run, asked)
    if config.channels != 3 and (wrong := [name for name in asked.corruptions if CORRUPTIONS[name].colour]):
        raise InputError(f"{wrong[0]} needs images of three channels, but run {config.run_id} has {config.channels}. "
                         "Omit it")  # fmt: skip
    if (wrong := [name for name in asked.corruptions if name in patterns.DEGREES]) and _step(run, options) is None:
        others = [name for name in asked.corruptions if name not in patterns.DEGREES] or ["counting_noise"]
        raise InputError(
            f"{wrong[0]} is in degrees, but the angles of the patterns of run {config.run_id} are unknown. Use "
            f"--corruption {','.join(others)}, or train with --grid START:STEP"
        )


def _require_drawn(run: Run, asked: Asked) -> None:
    """Raise InputError for images with more values than a row has draws."""
    extent: Extent = asked.side or run.config.stored_side
    values = run.config.channels * math.prod(plane(extent))
    if values > MOST_VALUES:
        raise InputError(
            f"images of run {run.config.run_id} have {values:,} values at {spelled(extent)} px, and a corruption draws "
            f"at most {MOST_VALUES:,}. Use a smaller --at"
        )


def _step(run: Run, options: Options) -> float | None:
    """Return the degrees 2-theta between two points of a run's patterns, or None if they are unknown."""
    found = signals.angles(recomputing.ask_of(run, options), run.config.input_shape[1])
    return None if found is None else float((found[-1] - found[0]) / (len(found) - 1))


def chosen(test: Split, count: int | None, *, regression: bool) -> np.ndarray:
    """Return the examples of a fixed part of a test set in their order: int64 (n,).

    Rows are ordered by a hash of their number within each class, and taken from all classes in turn, so that a smaller
    part is contained in a larger one and every run with this test set has the same rows.
    """
    if count is None or count >= len(test):
        return np.arange(len(test))
    labels = np.zeros(len(test), np.int64) if regression else test.targets
    return in_turn(test.rows, labels, count, stream=draws.key(draws.CORRUPTION))


def part_of(test: Split, examples: np.ndarray) -> Split:
    """Return a test split of these examples only."""
    names, groups = (None if each is None else each[examples] for each in (test.names, test.groups))
    return replace(
        test, members=test.members[examples], rows=test.rows[examples], names=names, groups=groups, paths=None
    )


@dataclass(frozen=True)
class _Inputs:
    """The test rows, and where their corrupted inputs come from."""

    test: Split
    asked: Asked
    side: str
    rows: torch.Tensor  # int64 (n,), on the device
    here: Place
    more: dict[str, Function]
    photographs: str  # their digest
    published: Published | None

    @classmethod
    def of(cls, run: Run, whole: Split, test: Split, asked: Asked, here: Place, options: Options) -> _Inputs:
        stored: Extent = asked.side or run.config.stored_side
        rows = torch.from_numpy(test.rows.astype(np.int64)).to(here.device)
        more, digest, published = dict[str, Function](), "", None
        if asked.cifar_c:
            _require_cifar(run, asked)
            published = Published.at(asked.cifar_c, whole.rows, whole.targets, side=plane(stored)[0])
        elif "frost" in asked.corruptions and asked.frost:
            more["frost"], digest = photographs.frost_of(asked.frost, stored, here.device)
        elif {*asked.corruptions} & {*patterns.DEGREES} and (step := _step(run, options)):
            more |= patterns.in_degrees(step)
        return cls(test, asked, spelled(stored), rows, here, more, digest, published)

    def pairs(self, which: Which) -> list[Pair]:
        """Return the clean pair and those that are asked for."""
        asked = self.asked
        clean = [Pair(which.name, GENERATED, self.side, 0, CLEAN, 0)]
        return clean + [
            Pair(which.name, self._source(name), self.side, 0 if self.published else asked.seed, name, severity)
            for name in asked.corruptions
            for severity in asked.severities
        ]

    def _source(self, name: str) -> str:
        if self.published:
            return f"cifar-c:{self.published.digest(name)}"
        if name == "frost":
            return f"photographs:{self.photographs}"
        revision = CORRUPTIONS[name].revision
        return GENERATED if revision == 1 else f"{GENERATED}:{revision}"

    def split(self, pair: Pair) -> Split:
        """Return the test rows with the images of a pair."""
        test = self.test
        if self.published and pair.severity:
            images = torch.from_numpy(self.published.block(pair.corruption, pair.severity)).to(self.here.device)
            labels = test.labels.new_zeros(len(images))
            labels[self.rows] = test.labels[torch.from_numpy(test.members).to(test.labels.device)]
            return replace(test, images=images, labels=labels, members=test.rows.astype(np.int64), ahead=None)
        pasted = tuple(each for each in test.transforms if isinstance(each, Distract))  # before the image is corrupted
        rest = test.transforms[len(pasted) :]
        first = (*pasted, *((AtSide(self.asked.side),) if self.asked.side else ()))
        if not pair.severity:
            return replace(test, transforms=(*first, *rest))
        change = Corrupt(pair.corruption, pair.severity, pair.seed, self.more)
        return replace(test, transforms=(*first, change, *rest))


def _require_cifar(run: Run, asked: Asked) -> None:
    """Raise InputError for what the published arrays do not have."""
    if run.config.test_distractors:
        raise InputError(f"--cifar-c contains images without distractors, but run {run.config.run_id} is tested with "
                         "--test-distractors. Omit --cifar-c")  # fmt: skip
    if asked.seed:
        raise InputError(f"--seed {asked.seed} has no effect with --cifar-c, whose images are published. Omit it")
    if asked.side:
        raise InputError("--at has no effect with --cifar-c, whose images have one side. Omit it")
    if run.config.stored_side != 32 or run.config.channels != 3:
        raise InputError(f"--cifar-c contains colour images of 32 px, but run {run.config.run_id} stores images of "
                         f"{run.config.stored_side} px. Omit --cifar-c")  # fmt: skip
