"""How often common tests find a difference between equally good models: the percentages of docs/comparing.md.

`python -m benchmarks.habits` prints them. The runs are those of `benchmarks.calibration`. The cross-validation trains
two classifiers of nearest class means, which see different features of the same patients and are equal by symmetry.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from scipy.special import stdtr

from app.statistics.paired import mcnemar

from .calibration import APART, REGIMES, SEED, Cell, answers, looks, without_examples_part

_PATIENTS, _IMAGES, _CLASSES, _FEATURES = 80, 4, 4, 6  # patients, images of each, classes, features of a classifier
_FOLDS, _REPEATS = 5, 3
_APART = 0.75  # distance of class means along each feature, relative to the spread of images


def one_seed(cell: Cell, trials: int) -> float:
    """Return the false positives of McNemar's exact test of the first run of each arm, read as one of architectures."""
    random, found = np.random.default_rng((SEED, 6)), []
    for a, b in answers(random, cell, trials, apart=APART):
        found += [mcnemar(one[0], other[0]).p_exact < 0.05 for one, other in zip(a, b, strict=True)]
    return float(np.mean(found))


def all_pairs(cell: Cell, trials: int) -> float:
    """Return the false positives of McNemar's exact test over all pairs of runs and examples together."""
    random, found = np.random.default_rng((SEED, 7)), []
    for a, b in answers(random, cell, trials, apart=APART):
        found += [mcnemar(one.ravel(), other.ravel()).p_exact < 0.05 for one, other in zip(a, b, strict=True)]
    return float(np.mean(found))


def seeds_resampled(cell: Cell, trials: int) -> float:
    """Return how often the percentile interval of a bootstrap over seeds excludes 0. All resamples are enumerated."""
    draws = np.array([*itertools.product(range(cell.k), repeat=cell.k)])
    random, found = np.random.default_rng((SEED, 8)), []
    for a, b in answers(random, cell, trials, apart=APART):
        means = [arm.mean(-1)[:, draws].mean(-1) for arm in (a, b)]  # (trials, resamples)
        gaps = (means[0][:, :, None] - means[1][:, None]).reshape(len(a), -1)
        low, high = np.percentile(gaps, [2.5, 97.5], axis=1)
        found.append((low > 0) | (high < 0))
    return float(np.concatenate(found).mean())


def t_over_folds(trials: int) -> float:
    """Return the false positives of a paired t test over the folds of a repeated, grouped cross-validation."""
    random, found = np.random.default_rng((SEED, 9)), []
    for _ in range(trials):
        gaps = _fold_gaps(random)
        spread = gaps.std(ddof=1)
        if spread > 0:
            t = abs(gaps.mean()) / (spread / np.sqrt(len(gaps)))
            found.append(2 * stdtr(len(gaps) - 1, -t) < 0.05)
        else:
            found.append(False)
    return float(np.mean(found))


def _fold_gaps(random: np.random.Generator) -> np.ndarray:
    """Return the difference of two classifiers' accuracies on each fold: (repeats * folds,)."""
    owner = np.repeat(np.arange(_PATIENTS), _IMAGES)
    labels = random.permutation(np.arange(_PATIENTS) % _CLASSES)[owner]
    gaps = []
    own = 0.5 * random.standard_normal((_PATIENTS, 2 * _FEATURES))[owner]
    centres = _APART * random.standard_normal((_CLASSES, _FEATURES))
    x = np.tile(centres, 2)[labels] + own + random.standard_normal((len(owner), 2 * _FEATURES))
    for _ in range(_REPEATS):
        fold_of = (random.permutation(_PATIENTS) % _FOLDS)[owner]
        for fold in range(_FOLDS):
            test = fold_of == fold
            right = [_right(x[:, part], labels, test) for part in (slice(_FEATURES), slice(_FEATURES, None))]
            gaps.append(right[0] - right[1])
    return np.array(gaps)


def _right(x: np.ndarray, labels: np.ndarray, test: np.ndarray) -> float:
    """Return the accuracy on test rows of the classifier of nearest class means of all other rows."""
    means = np.stack([x[~test & (labels == number)].mean(0) for number in range(_CLASSES)])
    nearest = ((x[test, None] - means) ** 2).sum(-1).argmin(1)
    return float((nearest == labels[test]).mean())


def rates(trials: int) -> dict[str, float]:
    """Return the false positives of each habit, by a sentence that names its simulation."""
    few = max(trials // 4, 100)
    found = {
        f"McNemar's test of one seed each, {name}, n = 1,000": one_seed(Cell(name, 1000, 2), few) for name in REGIMES
    }
    found |= {
        f"McNemar's test of all pairs of {k} seeds each, middle, n = 1,000": all_pairs(Cell("middle", 1000, k), few)
        for k in (3, 5, 10)
    }
    found |= {
        f"a bootstrap over three seeds, {name}, n = 1,000": seeds_resampled(Cell(name, 1000, 3), trials)
        for name in REGIMES
    }
    found["a t test over 15 folds, 80 patients with 4 images each"] = t_over_folds(trials)
    found |= {
        f"a t test over ten seeds of each, {name}, n = 1,000": without_examples_part(Cell(name, 1000, 10), trials)
        for name in REGIMES
    }
    found["a look after each seed from 3 to 10, until p < 0.05"] = looks(Cell("middle", 200, 10), trials)[1]
    return found


def main() -> None:
    """Print the false positives of each habit in percent; 5 % are nominal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4000, help="Trials of most rows. Default: 4000.")
    trials = parser.parse_args().trials
    for name, rate in rates(trials).items():
        print(f"{name}: {100 * rate:.1f} %")
    print(f"{trials:,} trials, {max(trials // 4, 100):,} of McNemar's tests, seed {SEED}")


if __name__ == "__main__":
    main()
