"""How often the comparisons are wrong: false positives, coverage and power on simulated runs.

`python -m benchmarks.calibration` prints the tables of docs/statistics.md. The tests of `app/statistics` use the same
simulations with the same seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from app.statistics.crossed import standard_error, variances
from app.statistics.floors import Floor, floor
from app.statistics.ladders import ladder
from app.statistics.planning import look_level
from app.statistics.slopes import Line, line, slope_difference

APART = 0.1  # of the latent variance: examples that are easy for one architecture only
SEED = 18
_AT_ONCE = 100_000  # scores, such that the arrays stay in a core's cache


@dataclass(frozen=True)
class Regime:
    """How runs err: mean accuracy, latent correlation of two seeds, standard deviation of the seeds' true accuracy."""

    accuracy: float
    correlation: float
    sd: float


REGIMES = {"middle": Regime(0.60, 0.80, 0.003), "shaky": Regime(0.80, 0.70, 0.015)}


@dataclass(frozen=True)
class Cell:
    """One cell of the tables."""

    regime: str
    n: int
    k: int


CELLS = [Cell(regime, n, k) for regime in REGIMES for n in (200, 1000) for k in (2, 3, 5)]


def latent(regime: Regime, apart: float) -> tuple[float, float, float, float]:
    """Return the standard deviations of examples, examples per arm, seeds, and the rest."""
    seeds = regime.sd / math.exp(-(float(ndtri(regime.accuracy)) ** 2) / 2) * math.sqrt(2 * math.pi)
    return math.sqrt(regime.correlation - apart), math.sqrt(apart), seeds, math.sqrt(1 - regime.correlation)


def answers(
    random: np.random.Generator, cell: Cell, trials: int, *, apart: float = 0.0, gain: float = 0.0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what the runs of two arms get right, a and b (trials, k, n), in parts.

    Right is `mu + a_i + b_mi + g_ms + e_msi > 0`, with normal terms. `apart` is the variance of b (0: one architecture
    twice), and `gain` the difference of the arms' true accuracies.
    """
    regime = REGIMES[cell.regime]
    examples, arm, seeds, rest = latent(regime, apart)
    shape = (cell.k, cell.n)
    at_once = max(1, _AT_ONCE // (cell.k * cell.n))
    for begin in range(0, trials, at_once):
        count = min(at_once, trials - begin)
        shared = examples * random.standard_normal((count, 1, cell.n), np.float32)
        found = []
        for accuracy in (regime.accuracy + gain, regime.accuracy):
            mu = float(ndtri(accuracy)) * math.hypot(1, seeds)
            fixed = shared + np.float32(mu)
            if arm:
                fixed = fixed + np.float32(arm) * random.standard_normal((count, 1, cell.n), np.float32)
            seed = np.float32(seeds / rest) * random.standard_normal((count, cell.k, 1), np.float32)
            found.append(random.standard_normal((count, *shape), np.float32) < fixed / np.float32(rest) + seed)
        yield found[0], found[1]


@dataclass(frozen=True)
class Differences:
    """D, SE and df of each trial; SE and df are NaN for trials without a standard error."""

    d: np.ndarray
    se: np.ndarray
    df: np.ndarray

    def rejected(self, level: float = 0.95) -> np.ndarray:
        """Return which trials find a difference."""
        return 2 * stdtr(self.df, -np.abs(self.d) / self.se) < 1 - level

    def covers(self, truth: float) -> np.ndarray:
        """Return which 95 % intervals contain the truth; trials without one do not count: (known trials,)."""
        known = ~np.isnan(self.se)
        return np.abs(self.d - truth)[known] < (stdtrit(self.df, 0.975) * self.se)[known]

    def equivalent(self, delta: float) -> np.ndarray:
        """Return which trials are equivalent within delta."""
        return np.abs(self.d) + stdtrit(self.df, 0.95) * self.se < delta


def differences(parts: Iterator[tuple[np.ndarray, np.ndarray]]) -> Differences:
    """Return the default comparison of each trial, by the functions that `crossed` uses."""
    found = []
    for a, b in parts:
        k, n = a.shape[-2:]
        each = variances(a, b)
        se, df = standard_error(each.runs, (k, k), each.examples, n)
        found.append((a.mean((-1, -2)) - b.mean((-1, -2)), se, df))
    d, se, df = (np.concatenate(column) for column in zip(*found, strict=True))
    return Differences(d, se, df)


def false_positives(cell: Cell, trials: int, *, apart: float) -> float:
    """Return the share of trials without a true difference that find one."""
    random = np.random.default_rng((SEED, cell.n, cell.k, cell.regime == "shaky", round(100 * apart)))
    return float(differences(answers(random, cell, trials, apart=apart)).rejected().mean())


def coverage(cell: Cell, trials: int) -> float:
    """Return the share of intervals that contain a true difference of about 2.8 standard errors."""
    random = np.random.default_rng((SEED, cell.n, cell.k, cell.regime == "shaky", 99))
    gain = min(2.8 * true_se(cell), 0.15)
    return float(differences(answers(random, cell, trials, apart=APART, gain=gain)).covers(gain).mean())


def true_variances(cell: Cell, *, apart: float = APART) -> tuple[float, float]:
    """Return v and w of arms without a difference, by integration over 400,000 examples."""
    regime, random = REGIMES[cell.regime], np.random.default_rng(0)
    examples, arm, seeds, rest = latent(regime, apart)
    shared = examples * random.standard_normal(400_000)
    mu = float(ndtri(regime.accuracy)) * math.hypot(1, seeds)
    right = [ndtr((mu + shared + arm * random.standard_normal(400_000)) / math.hypot(rest, seeds)) for _ in range(2)]
    return regime.sd**2 + float((right[0] * (1 - right[0])).mean()) / cell.n, float(
        np.var(right[0] - right[1])
    ) / cell.n


def true_se(cell: Cell, *, apart: float = APART) -> float:
    """Return the standard deviation of D."""
    v, w = true_variances(cell, apart=apart)
    return math.sqrt(2 * v / cell.k + w)


@dataclass(frozen=True)
class Steps:
    """Runs of a family with error `a (N/N0)^-b + c`, N0 = 25M, at several sizes on one test set."""

    sizes: tuple[float, ...]
    k: int
    n: int
    b: float = 0.25
    c: float = 0.0
    a: float = 0.3
    sd: float = 0.01  # of the seeds, latent

    def errors(self) -> np.ndarray:
        """Return the true error at each size."""
        return self.a * (np.array(self.sizes) / 25e6) ** -self.b + self.c


def steps_wrong(
    random: np.random.Generator, steps: Steps, shared: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sizes (R,), wrong (R, n), and the true error at each size on these examples (sizes,).

    Examples have half of the latent variance, and examples at one size a tenth. `shared` are examples that another
    family was tested on.
    """
    count, rest = len(steps.sizes), math.sqrt(0.4)
    examples = math.sqrt(0.5) * random.standard_normal(steps.n) if shared is None else shared
    fixed = (ndtri(steps.errors()) * math.hypot(1, steps.sd))[:, None] + examples
    fixed = fixed + math.sqrt(0.1) * random.standard_normal((count, steps.n))
    seeds = steps.sd * random.standard_normal((count, steps.k, 1))
    wrong = fixed[:, None] + seeds + rest * random.standard_normal((count, steps.k, steps.n)) > 0
    on_these = ndtr(fixed / math.hypot(rest, steps.sd)).mean(1)
    return np.repeat(steps.sizes, steps.k), wrong.reshape(count * steps.k, steps.n), on_these


def without_examples_part(cell: Cell, trials: int) -> float:
    """Return the false positives of Welch's t over runs, read as an answer about other examples."""
    random, found = np.random.default_rng((SEED, 1)), []
    for a, b in answers(random, cell, trials, apart=APART):
        se, df = standard_error(variances(a, b).runs, (cell.k, cell.k), 0.0, cell.n)
        found.append(Differences(a.mean((-1, -2)) - b.mean((-1, -2)), se, df).rejected())
    return float(np.concatenate(found).mean())


def at_the_margin(cell: Cell, trials: int, delta: float) -> float:
    """Return how often a true difference of exactly delta is called equivalent."""
    random = np.random.default_rng((SEED, 2))
    return float(differences(answers(random, cell, trials, apart=APART, gain=delta)).equivalent(delta).mean())


def looks(cell: Cell, trials: int) -> tuple[float, float]:
    """Return the false positives of planned looks at 3, 5 and 10 seeds, and of a look after each seed from 3 to 10."""
    planned, unplanned, level = [], [], look_level(3)
    for a, b in answers(np.random.default_rng((SEED, 3)), cell, trials):
        found = {k: differences(iter([(a[:, :k], b[:, :k])])) for k in range(3, 11)}
        planned.append(np.any([found[k].rejected(level) for k in (3, 5, 10)], axis=0))
        unplanned.append(np.any([look.rejected() for look in found.values()], axis=0))
    return float(np.concatenate(planned).mean()), float(np.concatenate(unplanned).mean())


def exponents(steps: Steps, trials: int, fitted: Callable[..., Line | Floor]) -> tuple[float, float]:
    """Return the coverage of the exponent's interval: of new examples, and of this test set."""
    random, inside = np.random.default_rng((SEED, 4, len(steps.sizes))), []
    for _ in range(trials):
        sizes, wrong, on_these = steps_wrong(random, steps)
        runs = ladder(sizes, wrong)
        here = fitted(ladder(np.repeat(steps.sizes, 2), np.repeat(on_these, 2)), target="test-set").b.value
        found = [fitted(runs).b.interval(), fitted(runs, target="test-set").b.interval()]
        truths = zip(found, (steps.b, here), strict=True)
        inside.append([each is not None and each[0] < truth < each[1] for each, truth in truths])
    population, fixed = np.mean(inside, axis=0)
    return float(population), float(fixed)


def equal_slopes(steps: Steps, trials: int) -> float:
    """Return the false positives of the difference of two families' exponents."""
    random, found = np.random.default_rng((SEED, 5)), []
    for _ in range(trials):
        shared = math.sqrt(0.5) * random.standard_normal(steps.n)
        a, b = (ladder(*steps_wrong(random, steps, shared)[:2]) for _ in range(2))
        difference = slope_difference(a, b).examples
        found.append(difference is not None and difference.p is not None and difference.p < 0.05)
    return float(np.mean(found))


LINE = Steps((10e6, 25e6, 50e6), k=3, n=1000)
CURVE = Steps((5e6, 10e6, 25e6, 50e6, 100e6), k=5, n=10_000, c=0.15, sd=0.005)


def table(trials: int) -> None:
    """Print false positives and coverage of every cell as Markdown."""
    columns = [(n, k) for n in (200, 1000) for k in (2, 3, 5)]
    print("| percent | " + " | ".join(f"n = {n:,}, k = {k}" for n, k in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    nulls = []
    for regime in REGIMES:
        cells = [Cell(regime, n, k) for n, k in columns]
        for name, apart in (("A/A", 0.0), ("A/B", APART)):
            rates = [100 * false_positives(cell, trials, apart=apart) for cell in cells]
            nulls += rates
            print(f"| {regime} {name}, false positives | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |")
        rates = [100 * coverage(cell, trials) for cell in cells]
        print(f"| {regime} A/B, coverage | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |")
    print(f"\nmean of the false positives: {np.mean(nulls):.2f} %, {trials:,} trials per cell, seed {SEED}\n")


def others(trials: int) -> None:
    """Print the rates of the other rules."""
    cell = Cell("middle", 1000, 5)
    few = max(trials // 10, 50)
    planned, unplanned = looks(Cell("middle", 200, 10), trials)
    line_rates, curve_rates = exponents(LINE, few, line), exponents(CURVE, few, floor)
    rows = {
        "false positives of Welch's t over runs, middle A/B, n = 1,000, k = 5": [without_examples_part(cell, trials)],
        "a difference of exactly delta = 4 points called equivalent, the same cell": [
            at_the_margin(cell, trials, 0.04)
        ],
        "false positives of three planned looks (3, 5, 10 seeds), and of a look after each seed": [planned, unplanned],
        f"coverage of the exponent of a line, new examples and this test set, {few} trials": line_rates,
        f"coverage of the exponent of a curve with a floor, the same, {few} trials": curve_rates,
        f"false positives of the difference of two exponents, {few} trials": [equal_slopes(LINE, few)],
    }
    for name, rates in rows.items():
        print(f"{name}: {', '.join(f'{100 * rate:.1f}' for rate in rates)} %")


def main() -> None:
    """Print the table of the default comparison and the rates of the other rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4000, help="Trials per cell. Default: 4000.")
    trials = parser.parse_args().trials
    table(trials)
    others(trials)


if __name__ == "__main__":
    main()
