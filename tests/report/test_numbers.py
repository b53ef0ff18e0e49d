"""Every number of a report follows from the files of its runs, for every procedure and kind of data."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from results import arms, classified, finished, fitted
from results.test_noise import planted

from app.results.comparing import Asked

from .readings import Files, Page
from .recomputed import Recomputed
from .test_page import measured, page_of

CLASSIC, DIFF = "vit_classic", "vit_differential"
PRICED = {"dollars": 2.0, "energy_kwh": 0.5}


def one_seed(folder):
    arms(folder, {CLASSIC: 0.3, DIFF: 0.6}, seeds=1, n=80)


def unequal_seeds(folder):
    arms(folder, {CLASSIC: 0.5}, seeds=1, n=100)
    arms(folder, {DIFF: 0.55}, seeds=3, n=100)


def undecided(folder):
    arms(folder, {CLASSIC: 0.50, DIFF: 0.505}, seeds=3, n=6000, about=PRICED)


def few_examples(folder):
    arms(folder, {CLASSIC: 0.5, DIFF: 0.52}, seeds=3, n=80)


def dearer(folder):
    """A model that is better than the other one and costs more."""
    arms(folder, {CLASSIC: 0.3}, seeds=3, n=200, about={"dollars": 1.0})
    arms(folder, {DIFF: 0.6}, seeds=3, n=200, about={"dollars": 3.0})


def sizes(folder):
    """Two models at five sizes over a factor of 20."""
    random, ease = np.random.default_rng(2), np.random.default_rng(3).normal(0, 0.1, 400)
    errors = {"1M": 0.5, "2M": 0.41, "4M": 0.35, "10M": 0.3, "20M": 0.28}
    for (size, error), model, seed in itertools.product(errors.items(), (CLASSIC, DIFF), range(2)):
        right = random.random(400) > error + ease - 0.15 * (model == DIFF)
        finished(folder, classified(right), dataset="digits", size=size, model=model, seed=seed, test=measured(right))


def under_noise(folder):
    planted(folder, {CLASSIC: 0.0, DIFF: 0.1}, seeds=3, n=120)


def folds(folder):
    random, rows = np.random.default_rng(0), np.arange(60)
    for model, rate, repeat in itertools.product((DIFF, CLASSIC), (0.8,), range(3)):
        right = random.random(60) < rate - 0.2 * (model == CLASSIC)
        fold_of, found = np.random.default_rng(repeat).permutation(60) % 3, classified(right)
        for fold in range(3):
            mine = fold_of == fold
            part = type(found)(rows[mine], found.labels[mine], found.logits[mine])
            run = finished(folder, part, dataset="digits", size="1M", model=model, folds=3, fold=fold, repeat=repeat,
                           limit_train=50)  # fmt: skip
            (folder / f"{run.files.stem}_splits.parquet").touch()


def two_datasets(folder):
    few_examples(folder)
    random = np.random.default_rng(9)
    for (model, rate), seed in itertools.product({CLASSIC: 0.6, DIFF: 0.7}.items(), range(2)):
        finished(folder, classified(random.random(200) < rate), dataset="cifar10", size="1M", model=model, seed=seed)


def other_test_sets(folder):
    random = np.random.default_rng(4)
    for (model, rate), seed in itertools.product({CLASSIC: 0.5, DIFF: 0.8}.items(), range(3)):
        found = classified(random.random(100) < rate, rows=1000 * seed + np.arange(100))
        finished(folder, found, dataset="digits", size="1M", model=model, seed=seed, split_seed=seed,
                 data={"split_fingerprint": f"split{seed}"})  # fmt: skip


def grouped_regression(folder):
    random, names = np.random.default_rng(5), np.array([f"id{i // 4:03}" for i in range(80)])
    for (model, spread), seed in itertools.product({"cnn": 0.05, "resnet18": 0.10}.items(), range(3)):
        finished(folder, fitted(random.normal(0, spread, 80), names=names), dataset="nested_cylinder", model=model,
                 seed=seed)  # fmt: skip


def clumps(folder):
    random = np.random.default_rng(6)
    for model, seed in itertools.product(("cnn", "resnet18"), range(5)):
        spread = 1.0 if seed == 0 else 0.01 * (1 + 0.1 * seed)
        finished(folder, fitted(random.normal(0, spread, 80)), dataset="nested_cylinder", model=model, seed=seed)


@pytest.mark.parametrize(
    ("study", "asked", "pairs", "wanted"),
    [
        (one_seed, {}, 1, {"mcnemar(top1).p", "one-run(nll).difference"}),
        pytest.param(unequal_seeds, {}, 1, {"one-run(top1).difference", "one-more(top1).0"}, marks=pytest.mark.slow),
        pytest.param(undecided, {}, 1, {"crossed(top1).needed_seeds", "crossed(top1).further_dollars", "right"},
                     marks=pytest.mark.slow),
        pytest.param(few_examples, {}, 1, {"crossed(top1).needed_examples", "class.adjusted_p"},
                     marks=pytest.mark.slow),
        pytest.param(few_examples, {"target": "test-set"}, 1, {"test-set(top1).p", "test-set(top1).interval.1"},
                     marks=pytest.mark.slow),
        (dearer, {}, 1, {"price-per-point.low", "ratio(mean(dollars))", "crossed(ece).interval.0", "sum(dollars)",
                         "crossed(ece-debiased).difference", "reliability(2).interval.1"}),
        pytest.param(sizes, {}, 5, {"fit(floor).b", "fit(line).b.interval.0", "by-size(top1).mean.interval.0",
                                    "crossed(top1).p"}, marks=pytest.mark.slow),
        pytest.param(under_noise, {}, 1, {"crossed(noise).interval.0", "under-noise(noisy)", "under-noise(3)",
                                          "noise-of(fog).adjusted_p", "mean(noise)",
                                          "noise-of(rest of the benchmark).interval.1"},
                     marks=pytest.mark.slow),
        (folds, {}, 1, {"folds(top1).p", "folds(top1).interval.0", "folds(top1).se", "seeds per arm"}),
        pytest.param(other_test_sets, {}, 1, {"welch(top1).p", "welch(top1).interval.0"}, marks=pytest.mark.slow),
        pytest.param(two_datasets, {}, 2, {"crossed(top1).p", "crossed(top1).interval.1"}, marks=pytest.mark.slow),
        (grouped_regression, {}, 1, {"crossed(rmse).interval.0", "groups", "by-size(rmse).difference.interval.0"}),
        pytest.param(clumps, {}, 1, {"learned", "mean(rmse)", "one-more(rmse).1"}, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_every_number_is_recomputed(tmp_path, study, asked, pairs, wanted):
    study(tmp_path)
    _, text = page_of(tmp_path, asked=Asked(**asked))
    page = Page(text)
    calibrated = 1 if study is two_datasets else pairs
    again = Recomputed(Files(tmp_path), page.numbers, pairs=pairs, calibrated=calibrated)
    seen, expected = set(), dict[tuple[str, tuple[str, ...]], float]()
    for each in page.numbers:
        key = each.path, each.runs
        if key not in expected:
            expected[key] = again.of(each)
        near = 1e-4 if each.path == "fit(floor).b" else 1e-6
        assert each.value == pytest.approx(expected[key], rel=near, abs=1e-9), each
        numbered = each.path.startswith(("class(", "right("))
        seen.add(re.sub(r"\(\d+\)", "", each.path) if numbered else each.path)
    assert wanted <= seen, wanted - seen
