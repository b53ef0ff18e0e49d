"""Every number of a report computed again from the files of its runs, with explicit formulas and without `app.results`.

A number whose path no rule here knows is an error, so that none is published untested.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pyarrow import parquet
from scipy import optimize, stats

from app.artifacts.predictions import Predictions

from .readings import Files, Shown

HIGHER = {"top1": True, "nll": False, "brier": False, "ece": False, "ece-debiased": False, "rmse": False, "noise": True}
RANGE = {
    "top1": (0.0, 1.0), "nll": (0.0, math.inf), "brier": (0.0, 2.0), "ece": (0.0, 1.0), "ece-debiased": (-1.0, 1.0),
    "rmse": (0.0, math.inf), "noise": (-1.0, 1.0),
}  # fmt: skip
Runs = Sequence[str]
PRIMARY = ("gaussian_noise", "shot_noise", "impulse_noise")
SETS = ("rest of the benchmark",)


class Recomputed:
    """The numbers of a page, by their runs and paths. `delta` is the margin as a fraction.

    `pairs` are those of the family of verdicts, and `calibrated` those of one dataset, which proper scores compare.
    """

    def __init__(
        self,
        files: Files,
        shown: Sequence[Shown],
        *,
        delta: float = 0.01,
        pairs: int = 1,
        calibrated: int | None = None,
    ) -> None:
        self.files, self.shown, self.delta, self.alpha = files, shown, delta, 0.05 / pairs
        self.calibration = 0.05 / (calibrated or pairs)
        self.kept: dict[str, dict[tuple[str, int], dict[int, bool]]] = {}  # outcomes under corruption, by run

    def of(self, each: Shown) -> float:
        """The value that a number should have. Raises AssertionError for an unknown path."""
        for pattern, rule in RULES.items():
            if found := re.fullmatch(pattern, each.path):
                return float(rule(self, each.runs, *found.groups()))
        raise AssertionError(f"no rule recomputes {each.path}")

    # ---- tests of runs

    def units(self, runs: Runs) -> list[list[str]]:
        """The runs of each result: one run, or the folds of one repeat."""
        found: dict[Any, list[str]] = {}
        for run in runs:
            config = self.files.records[run]["config"]
            key = (config["seed"], config.get("repeat") or 0) if config.get("folds") else run
            found.setdefault(key, []).append(run)
        return list(found.values())

    def joined(self, unit: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        """Rows, labels, logits, names and folds of the tests of a unit, in the order of the rows."""
        parts = [Predictions.load(self._predictions(run)) for run in unit]
        rows = np.concatenate([part.rows for part in parts])
        folds = np.concatenate([np.full(len(part.rows), place) for place, part in enumerate(parts)])
        order = np.argsort(rows, kind="stable")
        logits, labels = (np.concatenate([getattr(p, name) for p in parts])[order] for name in ("logits", "labels"))
        names = None if parts[0].names is None else np.concatenate([np.asarray(p.names) for p in parts])[order]
        return rows[order], labels, logits.astype(np.float64), names, folds[order]

    def _predictions(self, run: str) -> Any:
        record = self.files.paths[run]
        return record.with_name(f"{record.stem}_predictions.parquet")

    def result(self, unit: Runs, metric: str) -> float:
        """The metric of a unit, in its usual direction."""
        if metric == "noise":
            return float(self.changes(unit[0], PRIMARY).mean())
        _, labels, logits, _, _ = self.joined(unit)
        return _metric(labels, logits, metric)

    def results(self, runs: Runs, metric: str) -> np.ndarray:
        return np.array([self.result(unit, metric) for unit in self.units(runs)])

    def values(self, runs: Runs, metric: str) -> np.ndarray:
        """The scores or pseudo-values of an arm in the metric's usual direction: (units, n)."""
        if metric == "noise":
            return np.stack([self.changes(run, PRIMARY) for run in runs])
        return np.stack([_values(*self.joined(unit)[1:3], metric) for unit in self.units(runs)])

    def groups(self, runs: Runs, metric: str) -> np.ndarray:
        """The group of each example, from 0: blocks of a jackknife, names, or the example itself."""
        _, labels, _, names, _ = self.joined(self.units(runs)[0])
        if metric in _ERRORS:
            return np.arange(len(labels)) % 100
        return np.arange(len(labels)) if names is None else np.unique(names, return_inverse=True)[1]

    def two(self, runs: Runs) -> list[list[str]]:
        return self.files.arms(tuple(runs))

    # ---- the comparison of two arms

    def crossed(self, runs: Runs, metric: str, *, examples: bool = True) -> dict[str, float]:
        """D in the direction of the table, SE, df, w and v of section 1: A - B, or B - A of a verdict's error."""
        arms = self.two(runs)
        groups = self.groups(arms[0], metric)
        a, b = (_grouped(self.values(arm, metric), groups) for arm in arms)
        found = _crossed(a, b, *(self.results(arm, metric).var(ddof=1) for arm in arms), examples=examples)
        if metric == "rmse":  # the verdict's difference is positive where the first arm is better
            found["difference"] *= -1
        return found

    def holm(self, runs: Runs, kind: str, metric: str) -> float:
        """The p value of a pair, adjusted in the family of the pairs whose p the page shows."""
        family = {frozenset(each.runs): each.runs for each in self.shown if each.path == f"{kind}({metric}).p"}
        raw = {key: self.raw_p(own, kind, metric) for key, own in family.items()}
        ordered, highest = sorted(raw, key=raw.__getitem__), 0.0
        for place, key in enumerate(ordered):
            highest = max(highest, min(1.0, raw[key] * (len(ordered) - place)))
            if key == frozenset(runs):
                return highest
        raise AssertionError("the pair is not in its family")

    def raw_p(self, runs: Runs, kind: str, metric: str) -> float:
        if kind == "mcnemar":
            return self.mcnemar(runs)["p"]
        if kind == "folds":
            found = self.folds(runs, metric)
        elif kind == "welch":
            found = self.welch(runs, metric)
        else:
            found = self.crossed(runs, metric, examples=kind == "crossed")
        return float(2 * stats.t.sf(abs(found["difference"]) / found["se"], found["df"]))

    def welch(self, runs: Runs, metric: str) -> dict[str, float]:
        a, b = (self.results(arm, metric) for arm in self.two(runs))
        found = stats.ttest_ind(a, b, equal_var=False)
        se = math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        sign = -1 if metric == "rmse" else 1  # the other errors are those of the calibration, whose table has A - B
        return {"difference": sign * (a.mean() - b.mean()), "se": se, "df": found.df, "p": found.pvalue}

    def mcnemar(self, runs: Runs) -> dict[str, float]:
        one, other = (self.values(arm, "top1")[0] for arm in self.two(runs))
        n, b, c = len(one), int(((one == 1) & (other == 0)).sum()), int(((one == 0) & (other == 1)).sum())
        p = stats.binomtest(b, b + c).pvalue if b + c else 1.0
        half = stats.norm.ppf(1 - self.alpha / 2) * math.sqrt(b + c - (b - c) ** 2 / n) / n
        return {"difference": (b - c) / n, "p": p, "half": half}

    def folds(self, runs: Runs, metric: str) -> dict[str, float]:
        """The rule over groups and repeats of section 1.4."""
        arms = self.two(runs)
        d = self.values(arms[0], metric) - self.values(arms[1], metric)  # (repeats, n)
        groups, n = self.groups(arms[0], metric), d.shape[1]
        sums = np.bincount(groups, d.mean(0) - d.mean())
        part = len(sums) / (len(sums) - 1) * (sums**2).sum() / n**2
        square = part + d.mean(1).var(ddof=1)
        return {"difference": d.mean(), "se": math.sqrt(square), "df": len(sums) - 1, "w": part}

    def pair(self, runs: Runs, kind: str, metric: str, part: str) -> float:
        """A number of a pair: `crossed(top1).interval.0` and the like."""
        if kind == "one-run":
            a, b = (self.results(arm, metric).mean() for arm in self.two(runs))
            return float(a - b) if metric != "rmse" else float(b - a)
        if part == "p":
            return self.holm(runs, kind, metric)
        if part.startswith(("needed", "further")):
            return self.remedy(runs, kind, metric, part)
        found = {
            "mcnemar": lambda: self.mcnemar(runs), "folds": lambda: self.folds(runs, metric),
            "welch": lambda: self.welch(runs, metric), "test-set": lambda: self.crossed(runs, metric, examples=False),
            "crossed": lambda: self.crossed(runs, metric),
        }[kind]()  # fmt: skip
        if part == "examples_share":
            return found["w"] / found["se"] ** 2
        if part.startswith("interval"):
            alpha = self.calibration if metric in ("nll", "brier", *_ERRORS) else self.alpha
            half = found.get("half") or stats.t.ppf(1 - alpha / 2, found["df"]) * found["se"]
            return found["difference"] + (half if part.endswith("1") else -half)
        return found[part]

    def remedy(self, runs: Runs, kind: str, metric: str, part: str) -> float:
        """The seeds, examples, runs, seconds or dollars that detect the margin with 80 % power."""
        both = self.two(next(own.runs for own in self.shown if set(own.runs) >= set(runs) and own.path.endswith(".se")))
        together = [run for arm in both for run in arm]
        found = self.folds(together, metric) if kind == "folds" else self.crossed(together, metric)
        examples, results = self.examples(together), [self.results(arm, metric) for arm in both]
        delta = self.delta if metric != "rmse" else 0.05 * np.concatenate(results).mean()
        z = stats.norm.ppf(1 - self.alpha / 2) + stats.norm.ppf(0.8)
        if part == "needed_examples":
            return math.ceil(examples * z**2 * (found["se"] ** 2 if kind == "folds" else found["w"]) / delta**2)
        counts, v, w = list(map(len, results)), [each.var(ddof=1) for each in results], found["w"]
        factor = 1.0
        if part.endswith("upper"):
            factor = (sum(counts) - 2) / stats.chi2.ppf(0.2, sum(counts) - 2)
        needed = next(k for k in range(2, 51) if _power(k, factor * v[0], factor * v[1], w, delta, self.alpha) >= 0.8)
        more = [max(0, needed - count) for count in counts]
        if part == "further_runs":
            return more[both.index(self.two(runs)[0])]
        if part in ("further_seconds", "further_dollars"):
            path = {"further_seconds": "seconds.training", "further_dollars": "dollars"}[part]
            return sum(count * self.mean(arm, path) for count, arm in zip(more, both, strict=True))
        return needed

    # ---- under noise

    def outcomes(self, run: str) -> dict[tuple[str, int], dict[int, bool]]:
        """Whether each test row is classified correctly, by corruption and severity."""
        if run in self.kept:
            return self.kept[run]
        record, found = self.files.paths[run], self.kept.setdefault(run, {})
        for each in parquet.read_table(record.with_name(f"{record.stem}_robust.parquet")).to_pylist():
            found.setdefault((each["corruption"], each["severity"]), {})[each["row"]] = each["rank"] == 0
        return found

    def noisy(self, run: str, name: str, severity: int) -> np.ndarray:
        """Which test rows a run classifies correctly under a corruption, in the order of the rows: bool (n,)."""
        found = self.outcomes(run)[name, severity]
        return np.array([found[row] for row in sorted(found)])

    def changes(self, run: str, names: Sequence[str]) -> np.ndarray:
        noisy = [self.noisy(run, name, severity) for name in names for severity in range(1, 6)]
        return np.asarray(np.mean(noisy, axis=0) - self.noisy(run, "none", 0))

    def under_noise(self, runs: Runs, what: str) -> float:
        """The accuracy of runs on clean images, under the primary noises, or under these at one severity."""
        if what in ("clean", "0"):
            return float(np.mean([self.noisy(run, "none", 0) for run in runs]))
        severities = range(1, 6) if what == "noisy" else [int(what)]
        return float(np.mean([self.noisy(run, name, each) for run in runs for name in PRIMARY for each in severities]))

    def noise_of(self, runs: Runs, name: str, part: str) -> float:
        """H of a row of the exploratory table, its interval, or its adjusted p value."""
        table = {each.path: each for each in self.shown if re.fullmatch(r"noise-of\(.*\)\.difference", each.path)}
        others = [path[9:-12].replace(" ", "_") for path in table if path[9:-12] not in SETS]
        found = {}
        for path in table:
            members = [each for each in others if each not in PRIMARY] if path[9:-12] in SETS else [path[9:-12]]
            names = [each.replace(" ", "_") for each in members]
            a, b = (np.stack([self.changes(run, names) for run in arm]) for arm in self.two(runs))
            found[path[9:-12]] = _of_class(a, b) | {"examples": a.shape[1]}
        if part in ("examples", "difference"):
            return float(found[name][part])
        ps = {key: 2 * stats.t.sf(abs(each["difference"]) / each["se"], each["df"]) for key, each in found.items()}
        if part == "adjusted_p":
            return dict(zip(ps, stats.false_discovery_control([*ps.values()]), strict=True))[name]
        half = stats.t.ppf(0.975, found[name]["df"]) * found[name]["se"]
        return found[name]["difference"] + (half if part.endswith("1") else -half)

    # ---- other numbers

    def mean(self, runs: Runs, path: str) -> float:
        """The mean of what the records of runs have at a key path."""
        if path == "training FLOPs":
            return float(np.mean([self._flops(run) for run in runs]))
        return float(np.mean([self.files.at(run, path) for run in runs]))

    def _flops(self, run: str) -> float:
        record = self.files.records[run]
        config, rows = record["config"], record["data"]["rows"]
        batches = config.get("train_batches") or math.ceil(rows["train"] / config["batch_size"])
        trained = batches * config["batch_size"] if config.get("train_batches") else rows["train"]
        checked = config["val_batches"] * config["val_batch_size"] if config.get("val_batches") else rows["val"]
        beside = batches * min(config["val_batch_size"], rows["val"])
        return float(record["flops_per_image"] * (config["epochs"] * (3 * trained + beside + checked) + rows["test"]))

    def ratio(self, runs: Runs, path: str) -> float:
        a, b = self.two(runs)
        return self.mean(a, path) / self.mean(b, path)

    def beats(self, runs: Runs, metric: str) -> float:
        a, b = ((1 if HIGHER[metric] else -1) * self.results(arm, metric) for arm in self.two(runs))
        return float(np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)))

    def one_more(self, runs: Runs, metric: str, end: str) -> float:
        found = self.results(runs, metric)
        half = stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) * math.sqrt(1 + 1 / len(found))
        least, most = RANGE[metric]
        return min(max(float(found.mean() + (half if end == "1" else -half)), least), most)

    def by_size(self, runs: Runs, metric: str, of: str | None = None, end: str | None = None) -> float:
        if of == "mean":
            return self._mean_interval(runs, metric, int(end or 0))
        found = self.crossed(runs, metric)
        if metric == "rmse":
            found["difference"] *= -1  # results by size are in the metric's usual direction
        half = stats.t.ppf(0.975, found["df"]) * found["se"] if end else 0.0
        return found["difference"] + (half if end == "1" else -half)

    def _mean_interval(self, runs: Runs, metric: str, end: int) -> float:
        y = _grouped(self.values(runs, metric), self.groups(runs, metric))
        k, v = len(y), self.results(runs, metric).var(ddof=1)
        w = max(0.0, y.mean(0).var(ddof=1) - _interaction(y) / k) / y.shape[1]
        se = math.sqrt(v / k + w)
        half = stats.t.ppf(0.975, se**4 / (v**2 / (k**2 * (k - 1)))) * se
        return float(self.results(runs, metric).mean() + (half if end else -half))

    def one_class(self, runs: Runs, number: str, part: str) -> float:
        arms = self.two(runs)
        labels = self.joined([arms[0][0]])[1]
        a, b = (self.values(arm, "top1") for arm in arms)
        own = labels == int(number)
        if part == "examples":
            return int(own.sum())
        if part == "difference":
            return float(a[:, own].mean() - b[:, own].mean())
        if part == "adjusted_p":
            return self._adjusted(a, b, labels)[int(number)]
        found = _of_class(a[:, own], b[:, own])
        half = stats.t.ppf(0.975, found["df"]) * found["se"]
        return found["difference"] + (half if part.endswith("1") else -half)

    def _adjusted(self, a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> dict[int, float]:
        ps = {}
        for number in np.unique(labels):
            found = _of_class(a[:, labels == number], b[:, labels == number])
            if found["se"] > 0 and np.isfinite(found["df"]):
                ps[int(number)] = 2 * stats.t.sf(abs(found["difference"]) / found["se"], found["df"])
        return dict(zip(ps, stats.false_discovery_control([*ps.values()]), strict=True))

    def right(self, runs: Runs, row: str) -> int:
        rows = self.joined([runs[0]])[0]
        return int(self.values(runs, "top1")[:, rows == int(row)].sum())

    def fit(self, runs: Runs, kind: str, end: str | None = None) -> float:
        sizes = np.log([self.files.at(run, "parameters.total") for run in runs])
        wrong = 1 - self.values(runs, "top1")
        errors = wrong.mean(1)
        if kind == "floor":
            return _floor(sizes, np.log(errors))
        c = -(sizes - sizes.mean()) / ((sizes - sizes.mean()) ** 2).sum()
        b = c @ np.log(errors)
        if end is None:
            return float(b)
        rest = np.log(errors) + b * (sizes - sizes.mean()) - np.log(errors).mean()
        ols = (rest @ rest) / (len(runs) - 2) * (c @ c)
        q = np.log(errors)[:, None] + (wrong - errors[:, None]) / errors[:, None]
        churn = np.array([_interaction(q[sizes == size]) for size in sizes])
        square = ols + max(0.0, (c @ q).var(ddof=1) - c**2 @ churn) / q.shape[1]
        half = stats.t.ppf(0.975, (len(runs) - 2) * (square / ols) ** 2) * math.sqrt(square)
        return float(b + (half if end == "1" else -half))

    def common_test(self, runs: Runs, test: str, metric: str) -> float:
        arms = self.two(runs)
        if test == "welch":
            return self.welch(runs, metric)["p"]
        first = [arm[:1] for arm in arms]
        if test == "pooled-mcnemar":
            k = min(map(len, arms))
            one, other = (self.values(arm[:k], "top1").reshape(-1) for arm in arms)
        else:
            one, other = (self.values(arm, "top1")[0] for arm in first)
        b, c = int((one > other).sum()), int((one < other).sum())
        return float(stats.binomtest(b, b + c).pvalue)

    def price(self, runs: Runs, of: str) -> float:
        arms, found = self.two(runs), self.crossed(runs, "top1")
        more = self.mean(arms[0], "dollars") - self.mean(arms[1], "dollars")
        half = stats.t.ppf(1 - self.alpha / 2, found["df"]) * found["se"]
        points = {"value": abs(found["difference"]), "low": abs(found["difference"]) + half,
                  "high": abs(found["difference"]) - half}[of]  # fmt: skip
        return abs(more) / (100 * points)

    def learned(self, runs: Runs) -> int:
        """The runs in the lower clump of their errors."""
        logs = np.sort(np.log(self.results(runs, "rmse") ** 2))
        gaps = np.diff(logs)
        return len(logs) if gaps.max() <= max(3 * np.median(gaps), math.log(10)) else int(gaps.argmax()) + 1

    def reliability(self, runs: Runs, place: str, part: str) -> float:
        """A point of the reliability diagram: a bin's mean confidence and accuracy over the runs, and its interval."""
        found = []
        for run in runs:
            _, labels, logits, _, _ = self.joined([run])
            top, right = _confident(labels, logits)
            chosen = _bins(top)[int(place) - 1]
            found.append((top[chosen].mean(), right[chosen].mean(), len(chosen)))
        confidence, accuracy, n = np.mean(found, axis=0)
        roots = np.roots([1 + 1.959963984540054**2 / n, -(2 * accuracy + 1.959963984540054**2 / n), accuracy**2])
        low, high = sorted(roots.real)  # Wilson: where (accuracy - p)^2 = z^2 p (1 - p) / n
        return {"confidence": confidence, "accuracy": accuracy, "interval.0": low, "interval.1": high}[part]

    def examples(self, runs: Runs) -> int:
        return len(self.joined(self.units(self.two(runs)[0])[0])[0])

    def groups_of(self, runs: Runs) -> int:
        return len(np.unique(self.groups(runs[:1], "rmse")))


def _metric(labels: np.ndarray, logits: np.ndarray, metric: str) -> float:
    if metric == "rmse":
        return float(np.sqrt(((logits[:, 0] - labels) ** 2).mean()))
    if metric in _ERRORS:
        return _ERRORS[metric](labels, logits)
    return float(_values(labels, logits, metric).mean())


def _values(labels: np.ndarray, logits: np.ndarray, metric: str) -> np.ndarray:
    """The scores of one test, or its pseudo-values."""
    if metric == "rmse":
        square = (logits[:, 0] - labels) ** 2
        root = math.sqrt(square.mean())
        return np.asarray(root + (square - square.mean()) / (2 * root))
    if metric in _ERRORS:
        return _jackknife(labels, logits, _ERRORS[metric])
    if metric == "top1":
        return (logits.argmax(1) == labels).astype(float)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    if metric == "nll":
        return np.asarray(-np.log(shares[np.arange(len(labels)), labels]))
    return np.asarray(((shares - np.eye(logits.shape[1])[labels]) ** 2).sum(1))


def _confident(labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return (shares / shares.sum(1, keepdims=True)).max(1), logits.argmax(1) == labels


def _bins(top: np.ndarray) -> list[list[int]]:
    """The examples of each bin; the bins are cut after each fifteenth of the examples."""
    order, n = np.argsort(top), len(top)
    count, parts = min(15, n // 2), list[list[int]]()
    start = 0
    for cut in [math.ceil(each * n / count) for each in range(1, count + 1)]:
        end = int((top <= top[order[cut - 1]]).sum())  # equal confidences are in one bin
        if end - start > 1:
            parts.append([*order[start:end]])
            start = end
    parts[-1] += [*order[start:]]
    return parts


def _debiased(labels: np.ndarray, logits: np.ndarray) -> float:
    """The signed root of the debiased squared error."""
    top, right = _confident(labels, logits)
    square, n = 0.0, len(top)
    for part in _bins(top):
        accuracy = right[part].mean()
        square += len(part) / n * ((top[part].mean() - accuracy) ** 2 - accuracy * (1 - accuracy) / (len(part) - 1))
    return math.copysign(math.sqrt(abs(square)), square)


def _ece(labels: np.ndarray, logits: np.ndarray) -> float:
    top, right = _confident(labels, logits)
    inside = [(top > low) & (top <= high) for low, high in itertools.pairwise(np.linspace(0, 1, 16))]
    return float(sum(abs((right[each] - top[each]).sum()) for each in inside) / len(top))


_ERRORS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"ece": _ece, "ece-debiased": _debiased}


def _jackknife(
    labels: np.ndarray, logits: np.ndarray, error: Callable[[np.ndarray, np.ndarray], float]
) -> np.ndarray:  # fmt: skip
    """Pseudo-values of blocks of examples, each left out once."""
    n, blocks = len(labels), np.arange(len(labels)) % 100
    sizes, complete = np.bincount(blocks), error(labels, logits)
    gaps = [complete - error(labels[blocks != block], logits[blocks != block]) for block in range(len(sizes))]
    influence = len(sizes) / n * (n - sizes) * np.array(gaps)
    return np.asarray(((complete + influence - influence.mean()) * n / (len(sizes) * sizes))[blocks])


def _grouped(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    count = int(groups.max()) + 1
    return np.stack([count / y.shape[1] * np.bincount(groups, row) for row in y])


def _interaction(y: np.ndarray) -> float:
    k, n = y.shape
    rest = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    return float((rest**2).sum() / ((k - 1) * (n - 1)))


def _crossed(a: np.ndarray, b: np.ndarray, v_a: float, v_b: float, *, examples: bool = True) -> dict[str, float]:
    k, c = (len(a), len(b)), a.mean(0) - b.mean(0)
    w = max(0.0, c.var(ddof=1) - _interaction(a) / k[0] - _interaction(b) / k[1]) / len(c)
    square = v_a / k[0] + v_b / k[1] + (w if examples else 0.0)
    below = v_a**2 / (k[0] ** 2 * (k[0] - 1)) + v_b**2 / (k[1] ** 2 * (k[1] - 1))
    df = min(square**2 / below, 1e6) if below else math.nan
    return {"difference": a.mean() - b.mean(), "se": math.sqrt(square), "df": df, "w": w}


def _of_class(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    spread = [float(arm.mean(1).var(ddof=1)) if len({*arm.sum(1)}) > 1 else 0.0 for arm in (a, b)]
    found = _crossed(a, b, *spread)
    if not any(spread) and min(len(a), len(b)) >= 3:
        found["df"] = a.shape[1] - 1
    return found


def _power(k: int, v_a: float, v_b: float, w: float, delta: float, alpha: float) -> float:
    square = (v_a + v_b) / k + w
    df = square**2 / ((v_a**2 + v_b**2) / (k**2 * (k - 1)))
    t, effect = stats.t.ppf(1 - alpha / 2, df), delta / math.sqrt(square)
    return float(stats.nct.sf(t, df, effect) + stats.nct.cdf(-t, df, effect))


def _floor(x: np.ndarray, y: np.ndarray) -> float:
    x = x - x.mean()

    def rest(p: np.ndarray) -> np.ndarray:
        return np.asarray(y - np.log(p[0] * np.exp(-p[1] * x) + p[2]))

    starts = itertools.product((0.1, 0.3), (0.1, 0.3, 1.0), (0.0, 0.1, 0.2))
    found = [optimize.least_squares(rest, start, bounds=(0, np.inf), xtol=1e-14, ftol=1e-14) for start in starts]
    return float(min(found, key=lambda each: each.cost).x[1])


RULES: dict[str, Callable[..., float]] = {
    r"sum\((.+)\)": lambda page, runs, path: sum(page.files.at(run, path) for run in runs),
    r"mean\((training FLOPs|dollars|[a-z]+\..+)\)": Recomputed.mean,
    r"ratio\(mean\((.+)\)\)": Recomputed.ratio,
    r"mean\(([\w-]+)\)": lambda page, runs, metric: page.results(runs, metric).mean(),
    r"sd\(([\w-]+)\)": lambda page, runs, metric: page.results(runs, metric).std(ddof=1),
    r"beats\((\w+)\)": Recomputed.beats,
    r"one-more\((\w+)\)\.([01])": Recomputed.one_more,
    r"by-size\((\w+)\)(?:\.(mean|difference)\.interval\.([01]))?": Recomputed.by_size,
    r"class\((\d+)\)\.(examples|difference|adjusted_p|interval\.[01])": Recomputed.one_class,
    r"right\((\d+)\)": Recomputed.right,
    r"fit\((line|floor)\)\.b(?:\.interval\.([01]))?": Recomputed.fit,
    r"(welch|mcnemar|pooled-mcnemar)-test\((\w+)\)\.p": Recomputed.common_test,
    r"price-per-point\.(value|low|high)": Recomputed.price,
    r"(crossed|test-set|one-run|mcnemar|welch|folds)\(([\w-]+)\)\.([a-z_]+(?:\.[01])?)": Recomputed.pair,
    r"reliability\((\d+)\)\.(confidence|accuracy|interval\.[01])": Recomputed.reliability,
    r"under-noise\((\w+)\)": Recomputed.under_noise,
    r"noise-of\((.+)\)\.(examples|difference|adjusted_p|interval\.[01])": Recomputed.noise_of,
    r"examples": Recomputed.examples,
    r"groups": Recomputed.groups_of,
    r"seeds": lambda page, runs: len(page.units(runs)),
    r"seeds per arm": lambda page, runs: len(page.units(page.two(runs)[0])),
    r"runs": lambda page, runs: len(runs),
    r"learned": Recomputed.learned,
    r"(top1|rmse|nll|brier|ece|ece-debiased)": lambda page, runs, metric: page.results(runs, metric).mean(),
    r"([a-z_0-9]+(?:\.[a-z_0-9]+)+)": lambda page, runs, path: page.files.at(runs[0], path),
}
