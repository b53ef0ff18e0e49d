"""A published run trained again, with its seed or another one, and whether the published result holds."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import models, place
from ..artifacts import checkpoint, runs
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..errors import HubUnavailable, InputError, OtherData
from ..experiment import initial, recomputing
from ..experiment import run as experiment
from ..experiment.observers import Screen
from ..experiment.options import Options
from ..system import home
from . import first_steps, siblings
from . import published as publishing
from .published import Published
from .reproduce import in_order, rows_agree
from .reproduction import Fact, Reproduction
from .siblings import Known
from .surroundings import OF_A_MACHINE, differences, same_bits

RETRAINING, NEW_SEED = "retraining", "new seed"
_COMMAND = "reproduce"  # a word of the commands in the records of retrained runs


def folder_of(run: Run, given: Path | None) -> Path:
    """Return the folder in which a run is trained again: the given one, else one in the cache folder."""
    return given or home.root() / "reproductions" / run.record.run_id


def retrained(published: Published, options: Options, screen: Screen, *, known: Path) -> Reproduction:
    """Return whether a run trained again, with the same seed, has the published result.

    `options.checkpoints` is the folder of the new run. The same call resumes it, or finds it done. On CPUs of one kind
    with equal versions, all weights must be the same bits. Elsewhere the first step must have the same loss, which
    depends on initial weights, data order and draws, and the result must be inside the prediction interval of the known
    seeds. With one seed the interval of the difference must contain 0.

    Raises InputError if the run cannot be trained here, and Stopped after a signal.
    """
    run = published.run
    facts = publishing.facts(published)
    if any(fact.holds is False for fact in facts):
        return _untried(published, facts, RETRAINING)
    new = _trained(published, run.config, options, screen, known)
    weights = _weights(run, new)
    strict = same_bits(run.record, new.record)
    facts.append(dataclasses.replace(weights, holds=weights.holds if strict else weights.holds or None))
    facts.append(first_steps.fact(run, new))
    if not weights.holds and not strict:
        screen.stage("looking for runs with other seeds")
        facts.append(_result(run, new, siblings.known(published, known, screen.say)))
    return _report(published, new, facts, RETRAINING)


def new_seed(published: Published, options: Options, screen: Screen, *, known: Path, seed: int | None) -> Reproduction:
    """Return whether one more seed of a run's configuration has a result inside the interval of the known seeds.

    `seed` is the new one. Default: the lowest unknown seed. Raises InputError for fewer than two known seeds.
    """
    run = published.run
    there = siblings.known(published, known, screen.say)
    if there.interval is None:
        raise InputError(
            f"the prediction interval needs two finished seeds of run {run.record.run_id} with different results, and "
            f"{_known(there)} known under {known}. Train or download another seed (its train command with another "
            "--seed), or use --retrain"
        )
    if seed in there.results:
        seeds = ", ".join(map(str, there.results))
        raise InputError(f"--new-seed {seed} is a known seed (known: {seeds}). Use another, such as {there.unused}")
    facts = publishing.facts(published)
    if any(fact.holds is False for fact in facts):
        return _untried(published, facts, NEW_SEED)
    config = dataclasses.replace(run.config, seed=there.unused if seed is None else seed)
    new = _trained(published, config, options, screen, known)
    return _report(published, new, [*facts, _inside(new, there, f"seed {config.seed}")], NEW_SEED)


def _untried(published: Published, facts: list[Fact], how: str) -> Reproduction:
    """Return the report on a run whose own files refute it, for which no training is needed."""
    text = "the published files and numbers do not agree with each other, so nothing was trained"
    return _made(
        published, [*facts, Fact(what="training", holds=None, text=text)], how, place.choose(device="cpu").describe()
    )


def _report(published: Published, new: Run, facts: list[Fact], how: str) -> Reproduction:
    last = new.record.places[-1]
    return _made(published, facts, how, {name: getattr(last, name) for name in OF_A_MACHINE})


def _made(published: Published, facts: list[Fact], how: str, here: Mapping[str, Any]) -> Reproduction:
    return Reproduction(
        record=published.run.record, origin=published.origin, commit=published.commit, how=how, weights="final",
        facts=tuple(facts), differences=differences(published.run.record, here),
    )  # fmt: skip


def _trained(published: Published, config: RunConfig, options: Options, screen: Screen, known: Path) -> Run:
    """Return the finished run of a config that was trained as the published run was, on the same data."""
    run = published.run
    _require_apart(run, config, options.checkpoints)
    models.require_file(config)
    screen.stage("looking for the run's data")
    try:
        cached = recomputing.cached_of(run, options, screen)
    except OtherData as error:
        raise InputError(f"run {run.record.run_id} cannot be tried: {error}") from error
    options = dataclasses.replace(options, init=_initial(run, known, screen))
    options.checkpoints.mkdir(parents=True, exist_ok=True)
    experiment.plan({}, screen, config, checkpoints=options.checkpoints)
    new = experiment.train_run(config, options, screen, path=cached.ask.path, like=run.record)
    if new is None:
        raise InputError("`reproduce` trains in one process. Start it without torchrun")
    theirs, ours = run.record.data, new.record.data
    if (theirs.version, theirs.split_fingerprint) != (ours.version, ours.split_fingerprint):
        raise InputError(
            f"{options.checkpoints} contains run {config.run_id} on other data (version {ours.version}, published "
            f"{theirs.version}). Choose another --into"
        )
    return new


def _require_apart(run: Run, config: RunConfig, folder: Path) -> None:
    """Raise InputError if a folder has a run of the config that `reproduce` did not train."""
    files = runs.place_of(folder, config) if folder.exists() else None
    if files is None or not files.record.exists():
        return
    own = Run.load(files.record).record.command
    if files.record.resolve() == run.files.record.resolve() or _COMMAND not in shlex.split(own):
        raise InputError(
            f"--into {folder} contains run {config.run_id}, which `reproduce` did not train and does not replace. "
            "Choose another folder"
        )


def _initial(run: Run, known: Path, screen: Screen) -> str | None:
    """Return the name of the weights that a run started from, or None for random ones. Raises InputError."""
    config, began = run.config, run.record.init
    if not config.init_sha256:
        return None
    for name in filter(None, (began.source, began.path, began.run_id) if began else ()):
        try:
            weights = initial.found(name, known, screen.say)
        except (InputError, HubUnavailable):
            continue
        if weights.path and weights.sha256 == config.init_sha256:
            return str(weights.path)
    named = f" of run {began.run_id}" if began and began.run_id else ""
    raise InputError(
        f"run {config.run_id} starts from weights{named} (sha256 {config.init_sha256[:16]}...), which are not here. "
        f"Download their run into {known}"
    )


def _weights(run: Run, new: Run) -> Fact:
    """Return whether two runs' final weights are the same bits, else their largest difference."""
    one, other = (checkpoint.tensors(each.files.weights) for each in (run, new))
    assert {name: each.shape for name, each in one.items()} == {name: each.shape for name, each in other.items()}
    apart = {name: float((one[name].double() - other[name].double()).abs().max()) for name in one if one[name].numel()}
    equal = all(one[name].numpy().tobytes() == other[name].numpy().tobytes() for name in one)
    largest = max(apart.values(), default=0.0)
    differ = sum(value != 0 for value in apart.values())
    text = f"all {len(one)} tensors are the same bits"
    if not equal:
        text = f"{differ} of {len(one)} tensors differ, by at most {largest:.3g}"
    return Fact(what="weights", holds=equal, text=text, values={"largest_difference": largest, "tensors": len(one)})


def _result(run: Run, new: Run, there: Known) -> Fact:
    """Return whether a retrained result agrees with the published one, by the known seeds or by one difference."""
    if there.interval is not None:
        return _inside(new, there, f"seed {run.config.seed} again")
    theirs, ours = (siblings.result_of(each.record, there.metric) for each in (run, new))
    interval = difference_interval(run, new, there.metric)
    if interval is None:
        raise InputError(
            f"run {run.record.run_id} has no known spread of seeds and no interval of its {there.metric}, so "
            f"{ours:.4g} (published {theirs:.4g}) cannot be judged. Download or train a second seed into --checkpoints"
        )
    text = (
        f"{there.metric} {ours:.4g}, published {theirs:.4g}: difference {ours - theirs:+.4g}, 95 % interval "
        f"{interval[0]:+.4g} to {interval[1]:+.4g} ({_changed(run, new)}without the spread of seeds, because "
        f"{_known(there)} known)"
    )
    values = {"metric": there.metric, "published": theirs, "here": ours, "interval_of_difference": list(interval)}
    return Fact(what="result", holds=interval[0] <= 0 <= interval[1], text=text, values=values)


def _known(there: Known) -> str:
    """Return the seeds whose results show no spread, for a message."""
    if len(there.results) == 1:
        return "one seed is"
    return f"only the equal results of {len(there.results)} seeds are"


def _changed(run: Run, new: Run) -> str:
    """Return how many predicted classes changed, for a line; empty for a regression."""
    one, other = (in_order(Predictions.load(each.files.predictions)) for each in (run, new))
    if siblings.metric_of(run.config) == "rmse" or not rows_agree(one, other):
        return ""
    changed = int((one.logits.argmax(1) != other.logits.argmax(1)).sum())
    return f"{changed:,} of {len(one.rows):,} predictions changed; "


def difference_interval(run: Run, new: Run, metric: str) -> tuple[float, float] | None:
    """Return the 95 % interval of the new result minus the published one, from the intervals of both.

    `d - sqrt((a - l_a)^2 + (u_b - b)^2)` to `d + sqrt((u_a - a)^2 + (b - l_b)^2)` (Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10). Both tests have the same rows, so
    that it is wider than a paired one. None if a result has no interval.
    """
    (b, of_b), (a, of_a) = ((siblings.result_of(each.record, metric), getattr(each.record.test, f"{metric}_interval"))
                            for each in (run, new))  # fmt: skip
    if of_a is None or of_b is None:
        return None
    low, high = math.hypot(a - of_a[0], of_b[1] - b), math.hypot(of_a[1] - a, b - of_b[0])
    return a - b - low, a - b + high


def _inside(new: Run, there: Known, name: str) -> Fact:
    """Return whether a new result is inside the prediction interval of the known seeds."""
    value, interval = siblings.result_of(new.record, there.metric), there.interval
    assert interval is not None, "there are two results"
    inside = interval[0] <= value <= interval[1]
    seeds = f"k = {len(there.results)} known seeds: {', '.join(map(str, there.results))}"
    text = (
        f"{name}: {there.metric} {value:.4g} is {'inside' if inside else 'outside'} {interval[0]:.4g} to "
        f"{interval[1]:.4g}, the 95 % prediction interval of one more run ({seeds})"
    )
    values: dict[str, Any] = {"seed": new.config.seed, "here": value, **there.to_json()}
    return Fact(what="result", holds=inside, text=text, values=values)
