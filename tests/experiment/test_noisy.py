"""A run under noise: its record, its repeated test, and the same losses on ranks and with micro-batches."""

from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from app import log, place
from app.artifacts.predictions import Predictions
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.experiment import looking, objective, recomputing, scenes
from app.experiment import run as experiment
from app.experiment.corrupting import part_of
from app.results import audit
from app.sharing.card import run_card
from app.tables.datasets import DATASETS
from experiment import runs as tiny
from experiment.test_ranks import gaps, trained

NOISE = {"label_noise": "symmetric:0.4", "distractors": 3, "test_distractors": 2, "corrupt_train": "gaussian_noise:3"}
NOISY = NOISE | {"epochs": 1, "dropout": 0.0}
DIGITS = dataset_facts(DATASETS["digits"])


@pytest.fixture(scope="module")
def run(shared_cache, tmp_path_factory):
    """A run of an epoch under all noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOSCALE_CACHE", str(shared_cache))
        yield tiny.train(tmp_path_factory.mktemp("noisy"), **NOISY, class_weights="balanced")


def test_noise_is_part_of_the_run_id_and_its_absence_is_not():
    plain = resolve({}, DIGITS)
    assert plain.run_id == resolve({"label_noise": "none", "distractors": 0, "corrupt_train": "none"}, DIGITS).run_id
    ids = {resolve({name: value}, DIGITS).run_id for name, value in NOISE.items()} | {plain.run_id}
    assert len(ids) == 5
    assert len({resolve({"label_noise": f"symmetric:{rate}"}, DIGITS).run_id for rate in ("0.4", "0.40", ".4")}) == 1


@pytest.mark.parametrize(
    ("dataset", "request_", "says"),
    [
        ("nested_cylinder", {"label_noise": "symmetric:0.4"}, "label-noise has no effect on the dataset nested_cyl"),
        ("nested_cylinder", {"corrupt_train": "fog:1"}, "corrupt-train has no effect on the dataset nested_cylinder"),
        ("diffraction", {"distractors": 2}, "distractors has no effect on the dataset diffraction"),
        ("digits", {"label_noise": "symmetric:1.2"}, "has the rate '1.2'. Use a number between 0 and 1"),
        ("digits", {"label_noise": "labels.csv"}, "unknown until they are read"),
        ("digits", {"corrupt_train": "spatter:1"}, "works on images of three channels, and these have 1"),
        ("digits", {"corrupt_train": "frost:1"}, "needs photographs"), ("digits", {"distractors": 9}, "at most 8"),
    ],
)  # fmt: skip
def test_noise_that_has_no_effect_or_does_not_fit_is_refused(dataset, request_, says):
    model = {"nested_cylinder": "cnn", "diffraction": "resnet1d"}.get(dataset, "vit_classic")
    with pytest.raises(InputError, match=says):
        resolve({"model": model, **request_}, dataset_facts(DATASETS[dataset]))


def test_the_record_the_log_and_the_card_name_the_noise(run):
    noise, header, card = run.record.data.label_noise, log.read(run.files.log)[0], run_card(run, "hf://o/n/run")
    table = pq.read_table(run.files.splits).to_pydict()
    wrong = [split for split, given, true in zip(table["split"], table["given_label"], table["true_label"], strict=True)
             if given != true]  # fmt: skip
    assert (wrong.count("train"), wrong.count("val"), wrong.count("test")) == (noise.train, noise.val, 0)
    assert header.items() >= NOISE.items() and 40 < noise.train < 90
    assert "becomes another class (symmetric)" in card and "3 patches of other classes in each training" in card
    assert any(
        note.startswith(f"{noise.train} of 160 training labels")
        for note in objective.notes(run.config, run.record.data)
    )


def test_class_weights_count_the_given_labels(run):
    given = np.array(pq.read_table(run.files.splits)["given_label"])[:160]
    assert run.record.data.class_rows["train"] == np.bincount(given, minlength=10).tolist()


def test_the_test_is_repeated_to_the_last_bit_and_another_condition_is_named_by_the_audit(cache_folder, run, tmp_path):
    before = Predictions.load(run.files.predictions)
    stored = run.files.splits.read_bytes()
    experiment.evaluate(run, experiment.Options(), tiny.Quiet(), again=True)
    again = Predictions.load(run.files.predictions)
    assert np.array_equal(again.logits, before.logits) and run.files.splits.read_bytes() == stored
    facts = audit.facts(run)
    assert facts["test_distractors"] == ("voids", "2") and facts["label_noise"] == ("confound", "symmetric:0.4")


def test_micro_batches_do_not_change_the_first_step_under_noise(cache_folder, run, tmp_path):
    parts = tiny.train(tmp_path, options={"micro_batch_size": 5}, **NOISY, class_weights="balanced")
    ours, theirs = (tiny.rows(each)[0]["loss"] for each in (parts, run))
    assert parts.record.run_id == run.record.run_id and ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_under_noise_on_two_ranks_has_the_losses_of_one(tmp_path, shared_cache):
    more = [word for name, value in NOISE.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    one, two = (trained(tmp_path / f"{ranks}", shared_cache, *more, ranks=ranks)[0] for ranks in (1, 2))
    assert max(gaps(one, two)) < 1e-4 and one.files.splits.read_bytes() == two.files.splits.read_bytes()


def test_attention_measures_the_images_of_a_test_with_distractors_and_as_many_patches_as_the_run_had(run):
    here = place.choose(device="cpu", precision="fp32", threads=1, exact=True)
    whole = recomputing.splits_of(run, here, experiment.Options(device="cpu"), tiny.Quiet()).test
    asked = looking.Asked()
    assert asked.inputs(run) == ("test", *(f"patched{count}" for count in range(4)))  # trained with 3, tested with 2
    assert looking.Asked(distractors=1).inputs(run) == ("test", "patched0", "patched1")
    assert looking.Asked(distractors=0).inputs(run) == ("test",)
    part = part_of(whole, np.arange(3, 40, 5))
    scene = scenes.of("patched2", run, whole, part, here)
    assert torch.equal(scene.split.batch(np.arange(4))[0], whole.batch(np.arange(3, 23, 5))[0])
    assert not torch.equal(scene.clean.batch(np.arange(4))[0], whole.batch(np.arange(3, 23, 5))[0])


@pytest.mark.parametrize("name", ["canvas3", "patched2"])
def test_images_among_distractors_do_not_depend_on_the_other_rows_that_are_measured(run, name):
    here = place.choose(device="cpu", precision="fp32", threads=1, exact=True)
    whole = recomputing.splits_of(run, here, experiment.Options(device="cpu"), tiny.Quiet()).test
    of_all, of_few = (
        scenes.of(name, run, whole, part_of(whole, rows), here).split for rows in (np.arange(40), np.array([30, 7]))
    )
    assert torch.equal(of_few.batch(np.arange(2))[0], of_all.batch(np.array([30, 7]))[0])


@pytest.mark.parametrize(
    ("dataset", "request_", "says"),
    [
        ("nested_cylinder", {"model": "t2t_lanl"}, "--distractors needs a classification of images"),
        ("digits", {"model": "vit_classic", "image": 4, "patch": 2}, "needs images of 8 px or more"),
    ],
)
def test_attention_refuses_distractors_that_do_not_fit(dataset, request_, says):
    run = SimpleNamespace(config=resolve(request_, dataset_facts(DATASETS[dataset])))
    looking.require_maps(run, looking.Asked(distractors=0))
    with pytest.raises(InputError, match=says):
        looking.require_maps(run, looking.Asked(distractors=2))
