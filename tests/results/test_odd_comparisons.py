"""Comparisons of odd runs: some that did not learn, infinite outputs, one group, easy test sets, a fixed test set."""

import numpy as np
import pytest

from app.artifacts.runs import find_runs, indexed
from app.errors import InputError
from app.results import arms as choosing
from app.results.comparing import Asked, compare
from app.results.metrics import METRICS
from app.statistics import crossed, planning

from . import classified, finished, fitted

VIT, DIFF = "vit_classic", "vit_differential"
OF = {"dataset": "digits", "size": "1M"}
FIELDS = {"dataset": "nested_cylinder"}
METRICS_OF_ERRORS = ["rmse", "log-mse", "mae"]


def answer(folder, **asked):
    """The comparison of all runs in a folder."""
    return compare(choosing.chosen({"": find_runs(folder)}), indexed(folder), asked=Asked(**asked))


def regression(folder, *, lost=1e4, seeds=6, names=None, scales=(1.0, 1.3)):
    """Runs of two models, of which the last one of the first model has an error of `lost`."""
    random = np.random.default_rng(4)
    for model, scale in zip(("cnn", "resnet18"), scales, strict=True):
        for seed in range(seeds):
            errors = scale * random.normal(0, 0.02, 120) + (lost if (model, seed) == ("cnn", seeds - 1) else 0)
            finished(folder, fitted(errors, names=names), model=model, seed=seed, **FIELDS)


@pytest.mark.parametrize("metric", METRICS_OF_ERRORS)
def test_a_run_that_did_not_learn_changes_neither_margin_nor_verdict(tmp_path, metric):
    regression(tmp_path / "lost")
    regression(tmp_path / "omitted", lost=0)
    (pair,) = answer(tmp_path / "lost", metric=metric).pairs
    (other,) = answer(tmp_path / "omitted", metric=metric).pairs
    assert pair.clumps and not other.clumps and pair.word == other.word in ("better", "worse")
    assert pair.delta == (METRICS[metric].delta if metric != "rmse" else pytest.approx(other.delta, rel=0.1))


def never_learned(folder):
    """Runs of two models: one never learned, and the only run of the other that did not is worse than all others."""
    random = np.random.default_rng(9)
    for model, scales in (("cnn", [0.02] * 7 + [1e4]), ("resnet18", [1e3] * 8)):
        for seed, scale in enumerate(scales):
            finished(folder, fitted(scale * random.normal(size=60)), model=model, seed=seed, **FIELDS)


def test_a_model_that_never_learned_is_not_ahead_by_its_mean(tmp_path):
    never_learned(tmp_path)
    found = answer(tmp_path)
    (pair,) = found.pairs
    ahead = "better" if pair.a.startswith("cnn") else "worse"
    assert pair.word == ahead and (pair.difference > 0) == (ahead == "better") and pair.p == pair.verdict.p
    assert (pair.se, pair.df, pair.interval, pair.naive) == (None, None, None, ())
    assert "cnn is better than resnet18" in pair.sentence and "median of the differences" in pair.sentence
    assert pair.delta < 0.01


def test_welchs_test_is_over_the_runs_that_are_compared(tmp_path):
    regression(tmp_path)
    found = answer(tmp_path)
    kept = [np.array(arm.results)[list(arm.learned)] if arm.learned else np.array(arm.results) for arm in found.arms]
    tests = {each.test: each.p for each in found.pairs[0].naive}
    assert sorted(map(len, kept)) == [5, 6] and tests["Welch"] == pytest.approx(crossed.welch(*kept).p)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_on_a_fixed_test_set_only_seeds_can_change_the_verdict(tmp_path, kind):
    random = np.random.default_rng(11)
    for model in (VIT, DIFF) if kind == "classes" else ("cnn", "resnet18"):
        for seed in range(3):
            run = {"model": model, "seed": seed, **(OF if kind == "classes" else FIELDS)}
            sample = classified(random.random(80) < 0.7) if kind == "classes" else fitted(0.02 * random.normal(size=80))
            finished(tmp_path, sample, **run)
    (pair,) = answer(tmp_path, target="test-set").pairs
    v_a, v_b = (arm.sd**2 for arm in answer(tmp_path).arms)
    needed = planning.needed_seeds(v_a, v_b, 0, pair.delta, examples=80, runs=(3, 3))
    assert pair.word == "undecided" and "test examples" not in pair.remedy.text
    assert (pair.remedy.seeds, pair.remedy.examples) == (needed.seeds, None)


@pytest.mark.parametrize(("rows", "unit"), [(1, "one test example"), (60, "one group of test examples")])
def test_one_example_or_group_is_named_as_what_is_missing(tmp_path, rows, unit):
    regression(tmp_path, lost=0, seeds=3, names=np.array(["id0001"] * 120))
    if rows == 1:
        for run in find_runs(tmp_path):
            fitted(np.array([0.1 * len(run.config.model) + 0.01 * run.config.seed])).save(run.files.predictions)
    (pair,) = answer(tmp_path).pairs
    assert pair.word == "undecided" and unit in pair.remedy.text and "3 seeds" not in pair.remedy.text


def test_models_that_were_tested_on_an_easy_set_more_often_are_refused(tmp_path):
    sets = {VIT: (0, 0, 1), DIFF: (0, 1, 1)}
    for model, numbers in sets.items():
        for seed, number in enumerate(numbers):
            right = np.arange(60) % 10 < (9 if number == 0 else 5)
            finished(tmp_path, classified(right, rows=np.arange(60) + 100 * number), model=model, seed=seed, **OF)
    with pytest.raises(InputError, match="not tested on each of them equally often"):
        answer(tmp_path)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_outputs_that_are_no_numbers_are_refused_with_their_run(tmp_path, odd):
    regression(tmp_path, lost=0, seeds=2)
    run = find_runs(tmp_path)[0]
    errors = np.zeros(120)
    errors[7] = odd
    fitted(errors).save(run.files.predictions)
    with pytest.raises(InputError, match=rf"run {run.record.run_id} predicts .* for 1 of 120 test rows"):
        answer(tmp_path)


def test_an_infinite_logit_is_refused_and_a_class_that_is_impossible_is_not(tmp_path):
    random = np.random.default_rng(5)
    for model in (VIT, DIFF):
        for seed in range(2):
            sample = classified(random.random(50) < 0.7)
            sample.logits[:, 9] = np.where(sample.labels == 9, sample.logits[:, 9], -np.inf)
            finished(tmp_path, sample, model=model, seed=seed, **OF)
    assert answer(tmp_path, metric="brier").pairs[0].se is not None
    sample.logits[3, 2] = np.inf
    sample.save(find_runs(tmp_path)[-1].files.predictions)
    with pytest.raises(InputError, match="predicts an infinite value for 1 of 50"):
        answer(tmp_path)
