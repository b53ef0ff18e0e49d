"""Entries of the Hub's model-index that pool the seeds of one model: mean, interval, n and number of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import task
from ..artifacts.runs import Run
from ..errors import Explained

if TYPE_CHECKING:  # numpy and scipy are imported where they compute: a command with a wrong option needs neither
    import numpy as np

    from ..artifacts.predictions import Predictions
    from ..statistics.crossed import Estimate

Entry = dict[str, Any]
_CONSTANT = 3  # runs whose scores are all 0, against which an interval of one model is that of a difference
_KEPT = ("model", "size", "parameters", "limited", "n", "epochs", "lr", "batch_size", "augment", "attention",
         "protocol", "pool", "split")  # of a run's facts, which its seeds have in common  # fmt: skip
BOTH, SEEDS = "new seeds and new test examples", "new seeds on this test set"
_SAME = 1e-6  # between the metric of an entry and that of the predictions


def entries_of(entries: Iterable[Entry], places: Mapping[str, Path], known: Iterable[Entry] = ()) -> list[Entry]:
    """Return one entry for each pool of at least two seeds among the entries of runs, in their order.

    `places` has the predictions of runs on this machine by the names of their entries, and `known` are earlier
    results of this function. An interval covers new seeds and new test examples if the predictions of all seeds are
    here, or were when the same pool was made before. Else it covers new seeds only.
    """
    pools: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: about(entry)["seed"]):
        if (key := pool_of(entry)) is not None:
            pools.setdefault(key, []).append(entry)
    earlier = {_name(each): each for each in known}
    return [_pooled(found, places, earlier) for found in pools.values() if len(found) > 1]


def of_runs(entries: Sequence[Entry], runs: Sequence[Run]) -> list[Entry]:
    """Return the pooled entries of runs on this machine, from the entry of each."""
    return entries_of(entries, {run.files.stem: run.files.predictions for run in runs})


def places_of(names: Iterable[str], runs: Iterable[Run]) -> dict[str, Path]:
    """Return where the predictions of runs are, by their names: next to those of given runs on this machine."""
    folders = dict.fromkeys(run.files.folder for run in runs)
    own = {run.files.stem: run.files.predictions for run in runs}
    found = {
        name: path for name in names for folder in folders
        if (path := folder / f"{name}_predictions.parquet").is_file()
    }  # fmt: skip
    return found | own


def is_pooled(entry: Any) -> bool:
    """Return whether an entry of a model-index was made by `entries_of`."""
    try:
        found = entry["results"][0]["metrics"][0]["args"]
        return isinstance(found["run_ids"], list) and isinstance(found["seeds"], int) and isinstance(found["pool"], str)
    except (KeyError, IndexError, TypeError):
        return False


def about(entry: Entry) -> dict[str, Any]:
    """Return the facts in an entry."""
    found: dict[str, Any] = entry["results"][0]["metrics"][0]["args"]
    return found


def pool_of(entry: Entry) -> tuple[Any, ...] | None:
    """Return what the seeds of one model on the same rows share, or None for an entry of an earlier version."""
    facts = about(entry)
    if not facts.get("pool"):
        return None
    return facts["pool"], entry["results"][0]["dataset"].get("revision"), facts.get("split")


def _name(entry: Entry) -> tuple[Any, ...]:
    return about(entry)["pool"], tuple(about(entry)["run_ids"])


def _pooled(found: Sequence[Entry], places: Mapping[str, Path], earlier: Mapping[tuple[Any, ...], Entry]) -> Entry:
    """Return the entry of the seeds of one model."""
    import numpy as np

    from ..statistics.crossed import welch

    first = found[0]["results"][0]
    metric, facts = first["metrics"][0], about(found[0])
    values = [float(each["results"][0]["metrics"][0]["value"]) for each in found]
    ids = [about(each)["run_id"] for each in found]
    paths = [places.get(each["name"]) for each in found]
    before = earlier.get((facts["pool"], tuple(ids)))
    estimate, covers = _crossed(paths, values), BOTH
    if estimate is None and before is not None and _agree(before, values):
        return before
    if estimate is None:
        estimate, covers = welch(np.array(values), np.zeros(_CONSTANT)), SEEDS
    interval = estimate.interval()
    args = {name: facts[name] for name in _KEPT if name in facts} | {
        "seeds": len(values), "seed_numbers": [about(each)["seed"] for each in found], "run_ids": ids,
        "values": values, "sd": float(np.std(values, ddof=1)), "interval": interval and [*map(float, interval)],
        "interval_covers": covers if interval else "none: the seeds have equal results",
    }  # fmt: skip
    name = f"{metric['name']}, mean of {len(values)} seeds"
    mean = {"type": metric["type"], "name": name, "value": math.fsum(values) / len(values), "args": args}
    return {"name": f"{facts['model']} {facts['size']}", "results": [{**first, "metrics": [mean]}]}


def _agree(before: Entry, values: Sequence[float]) -> bool:
    return bool(before) and about(before).get("values") == [*values]


def _crossed(paths: Sequence[Path | None], values: Sequence[float]) -> Estimate | None:
    """Return the crossed analysis of the seeds' predictions, or None unless all are here and are those of the values.

    The seeds are compared with a model whose scores are all 0, so that the interval is that of the mean.
    """
    import numpy as np

    from ..artifacts.predictions import Predictions
    from ..statistics.crossed import crossed

    tests = []
    for path in paths:
        try:
            found = None if path is None else Predictions.load(path)
        except (Explained, OSError):
            return None
        if found is None:
            return None
        order = np.argsort(found.rows, kind="stable")
        tests.append((found.rows[order], found.labels[order], _scores(found)[order], found.names, order))
    rows, labels, _, names, order = tests[0]
    scores = [each[2] for each in tests if np.array_equal(each[0], rows) and np.array_equal(each[1], labels)]
    if len(scores) < len(tests) or any(abs(s.mean() - value) > _SAME for s, value in zip(scores, values, strict=True)):
        return None
    groups = None if names is None else names[order]
    return crossed(np.stack(scores), np.zeros((_CONSTANT, len(rows))), groups=groups)


def _scores(found: Predictions) -> np.ndarray:
    """Return what a run gets right (n,), or pseudo-values of its RMSE."""
    import numpy as np

    from ..statistics import influence

    if found.task is task.classes:
        return (found.logits.argmax(1) == found.labels).astype(np.float64)
    squares = (found.logits[:, 0].astype(np.float64) - found.labels) ** 2
    return np.asarray(influence.rmse_values(squares[None])[0])
