"""What `compare` answers: planted differences, equal models, every kind of data, and what it says next to the word."""

import dataclasses
import json
import math

import numpy as np
import pytest

from app.artifacts.runs import find_runs, indexed
from app.config.facts import dataset_facts
from app.errors import InputError
from app.results import arms as choosing
from app.results import audit, joining, procedure, requested, wording
from app.results.comparing import Asked, compare
from app.results.metrics import METRICS
from app.results.remedy import remedy
from app.statistics import crossed, paired
from app.statistics.crossed import Estimate
from app.statistics.verdict import Verdict
from app.tables.datasets import DATASETS

from . import arms, classified, finished, fitted

VIT, DIFF = "vit_classic", "vit_differential"
OF = {"dataset": "digits", "size": "1M"}


def answer(folder, look=None, **asked):
    """The comparison of all runs in a folder."""
    found = choosing.chosen({"": find_runs(folder)})
    return compare(found, indexed(folder), asked=Asked(**asked), look=look)


def rights(folder, model):
    """Which examples each seed of a model gets right, from the files alone."""
    import pyarrow.parquet as pq

    runs = sorted((run for run in find_runs(folder) if run.config.model == model), key=lambda run: run.config.seed)
    tables = [pq.read_table(run.files.predictions) for run in runs]
    logits = [np.array(table["logits"].to_pylist()) for table in tables]
    return np.array([each.argmax(1) == table["label"] for each, table in zip(logits, tables, strict=True)])


def test_a_planted_difference_is_found_and_its_numbers_are_those_of_the_formula(tmp_path):
    arms(tmp_path, {DIFF: 0.88, VIT: 0.80})
    found = answer(tmp_path)
    (pair,) = found.pairs
    a, b = rights(tmp_path, pair.a.split()[0]), rights(tmp_path, pair.b.split()[0])
    expected = crossed.crossed(a, b)
    assert pair.difference == pytest.approx(a.mean() - b.mean()) and (pair.se, pair.df) == (expected.se, expected.df)
    assert pair.interval == expected.interval() and pair.word == ("better" if pair.a == f"{DIFF} 1M" else "worse")
    assert pair.sentence.startswith(f"{DIFF} 1M is better than {VIT} 1M by ")
    assert (found.examples, found.groups, pair.procedure) == (400, 400, "crossed")
    assert pair.beats == crossed.beats(a.mean(1), b.mean(1)) and pair.audit.confounds == ()
    assert found.arms[0].mean == pytest.approx(a.mean()) and found.arms[0].seeds == (0, 1, 2, 3, 4)


def test_equal_models_are_not_told_apart_and_the_seeds_that_would_decide_are_named(tmp_path):
    arms(tmp_path, {DIFF: 0.8, VIT: 0.8}, seeds=3)
    (pair,) = answer(tmp_path, usd_per_hour=3600).pairs
    assert pair.word == "undecided" and pair.interval[0] < 0 < pair.interval[1]
    assert pair.remedy.seeds is None or pair.remedy.seeds > 3
    (wide,) = answer(tmp_path, delta=4, usd_per_hour=3600).pairs
    assert wide.word in ("equivalent", "undecided") and wide.delta == pytest.approx(0.04)
    (close,) = answer(tmp_path, delta=20).pairs
    assert close.word == "equivalent" and "equivalent within 20 points" in close.sentence


def test_the_same_weights_in_both_arms_are_identical(tmp_path):
    right = np.arange(200) % 5 > 0
    for model in (DIFF, VIT):
        for seed in range(3):
            finished(tmp_path, classified(right), model=model, seed=seed, **OF)
    (pair,) = answer(tmp_path).pairs
    assert (pair.word, pair.interval, pair.difference) == ("identical", None, 0)


def test_the_same_run_from_two_folders_is_compared_and_named_twice_it_is_refused(tmp_path):
    right = np.arange(200) % 5 > 0
    runs = {name: [finished(tmp_path / name, classified(right), model=VIT, **OF)] for name in "ab"}
    assert runs["a"][0].record.run_id == runs["b"][0].record.run_id
    (pair,) = compare(choosing.chosen(runs), ()).pairs
    assert (pair.word, pair.a, pair.b) == ("identical", "a", "b")
    with pytest.raises(InputError, match="a and c both name run"):
        choosing.chosen({"a": runs["a"], "c": runs["a"]})


def test_one_run_of_each_model_is_no_answer_about_models_and_shows_mcnemars_interval(tmp_path):
    random = np.random.default_rng(1)
    right = [random.random(300) < 0.9, random.random(300) < 0.6]
    for model, its in zip((DIFF, VIT), right, strict=True):
        finished(tmp_path, classified(its), model=model, **OF)
    (pair,) = answer(tmp_path).pairs
    one, other = (right[(DIFF, VIT).index(title.split()[0])] for title in (pair.a, pair.b))
    test = paired.mcnemar(one, other)
    assert (pair.word, pair.procedure, pair.interval, pair.p) == ("one seed", "McNemar", test.interval, test.p_exact)
    assert "one seed: not an answer about architectures" in pair.sentence


@pytest.mark.parametrize(("rate", "inside"), [(0.8, True), (0.3, False)])
def test_one_run_against_several_is_one_seed_with_the_interval_of_one_more_run(tmp_path, rate, inside):
    arms(tmp_path, {VIT: 0.8}, seeds=4)
    finished(tmp_path, classified(np.random.default_rng(3).random(400) < rate), model=DIFF, **OF)
    (pair,) = answer(tmp_path).pairs
    assert (pair.word, pair.procedure, pair.within) == ("one seed", "one run", inside)


@pytest.mark.parametrize("metric", ["top1", "brier"])
def test_the_interval_of_one_more_run_has_possible_results_only(tmp_path, metric):
    for seed, share in enumerate((0.6, 0.97, 1.0)):
        finished(tmp_path, classified(np.arange(100) < 100 * share), model=VIT, seed=seed, **OF)
    finished(tmp_path, classified(np.ones(100, bool)), model=DIFF, **OF)
    found = answer(tmp_path, metric=metric)
    (low, high) = next(each.one_more for each in found.arms if each.model == VIT)
    assert (low, high)[metric == "top1"] == {"top1": 1, "brier": 0}[metric] and low < high
    assert METRICS["log-mse"].cut((-9.0, 9.0)) == (-9, 9) and METRICS["rmse"].cut((-9.0, 9.0)) == (0, 9)


def test_arms_may_have_different_numbers_of_seeds(tmp_path):
    arms(tmp_path, {VIT: 0.7}, seeds=2)
    arms(tmp_path, {DIFF: 0.9}, seeds=5)
    (pair,) = answer(tmp_path).pairs
    assert sorted(len(arm.results) for arm in answer(tmp_path).arms) == [2, 5] and pair.procedure == "crossed"
    assert pair.se is not None


def test_three_models_are_three_pairs_with_holms_p_and_simultaneous_intervals(tmp_path):
    arms(tmp_path, {VIT: 0.6, DIFF: 0.9, "resnet18": 0.61}, seeds=3)
    found = answer(tmp_path)
    assert len(found.pairs) == 3 and all(pair.verdict.level == pytest.approx(1 - 0.05 / 3) for pair in found.pairs)
    assert all(pair.verdict.p >= pair.p for pair in found.pairs) and sum(p.word == "better" for p in found.pairs) >= 1
    assert any("Holm" in note for note in found.notes)


def test_models_are_compared_at_the_same_size_only_where_every_size_has_several(tmp_path):
    for size in ("1M", "2M"):
        for model in (VIT, DIFF):
            finished(tmp_path, classified(np.arange(50) % 3 > 0), dataset="digits", size=size, model=model)
    found = answer(tmp_path)
    assert [(pair.a.split()[1], pair.b.split()[1]) for pair in found.pairs] == [("1M", "1M"), ("2M", "2M")]


def test_a_regression_counts_each_simulation_once(tmp_path):
    random = np.random.default_rng(5)
    names = np.repeat([f"id{number:04}" for number in range(40)], 5)
    shared = np.repeat(random.normal(0, 0.05, 40), 5)
    for model, scale in (("cnn", 1.0), ("resnet18", 1.6)):
        for seed in range(4):
            errors = scale * (shared + random.normal(0, 0.02, 200))
            finished(tmp_path, fitted(errors, names=names), dataset="nested_cylinder", model=model, seed=seed)
    found = answer(tmp_path)
    (pair,) = found.pairs
    assert (found.metric.name, found.examples, found.groups) == ("rmse", 200, 40)
    table = joining.table(choosing.chosen({"": find_runs(tmp_path)}).arms, found.metric)
    expected = crossed.crossed(table.scores(0), table.scores(1), groups=names)
    assert pair.se == expected.se > 1.2 * crossed.crossed(table.scores(0), table.scores(1)).se
    assert pair.sentence.startswith("cnn") and " is better than resnet18" in pair.sentence
    rmse = [arm.mean for arm in found.arms]
    assert pair.difference == pytest.approx(rmse[1] - rmse[0])  # positive where the RMSE of the first is lower
    assert pair.delta == pytest.approx(0.05 * np.mean([r for arm in found.arms for r in arm.results]))


@pytest.mark.parametrize("metric", ["log-mse", "mae", "r2"])
def test_a_regression_is_compared_by_its_other_metrics(tmp_path, metric):
    random = np.random.default_rng(6)
    for model, scale in (("cnn", 0.05), ("resnet18", 0.2)):
        for seed in range(3):
            finished(
                tmp_path, fitted(scale * random.normal(size=150)), dataset="nested_cylinder", model=model, seed=seed
            )
    (pair,) = answer(tmp_path, metric=metric).pairs
    assert pair.sentence.startswith("cnn") and " is better than resnet18" in pair.sentence
    assert pair.remedy is None


def test_runs_that_did_not_learn_are_counted_and_not_averaged(tmp_path):
    random = np.random.default_rng(8)
    for model, lost in (("cnn", 0), ("resnet18", 3)):
        for seed in range(6):
            scale = 1.0 if seed < lost else 0.02
            finished(
                tmp_path, fitted(scale * random.normal(size=100)), dataset="nested_cylinder", model=model, seed=seed
            )
    found = answer(tmp_path)
    (pair,) = found.pairs
    by_model = {arm.model: arm for arm in found.arms}
    assert sorted(pair.clumps.learned) == [3, 6] and "two clumps" in pair.sentence
    assert by_model["resnet18"].learned == (False,) * 3 + (True,) * 3 and by_model["resnet18"].mean < 0.05
    assert pair.clumps.p_learned == pytest.approx(0.1818, abs=1e-3) and pair.word in ("equivalent", "undecided")


def test_a_model_that_never_learned_is_worse_by_the_test_of_all_runs(tmp_path):
    random = np.random.default_rng(9)
    for model, scales in (("cnn", [0.02] * 5 + [1.0]), ("resnet18", [1.0] * 6)):
        for seed, scale in enumerate(scales):
            errors = scale * random.normal(size=100)
            finished(tmp_path, fitted(errors), dataset="nested_cylinder", model=model, seed=seed)
    (pair,) = answer(tmp_path).pairs
    assert sorted(pair.clumps.learned) == [0, 5] and pair.interval is None
    assert "cnn is better than resnet18" in pair.sentence and pair.verdict.p == pair.clumps.p_all < 0.05


def test_a_naive_test_that_answers_otherwise_is_explained(tmp_path):
    base = np.random.default_rng(2).random(300) < 0.7
    right, wrong = np.flatnonzero(base), np.flatnonzero(~base)
    for model in (DIFF, VIT):  # the models err on other examples, and their seeds agree
        for seed in range(4):
            its = base.copy()
            if model == DIFF:
                its[right[:12]], its[wrong[:20]] = False, True
            its[right[-1 - seed :]] = False
            finished(tmp_path, classified(its), model=model, seed=seed, **OF)
    (pair,) = answer(tmp_path).pairs
    tests = {each.test: each for each in pair.naive}
    assert pair.word == "undecided" and tests["Welch"].p < 0.05 < pair.p
    assert "these 300 test examples only" in tests["Welch"].why
    assert "counts each of 300 test examples 4 times" in tests["pooled McNemar"].why
    assert tests["McNemar"].p > 0.05 and not tests["McNemar"].why


def test_the_test_set_as_target_omits_the_part_of_the_examples(tmp_path):
    random = np.random.default_rng(4)
    for model in (DIFF, VIT):
        hard = random.random(300)
        for seed in range(4):
            finished(tmp_path, classified(hard < 0.7 + 0.01 * seed), model=model, seed=seed, **OF)
    (wide,), (narrow,) = answer(tmp_path).pairs, answer(tmp_path, target="test-set").pairs
    assert narrow.procedure == "test set" and narrow.se < wide.se and "on this test set" in narrow.sentence
    assert wide.se**2 == pytest.approx(narrow.se**2 + wide.examples_part)


def test_runs_with_several_test_sets_that_every_model_has_are_compared_by_welch_and_loudly(tmp_path):
    random = np.random.default_rng(4)
    for model, rate in ((DIFF, 0.9), (VIT, 0.5)):
        for seed in range(3):
            right = random.random(100) < rate
            finished(tmp_path, classified(right, rows=1000 * seed + np.arange(100)), model=model, seed=seed,
                   split_seed=seed, data={"split_fingerprint": f"split{seed}"}, **OF)  # fmt: skip
    found = answer(tmp_path)
    (pair,) = found.pairs
    assert pair.procedure == "Welch" and any(note.startswith("WARNING") for note in found.notes)
    assert math.isclose(pair.se**2, sum(arm.sd**2 / 3 for arm in found.arms)) and pair.examples_part is None


def test_folds_are_joined_per_repeat_and_compared_by_their_rule(tmp_path):
    random = np.random.default_rng(0)
    rows, n = np.arange(60), 60
    for model, rate in ((DIFF, 0.95), (VIT, 0.4)):
        for repeat in range(3):
            right, fold_of = random.random(n) < rate, np.random.default_rng(repeat).permutation(n) % 3
            for fold in range(3):
                mine = fold_of == fold
                found = classified(right)
                part = type(found)(rows[mine], found.labels[mine], found.logits[mine])
                run = finished(tmp_path, part, model=model, folds=3, fold=fold, repeat=repeat, limit_train=50, **OF)
                (tmp_path / f"{run.files.stem}_splits.parquet").touch()
    found = answer(tmp_path)
    (pair,) = found.pairs
    assert (pair.procedure, found.examples, len(found.arms[0].results)) == ("folds", 60, 3)
    assert f"{DIFF} 1M is better than {VIT} 1M" in pair.sentence and pair.df == 59
    assert "new training sets" in pair.sentence and pair.naive == ()


def test_the_word_of_folds_needs_both_rules():
    better = Verdict(word="better", interval=(0.1, 0.3), level=0.95, inner=(0.1, 0.3), p=0.01, at_least_delta=True)
    other = dataclasses.replace(better, at_least_delta=False)
    unsure = dataclasses.replace(other, word="undecided", interval=(-0.1, 0.5))
    assert procedure.by_both(better, other) == other
    found = procedure.by_both(better, unsure)
    assert (found.word, found.interval, found.at_least_delta) == ("undecided", (0.1, 0.3), False)


def test_what_would_change_the_verdict_has_the_price_of_the_further_runs():
    found = Estimate(difference=0.0, se=0.01, df=6.0, examples=1000, groups=1000, seeds=(3, 4), means=(0.8, 0.8),
                     sds=(0.01, 0.01), examples_part=0.0, identical=False)  # fmt: skip
    budgets = (audit.Budget(name="seconds", a=100.0, b=10.0), audit.Budget(name="dollars", a=2.0, b=0.5))
    told = remedy(found, budgets, delta=0.02, level=0.95, margin="2 points")
    assert told.more == (told.seeds - 3, told.seeds - 4) and told.seeds > 4 and told.seeds_upper > told.seeds
    assert told.seconds == 100 * told.more[0] + 10 * told.more[1]
    assert told.dollars == 2 * told.more[0] + 0.5 * told.more[1] and f"{told.dollars:,.2f} USD" in told.text
    fewer = dataclasses.replace(found, examples_part=1e-3)
    told = remedy(fewer, budgets, delta=0.02, level=0.95, margin="2 points")
    assert told.seeds is None and told.examples > 1000 and "No number of seeds" in told.text


def test_numbers_have_the_places_of_their_uncertainty():
    assert [wording.decimals(half) for half in (12.3, 1.23, 0.123, 0.0996, 0.00123)] == [0, 1, 2, 2, 4]
    rate = METRICS["top1"]
    assert wording.amount(rate, 0.01234, 1) == "1.2 points" and wording.number(rate, -1e-6, 1) == "0.0"
    assert wording.margin(rate, 0.01) == "1 point" and wording.margin(rate, 0.025) == "2.5 points"


def test_the_answer_is_plain_json_with_fractions_and_without_nan(tmp_path):
    arms(tmp_path, {DIFF: 0.88, VIT: 0.80}, seeds=2)
    told = json.loads(json.dumps(answer(tmp_path).to_json(), allow_nan=False))
    assert {"dataset", "metric", "n", "groups", "level", "arms", "pairs", "look", "exclusions"} <= told.keys()
    pair = {"a", "b", "difference", "interval", "se", "df", "examples_part", "p", "verdict", "beats", "naive", "audit",
            "remedy", "sentence", "delta", "p_adjusted"}  # fmt: skip
    assert pair <= told["pairs"][0].keys() and abs(told["pairs"][0]["difference"]) < 1
    assert {"run_ids", "seeds", "mean", "sd", "one_more", "parameters", "budget"} <= told["arms"][0].keys()


def test_a_selection_filters_by_any_setting_and_commas_separate_conditions_and_values(tmp_path):
    arms(tmp_path, {DIFF: 0.8, VIT: 0.8, "resnet18": 0.8}, seeds=3)

    def names(text):
        return sorted({(run.config.model, run.config.seed) for run in requested.of_name(text, tmp_path, print)})

    assert names(f"model={VIT},seed=1-2") == [(VIT, 1), (VIT, 2)]
    assert names(f"model={VIT},resnet18,seed=0") == [("resnet18", 0), (VIT, 0)]
    assert len(names("lr=1e-3")) == 9
    with pytest.raises(InputError, match=r"no run under .* fits lr=0\.5"):
        names("lr=0.5")
    with pytest.raises(InputError, match="unknown setting 'modle'"):
        names("modle=x")


def test_arguments_with_one_architecture_are_the_arms(tmp_path):
    arms(tmp_path, {VIT: 0.8}, seeds=2)
    arms(tmp_path, {VIT: 0.5}, seeds=2, lr=0.01)
    parts = {name: requested.of_name(name, tmp_path, print) for name in ("lr=0.001", "lr=0.01")}
    (pair,) = compare(choosing.chosen(parts), indexed(tmp_path)).pairs
    assert (pair.a, pair.b) == ("lr=0.001", "lr=0.01") and any(
        "lr (0.001 against 0.01)" in c for c in pair.audit.confounds
    )
    with pytest.raises(InputError, match="both name run"):
        choosing.chosen({"x": parts["lr=0.01"], "y": parts["lr=0.01"]})


def test_unusable_runs_and_older_ones_of_a_seed_are_excluded_by_name(tmp_path):
    arms(tmp_path, {DIFF: 0.8, VIT: 0.8}, seeds=2)
    failure = {"kind": "diverged", "sentence": "the loss is nan"}
    right = classified(np.ones(400, bool))
    gone = finished(
        tmp_path, right, model=VIT, seed=7, about={"status": "failed", "failure": failure, "results": {}}, **OF
    )
    left = finished(tmp_path, right, model=VIT, seed=8, about={"status": "stopped", "results": {}}, **OF)
    bare = finished(tmp_path, right, model=VIT, seed=9, about={"results": {}}, **OF)
    new = finished(tmp_path, right, model=VIT, seed=0, epochs=61, minute=5, **OF)
    found = answer(tmp_path)
    reasons = {each.run_id: each.reason for each in found.exclusions}
    assert "diverged" in reasons[gone.record.run_id] and "not finished" in reasons[left.record.run_id]
    assert "not tested" in reasons[bare.record.run_id] and len(reasons) == 4
    assert any(new.record.run_id in reason and "newer" in reason for reason in reasons.values())
    assert new.record.run_id in {run_id for arm in found.arms for run_id in arm.run_ids}


def test_without_names_runs_that_agree_with_the_newest_are_compared_and_others_are_listed(tmp_path):
    arms(tmp_path, {DIFF: 0.8, VIT: 0.8}, seeds=2, minute=5)
    odd = finished(tmp_path, classified(np.ones(400, bool)), model=VIT, seed=4, epochs=3, minute=1, **OF)
    trial = finished(tmp_path, classified(np.ones(400, bool)), model=VIT, seed=5, limit_train=10, minute=1, **OF)
    runs, others = requested.of_dataset("digits", tmp_path, print)
    reasons = {each.run_id: each.reason for each in others}
    assert len(runs) == 4 and "epochs is 3 (compared: 60)" in reasons[odd.record.run_id]
    assert "trial" in reasons[trial.record.run_id]
    finished(tmp_path, classified(np.ones(400, bool)), model=VIT, dataset="cifar10", limit_train=10, minute=9)
    with pytest.raises(InputError, match=r"the only finished run of cifar10 .* had --limit-train"):
        requested.of_dataset("cifar10", tmp_path, print)
    with pytest.raises(InputError, match="no finished run of bach"):
        requested.of_dataset("bach", tmp_path, print)


def test_too_few_models_and_several_datasets_are_refused(tmp_path):
    arms(tmp_path, {VIT: 0.8}, seeds=2)
    with pytest.raises(InputError, match=r"two architectures are needed, and there is only vit_classic 1M, runs"):
        choosing.chosen({"": find_runs(tmp_path)})
    finished(tmp_path, classified(np.ones(100, bool)), dataset="cifar10", model=DIFF, size="1M")
    with pytest.raises(InputError, match=r"2 datasets \(digits, cifar10\).*--dataset"):
        choosing.chosen({"": find_runs(tmp_path)})
    assert dataset_facts(DATASETS["digits"]).classes == 10
