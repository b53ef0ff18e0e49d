"""The audit: what voids a comparison, what confounds it, what is harmless; budgets, tuning, and tests used twice."""

import dataclasses

import numpy as np
import pytest
from raw_records import put, raw

from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run, find_runs, indexed
from app.config.run import RunConfig
from app.config.settings import declared
from app.errors import Damaged, InputError
from app.results import arms as choosing
from app.results import audit, joining, tuning
from app.results.comparing import compare
from app.results.metrics import metric_of

from . import arms, classified, finished

VIT, DIFF = "vit_classic", "vit_differential"
OF = {"dataset": "digits", "size": "1M"}
RIGHT = np.arange(100) % 7 > 0


def pair(folder, ours=None, theirs=None, *, about=None, **both):
    """The arms of two runs, of which the second has other settings or another record."""
    finished(folder, classified(RIGHT), model=DIFF, **OF, **both, **(ours or {}))
    finished(folder, classified(RIGHT), model=VIT, **OF, **both, **(theirs or {}), **(about or {}))
    return choosing.chosen({"": find_runs(folder)}).arms


def differing(found, differs):
    return {each.name for each in found.of(differs)}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("image", 16), ("split_seed", 3), ("test_fraction", 0.5), ("limit_test", 100), ("image_column", "other"),
     ("revision", "v2")],
)  # fmt: skip
def test_a_setting_that_changes_the_test_voids_the_comparison(tmp_path, setting, value):
    with pytest.raises(InputError, match=rf"not comparable: they differ in .*{setting} \("):
        audit.require_comparable(pair(tmp_path, theirs={setting: value}))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 61), ("batch_size", 32), ("lr", 0.5), ("optimizer", "adam"), ("schedule", "constant"), ("dropout", 0.3),
     ("weight_decay", 0.5), ("clip_norm", 1.0), ("augment", "flip_crop"), ("precision", "fp32"), ("val_fraction", 0.3),
     ("limit_train", 100), ("class_weights", "balanced"), ("warmup_steps", 3)],
)  # fmt: skip
def test_a_setting_of_the_training_confounds_the_comparison_and_the_verdict_says_so(tmp_path, setting, value):
    found = pair(tmp_path, theirs={setting: value})
    about = audit.audited(*found)
    assert setting in differing(about, "confound")
    answer = compare(choosing.Chosen(arms=found, exclusions=()), indexed(tmp_path))
    assert "The models differ also in: " in answer.pairs[0].sentence and f"{setting} (" in answer.pairs[0].sentence


@pytest.mark.parametrize(("setting", "value"), [("val_batch_size", 7), ("val_batches", 2), ("limit_val", 9)])
def test_a_setting_of_the_validation_alone_is_harmless(tmp_path, setting, value):
    about = audit.audited(*pair(tmp_path, theirs={setting: value}))
    assert setting in differing(about, "harmless") and not about.confounds


def test_the_shape_of_a_model_and_its_seed_are_no_difference(tmp_path):
    about = audit.audited(*pair(tmp_path, theirs={"seed": 4, "mlp_ratio": 3.0}))
    assert not about.confounds[1:] and not about.of("confound")  # another parameter count remains


def test_facts_of_the_record_are_classed_too(tmp_path):
    execution = {"attention_path": "sdpa", "micro_batch_size": 3, "threads": 2, "gradients": "bf16"}
    record = {
        "versions": {"isoscale": "0", "torch": "2.9", "numpy": "1"}, "commit": "abc", "execution": execution,
        "places": [{"device": "other", "precision": "bf16"}], "schedule": {"total_steps": 30, "warmup_steps": 9},
    }  # fmt: skip
    ours = {"about": {"versions": {"isoscale": "0", "torch": "2.8", "numpy": "2"}, "commit": "def"}}
    about = audit.audited(*pair(tmp_path, ours=ours, theirs={"about": record}))
    assert {"version of torch", "commit", "computed in", "warm-up share"} <= differing(about, "confound")
    assert {"version of numpy", "device", "attention-path", "micro-batch-size", "threads"} <= differing(
        about, "harmless"
    )
    assert "version of isoscale" not in {each.name for each in about.differences}


def test_another_version_of_the_data_or_other_classes_void_it_and_other_training_rows_confound_it(tmp_path):
    one, other, third = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    with pytest.raises(InputError, match=r"data version \(made up against v2\)"):
        audit.require_comparable(pair(one, theirs={"data": {"version": "v2"}}))
    with pytest.raises(InputError, match=r"class names"):
        names = [f"kind {number}" for number in range(10)]
        audit.require_comparable(pair(other, theirs={"data": {"class_names": names}}))
    about = audit.audited(*pair(third, theirs={"data": {"split_fingerprint": "beef"}}))
    assert "training and validation rows" in differing(about, "confound")


def test_versions_that_are_mixed_within_an_arm_are_a_confound(tmp_path):
    for model in (DIFF, VIT):
        for seed in range(2):
            versions = {"about": {"versions": {"isoscale": "0", "torch": f"2.{seed}"}}}
            finished(tmp_path, classified(RIGHT), model=model, seed=seed, **versions, **OF)
    about = audit.audited(*choosing.chosen({"": find_runs(tmp_path)}).arms)
    assert [each.line for each in about.of("confound")] == ["version of torch (2.0, 2.1 against 2.0, 2.1)"]


@pytest.mark.parametrize(("of_vit", "named"), [("01", False), ("02", True)])
def test_the_folds_of_an_arm_have_different_splits_which_confound_only_if_the_arms_have_others(tmp_path, of_vit, named):
    for model, splits in ((DIFF, "01"), (VIT, of_vit)):
        for fold, split in enumerate(splits):
            data = {"split_fingerprint": split, "rows": {"train": 900 + fold, "val": 100, "test": 100}}
            run = finished(tmp_path, classified(RIGHT), data=data, model=model, folds=2, fold=fold, **OF)
            (tmp_path / f"{run.files.stem}_splits.parquet").touch()
    about = audit.audited(*choosing.chosen({"": find_runs(tmp_path)}).arms)
    assert ("training and validation rows" in differing(about, "confound")) is named
    assert "train rows" not in differing(about, "confound")


def test_unmatched_parameters_are_a_confound_with_their_counts(tmp_path):
    found = pair(tmp_path)
    (other,) = (dataclasses.replace(each, b=2e6) for each in audit.budgets(*found) if each.name == "parameters")
    assert audit.Audit(differences=(), budgets=(other,)).confounds == ("parameters (996,810 against 2,000,000)",)


def test_no_setting_of_a_config_escapes_the_audit(tmp_path):
    facts = {each.name for each in dataclasses.fields(RunConfig) if declared(each).differs != "architecture"}
    run = finished(tmp_path, classified(RIGHT), model=VIT, **OF)
    assert facts - {"seed", "fold", "repeat"} <= audit.facts(run).keys()


def test_budgets_are_matched_within_one_percent_only(tmp_path):
    found = {each.name: each for each in audit.audited(*pair(tmp_path)).budgets}
    assert found["parameters"].matched and found["parameters"].ratio == pytest.approx(1, abs=0.002)
    budget = dataclasses.replace(found["parameters"], a=101.1, b=100.0)
    assert budget.matched is False and dataclasses.replace(budget, a=100.9).matched is True
    assert dataclasses.replace(budget, b=None).matched is None
    flops = 1e6 * (3 * 60 * 900 + 60 * 100 + 900 // 64 * 60 * 100 + 100)  # forward and backward, and the validation
    assert found["training FLOPs"].a == pytest.approx(flops, rel=0.1)


def test_dollars_are_those_of_the_record_or_of_the_machines_time_at_a_price(tmp_path):
    places = [{"device": "made up", "precision": "fp32", "seconds": 1800.0}]
    run = finished(tmp_path, classified(RIGHT), model=VIT, about={"places": places}, **OF)
    assert audit.dollars(run.record, 2.0) == 1.0 and audit.dollars(run.record) is None
    run.record.dollars = 0.25
    assert audit.dollars(run.record, 2.0) == 0.25
    places[0]["jobs"] = 4  # runs at once, which share the hour
    shared = finished(tmp_path, classified(RIGHT), model=VIT, about={"places": places}, seed=1, **OF)
    assert audit.dollars(shared.record, 2.0) == 0.25


def test_times_of_runs_that_shared_a_device_are_not_those_of_runs_alone_and_a_remark_says_so(tmp_path):
    places = [{"device": "made up", "precision": "fp32", "jobs": 2, "jobs_per_device": 2}]
    one, other = pair(tmp_path, about={"about": {"places": places}})
    about = audit.audited(one, other, tuning.findings(one, other, []))
    assert "runs at once on the device" in differing(about, "harmless") and not about.confounds
    shared = other.runs[0].record.run_id
    assert f"1 run shared a device with other runs ({shared}), which lengthens the training time" in {
        each.text for each in about.findings
    }
    alone = audit.audited(one, one, tuning.findings(one, one, []))
    assert not any("shared a device" in each.text for each in alone.findings)


def test_a_learning_rate_at_the_edge_of_its_grid_and_unequal_trials_are_confounds(tmp_path):
    arms(tmp_path, {DIFF: 0.8, VIT: 0.8}, seeds=2)
    for lr in (1e-4, 3e-4):
        finished(tmp_path, classified(RIGHT), model=VIT, lr=lr, **OF)
    named = [run for run in find_runs(tmp_path) if run.config.lr == 1e-3]
    found = tuning.findings(*choosing.chosen({"": named}).arms, indexed(tmp_path))
    texts = " ".join(each.text for each in found)
    assert "the learning rate 0.001 of vit_classic 1M is at the edge of those tried (0.0001, 0.0003, 0.001)" in texts
    assert sum(bool(each.confound) for each in found) == 2 and "trials spent on tuning" in {f.confound for f in found}


def test_diverged_and_unlearned_runs_and_a_test_that_was_used_again_are_reported(tmp_path):
    failed = {"status": "failed", "failure": {"kind": "diverged", "sentence": "nan"}, "results": {}}
    gone = finished(tmp_path, classified(RIGHT), model=VIT, seed=8, about=failed, **OF)
    guess = finished(tmp_path, classified(RIGHT), model=VIT, test={"top1": 0.1}, **OF)
    again = finished(tmp_path, classified(RIGHT), model=DIFF, **OF)
    record = raw(again)
    record["results"]["test_best"] = record["results"]["test"]
    put(again.files.record, record)
    chosen = choosing.chosen({"": find_runs(tmp_path)})
    texts = [each.text for each in tuning.findings(*chosen.arms, indexed(tmp_path))]
    for run, words in ((gone, "diverged"), (guess, "did not learn"), (again, "used more than once")):
        assert any(run.record.run_id in text and words in text for text in texts)


def test_rows_or_labels_that_differ_are_an_error_that_names_both_splits(tmp_path):
    def refused(folder, found):
        finished(folder, classified(RIGHT), model=DIFF, data={"split_fingerprint": "aaaa"}, **OF)
        finished(folder, found, model=VIT, data={"split_fingerprint": "bbbb"}, **OF)
        chosen = choosing.chosen({"": find_runs(folder)})
        with pytest.raises(InputError) as told:
            joining.table(chosen.arms, metric_of("top1", task_name="classification", classes=10))
        assert "aaaa" in str(told.value) and "bbbb" in str(told.value)
        return str(told.value)

    rows = np.arange(100) + 1
    assert "100 and 100 rows, of which 99 are the same" in refused(tmp_path / "a", classified(RIGHT, rows=rows))
    other = classified(RIGHT)
    other.labels[17] = 3
    assert "the label of row 17 differs" in refused(tmp_path / "b", other)


def test_rows_in_another_order_are_joined(tmp_path):
    right = np.arange(100) < 60
    turned = classified(right)
    turned = Predictions(turned.rows[::-1].copy(), turned.labels[::-1].copy(), turned.logits[::-1].copy())
    finished(tmp_path, turned, model=DIFF, **OF)
    finished(tmp_path, classified(right), model=VIT, **OF)
    (answer,) = compare(choosing.chosen({"": find_runs(tmp_path)}), indexed(tmp_path)).pairs
    assert answer.word == "identical"


def test_damaged_predictions_and_outputs_that_are_not_numbers_are_refused(tmp_path):
    finished(tmp_path, classified(RIGHT), model=DIFF, **OF)
    found = classified(RIGHT)
    found.logits[3, 4] = np.nan
    run = finished(tmp_path, found, model=VIT, **OF)
    with pytest.raises(InputError, match=rf"{run.record.run_id} predicts NaN for 1 of 100"):
        compare(choosing.chosen({"": find_runs(tmp_path)}), indexed(tmp_path))
    put(run.files.record, raw(run) | {"files": {"predictions": "0" * 64}})
    assert Run.load(run.files.record).record.files
    with pytest.raises(Damaged, match=r"damaged.*evaluate --again"):
        compare(choosing.chosen({"": find_runs(tmp_path)}), indexed(tmp_path))
