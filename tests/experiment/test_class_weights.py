"""--class-weights balanced: scikit-learn's weights in the training loss, and in nothing else."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from app import data, evaluation, log, models, place, task
from app.artifacts import checkpoint
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.data.splits import division
from app.errors import InputError
from app.experiment import objective, stages
from app.tables.datasets import DATASETS
from experiment import runs as tiny

WEIGHED = {"class_weights": "balanced"}
BALANCED = WEIGHED | {"epochs": 1, "dropout": 0.0}


@pytest.fixture(scope="module")
def run(shared_cache, tmp_path_factory):
    """A run of an epoch whose training loss is weighed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        yield tiny.train(tmp_path_factory.mktemp("weighed"), **BALANCED)


def splits_of(config):
    cached = data.prepare(data.ask_of(config.to_json(), path=None), print, lambda *_: None)
    return division.splits(config, place.choose(device="cpu", precision="fp32"), cached, lambda _: None)


def predictions(model, split):
    here = place.choose(device="cpu", precision="fp32")
    return evaluation.predict(model, split, task=task.classes, batch_size=16, place=here)


def built(run):
    torch.manual_seed(run.config.seed)
    return models.build(run.config, attention_path=run.record.execution.attention_path)


@pytest.mark.parametrize("labels", [[0] * 60 + [1] * 6, [0, 1, 2, 2], [3] * 5 + [1] * 2 + [0] * 9 + [2]], ids=len)
def test_the_weights_are_scikit_learn_s_and_their_mean_over_the_rows_is_1(labels):
    counts = np.bincount(labels)
    found = objective.balanced(counts.tolist())
    assert found == pytest.approx(compute_class_weight("balanced", classes=np.unique(labels), y=labels))
    assert np.mean([found[label] for label in labels]) == pytest.approx(1)


def test_a_class_without_rows_weighs_nothing_and_counts_as_none():
    assert objective.balanced([6, 0, 3]) == [9 / 12, 0.0, 9 / 6]


def test_the_record_counts_the_rows_of_each_class_in_each_split(run):
    rows, found = run.record.data.rows, run.record.data.class_rows
    assert {name: sum(counts) for name, counts in found.items()} == {"train": 160, "val": 40, "test": 60}
    assert (rows.train, rows.val, rows.test) == (160, 40, 60) and all(len(counts) == 10 for counts in found.values())
    assert found["test"] == np.array(run.record.test.confusion).sum(1).tolist()


def test_the_training_loss_is_weighed_by_class_and_divided_by_the_count(cache_folder, run):
    batch = splits_of(run.config).train.batch(splits_of(run.config).train.order(0)[:32], epoch=0)
    with torch.no_grad():
        losses = F.cross_entropy(built(run)(batch[0]), batch[1], reduction="none")
    weights = torch.tensor(objective.balanced(run.record.data.class_rows["train"]))[batch[1]]
    first = next(row for row in log.read(run.files.log)[1] if row["split"] == "train")
    assert first["loss"] == pytest.approx(float((weights * losses).mean()), rel=1e-5)
    assert abs(first["loss"] - float(losses.mean())) > 1e-3


def test_the_loss_that_chooses_the_best_epoch_and_that_of_the_test_are_not_weighed(cache_folder, run):
    model = built(run)
    checkpoint.load_weights(run.files.weights, model)
    found = predictions(model, splits_of(run.config).val)
    plain = F.cross_entropy(torch.from_numpy(found.logits), torch.from_numpy(found.labels)).item()
    full = [row for row in log.read(run.files.log)[1] if row["split"] == "val_full"][-1]
    assert full["loss"] == pytest.approx(plain, rel=1e-5) and run.record.best.val_loss == full["loss"]
    test = predictions(model, splits_of(run.config).test)
    plain = F.cross_entropy(torch.from_numpy(test.logits), torch.from_numpy(test.labels)).item()
    assert run.record.test.loss == pytest.approx(plain, rel=1e-5)


def test_the_log_s_header_names_both_losses_and_that_of_a_plain_run_says_nothing(cache_folder, run, tmp_path):
    header = log.read(run.files.log)[0]
    assert header["class_weights"] == "balanced" and "weighed by class" in header["losses"]["train"]
    assert header["losses"]["val_full"] == "cross-entropy"
    plain = tiny.train(tmp_path, epochs=1, dropout=0.0)
    assert "losses" not in log.read(plain.files.log)[0] and plain.record.run_id != run.record.run_id


def test_micro_batches_do_not_change_a_weighed_step(cache_folder, run, tmp_path):
    parts = tiny.train(tmp_path, options={"micro_batch_size": 5}, **BALANCED)
    assert parts.record.run_id == run.record.run_id
    ours, theirs = ([row["loss"] for row in tiny.rows(each) if row["split"] == "train"] for each in (parts, run))
    assert parts.record.execution.micro_batch_size == 5 and ours == pytest.approx(theirs, rel=1e-3)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6)  # of equal weights; Adam enlarges what follows


def test_the_weights_are_part_of_the_run_id_and_their_absence_is_not():
    facts = dataset_facts(DATASETS["digits"])
    plain, none, balanced = (resolve(more, facts) for more in ({}, {"class_weights": "none"}, WEIGHED))
    assert plain.run_id == none.run_id and plain.run_id != balanced.run_id


def test_a_regression_has_no_class_weights():
    facts = dataset_facts(DATASETS["nested_cylinder"])
    with pytest.raises(InputError, match="has no effect"):
        resolve({"class_weights": "balanced", "model": "cnn"}, facts)


def test_uneven_classes_are_named_once_a_run_begins_and_even_ones_are_not(run):
    about, config = run.record.data, run.config
    assert objective.notes(config, about) == []
    rows = [60, 6, 40, 40, 40, 40, 40, 40, 40, 40]
    about = stages.parts.DataRecord(
        **{f: getattr(about, f) for f in about.__struct_fields__} | {"class_rows": {"train": rows}}
    )
    plain = resolve(tiny.TINY, dataset_facts(DATASETS["digits"]))
    (note,) = objective.notes(plain, about)
    assert "60" in note and "6." in note and "--class-weights balanced" in note
    assert objective.notes(config, about) == []  # whoever weighs them knows
    about.class_rows["train"][3] = 0
    assert "no training row" in objective.notes(plain, about)[0]
