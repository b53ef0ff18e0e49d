"""Folds pooled: each example once per repeat, one binomial of n examples, and refusals of what does not fit."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from app import task
from app.artifacts import split_rows
from app.artifacts.paths import RunFiles
from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.data.splits import holdout
from app.errors import Damaged, InputError
from app.results.pooled import pooled
from app.statistics.rates import wilson
from app.tables.datasets import DATASETS

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 97)
ROWS = 3 * np.arange(97) + 5  # as published: not the positions


@pytest.fixture
def make(tmp_path):
    """Returns the finished run of a fold, whose predictions are right where `right` says so."""

    def make(fold, *, repeat=0, right=None, labels=LABELS, regression=False, **request):
        given = {"dataset": "digits", "folds": 3, "fold": fold, "repeat": repeat, **request}
        config = resolve(given, dataset_facts(DATASETS["digits"]))
        parts = holdout.members(config, labels=LABELS, groups=None, test_rows=None)
        files = RunFiles(tmp_path, config.stem)
        named = {name: SimpleNamespace(rows=ROWS[getattr(parts, name)]) for name in ("train", "val", "test")}
        split_rows.save(files, SimpleNamespace(**named, published=None))
        right = np.ones(97, bool) if right is None else right
        logits = np.eye(10, dtype=np.float32)[np.where(right, labels, (labels + 1) % 10)]
        found = Predictions(ROWS[parts.test], labels[parts.test], logits[parts.test])
        if regression:
            values = labels[parts.test].astype(np.float32)
            found = Predictions(found.rows, values, values[:, None] + 0.5, task=task.values)
        found.save(files.predictions)
        record = SimpleNamespace(run_id=config.run_id, done=True, data=SimpleNamespace(val_from=None), files={},
                                 config=config.to_json())  # fmt: skip
        return Run(files, record)

    return make


def test_every_example_counts_once_with_one_interval_of_n(make):
    right = RNG.random(97) < 0.7
    found = pooled([make(fold, right=right) for fold in (2, 0, 1)])
    (score,) = found.repeats.values()
    assert (score.n, score.correct, score.value) == (97, right.sum(), right.mean()) and found.overall == score
    expected = stats.binomtest(int(right.sum()), 97).proportion_ci(0.95, method="wilson")
    assert score.interval == pytest.approx((expected.low, expected.high), abs=1e-12)
    told = found.to_json()
    assert (told["n"], told["correct"], told["folds"], len(set(told["run_ids"]))) == (97, right.sum(), 3, 3)
    assert told["accuracy_interval"] == list(score.interval) and told["repeats"][0]["repeat"] == 0


def test_repeats_are_averaged_and_do_not_narrow_the_interval(make):
    rights = [RNG.random(97) < share for share in (0.6, 0.8)]
    found = pooled([make(fold, repeat=repeat, right=rights[repeat]) for repeat in (0, 1) for fold in range(3)])
    assert [score.correct for score in found.repeats.values()] == [right.sum() for right in rights]
    mean = np.mean(rights)
    assert found.overall.n == 97 and found.overall.value == pytest.approx(mean)
    assert found.overall.interval == pytest.approx(wilson(97 * mean, 97))


def test_a_logit_that_is_not_a_number_is_wrong_and_of_equal_ones_the_first_class_counts(make):
    runs = [make(fold) for fold in range(3)]
    first = Predictions.load(runs[0].files.predictions)
    first.logits[0, first.labels[0]] = np.nan
    first.logits[1:] = 0
    first.save(runs[0].files.predictions)
    (score,) = pooled(runs).repeats.values()
    assert score.correct == 97 - len(first.rows) + (first.labels[1:] == 0).sum()


def test_values_pool_to_one_rmse(make):
    (score,) = pooled([make(fold, regression=True) for fold in range(3)]).repeats.values()
    assert (score.metric, score.n, score.correct) == ("rmse", 97, None) and score.value == pytest.approx(0.5)
    assert score.to_json().keys() == {"n", "rmse", "rmse_interval"}


def test_missing_folds_are_named(make):
    with pytest.raises(InputError, match=r"repeat 1 lacks 2 of 3 folds \(fold 0, 2\)\. Train them"):
        pooled([make(0), make(1), make(2), make(1, repeat=1)])
    with pytest.raises(InputError, match="fold 1 of repeat 0 is given twice"):
        pooled([make(0), make(1), make(1), make(2)])
    with pytest.raises(InputError, match="there are no runs"):
        pooled([])


def test_a_row_that_is_predicted_twice_or_never_is_named(make):
    runs = [make(fold) for fold in range(3)]
    parts = [Predictions.load(run.files.predictions) for run in runs]
    taken = Predictions(parts[0].rows[1:], parts[0].labels[1:], parts[0].logits[1:])
    taken.save(runs[0].files.predictions)
    with pytest.raises(InputError, match=rf"1 rows have no prediction in repeat 0 \(row {parts[0].rows[0]} "):
        pooled(runs)
    both = [np.concatenate(pair) for pair in zip(*((each.rows, each.labels, each.logits) for each in parts[:2]),
                                                 strict=True)]  # fmt: skip
    Predictions(*both).save(runs[1].files.predictions)
    with pytest.raises(InputError, match=rf"row {parts[0].rows[1]} of repeat 0 is predicted twice.*fold 0 and fold 1"):
        pooled(runs)


def test_a_trial_with_limits_pools_what_it_tested(make):
    runs = [make(fold, limit_test=10) for fold in range(3)]
    for run in runs:
        part = Predictions.load(run.files.predictions)
        Predictions(part.rows[:4], part.labels[:4], part.logits[:4]).save(run.files.predictions)
    assert pooled(runs).overall.n == 12


def test_runs_of_other_settings_or_labels_or_without_folds_are_refused(make):
    with pytest.raises(InputError, match="differ in seed"):
        pooled([make(0), make(1), make(2, seed=1)])
    others = [make(fold, repeat=1, labels=(LABELS + 1) % 10) for fold in range(3)]
    with pytest.raises(InputError, match="row 5 has one label in repeat 0 and another in repeat 1"):
        pooled([*(make(fold) for fold in range(3)), *others])
    plain = make(0)
    plain.record.config = plain.record.config | {"folds": None, "fold": None}
    with pytest.raises(InputError, match="has no folds"):
        pooled([plain])
    damaged = [make(fold) for fold in range(3)]
    damaged[1].record.files = {"predictions": "0" * 64}
    with pytest.raises(Damaged, match="evaluate --again"):
        pooled(damaged)
