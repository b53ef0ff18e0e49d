"""How often the comparisons are wrong: false positives, coverage and power on simulated runs.

`python -m benchmarks.calibration` prints the tables of docs/statistics.md. The tests of `app/statistics` use the same
simulations with the same seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from app.statistics.crossed import standard_error, variances

APART = 0.1  # of the latent variance: examples that are easy for one architecture only
SEED = 18
_AT_ONCE = 4_000_000  # scores


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
            moved = fixed + np.float32(seeds) * random.standard_normal((count, cell.k, 1), np.float32)
            found.append(moved + np.float32(rest) * random.standard_normal((count, *shape), np.float32) > 0)
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


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4000, help="Trials per cell. Default: 4000.")
    trials = parser.parse_args().trials
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
    print(f"\nmean of the false positives: {np.mean(nulls):.2f} %, {trials:,} trials per cell, seed {SEED}")


if __name__ == "__main__":
    main()
