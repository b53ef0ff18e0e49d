"""Which architectures `attention` compares: the rule and the names of `compare`, and a note where it compares none."""

from dataclasses import replace

import numpy as np
import pytest

from app.artifacts.attention_rows import Numbers, Part
from app.artifacts.runs import find_runs, indexed
from app.errors import InputError
from app.results import arms as choosing
from app.results import attended, attention_arms, subtracted
from app.results.attention_units import Units
from app.results.comparing import compare

from . import classified, finished

VIT, DIFF = "vit_classic", "vit_differential"
OF = {"dataset": "digits", "size": "1M"}
RIGHT = np.arange(100) % 7 > 0


def answered(folder, *settings, rows=range(0, 40)):
    """The answer for a run of each of these settings, which have numbers for the same rows, and the runs."""
    for number, each in enumerate(settings):
        finished(folder, classified(RIGHT), **{**OF, "seed": number, **each})
    runs, measured = find_runs(folder), {}
    for run in runs:
        draws = np.random.default_rng(run.config.seed)
        one, two = (Numbers(np.array(rows), {"share": draws.uniform(size=40)}) for _ in range(2))
        if run.config.model == DIFF:
            two.values["share_first"] = two.values["share"] - 0.1
            one.values["share_first"] = one.values["share"] - 0.1
        entropy = Numbers(np.array(rows), {"entropy": draws.uniform(size=40)})
        measured[run.files.record] = {
            Part("final", "test", 0): entropy, Part("final", "patched1", 0): one, Part("final", "patched2", 0): two
        }  # fmt: skip
    found = attention_arms.answered({"": runs}, measured, indexed(folder))
    gap, *notes = sorted(found.notes, key=lambda note: "exact duplicates" not in note)  # the data are not there
    assert "the data are not in the cache" in gap
    return replace(found, notes=tuple(notes)), runs


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ({"test_distractors": 0}, {"test_distractors": 8}, "not comparable: they differ in test_distractors (0 a"),
        ({}, {"split_seed": 4}, "not comparable: they differ in split_seed"),
        ({}, {"dataset": "cifar10"}, "Name the runs of one dataset"),
        ({}, {"size": "10M", "model": VIT, "seed": 5}, ""),
    ],
)  # fmt: skip
def test_runs_that_are_not_comparable_have_a_note_and_no_differences(tmp_path, one, other, says):
    found, _ = answered(tmp_path, {"model": DIFF, **one}, {"model": VIT, **other})
    assert [says in note for note in found.notes] == ([True] if says else [])
    assert (found.compared is None) == bool(says)
    assert [each.run_ids for each in found.subtracted if len(each.run_ids) == 1]  # the effect in one model remains


def test_one_architecture_has_no_comparison_and_no_note_and_three_have_a_note(tmp_path):
    found, _ = answered(tmp_path / "one", {"model": VIT}, {"model": VIT})
    assert found.notes == () and found.compared is None and found.subtracted == ()
    found, _ = answered(tmp_path / "three", {"model": VIT}, {"model": DIFF}, {"model": VIT, "size": "10M"})
    assert found.notes == ("3 architectures are not compared. Name two",) and found.compared is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [("label_noise", "symmetric:0.4"), ("distractors", 4), ("corrupt_train", "gaussian_noise:3"), ("epochs", 61)],
)
def test_other_differences_are_named_as_compare_names_them(tmp_path, setting, value):
    found, runs = answered(tmp_path, {"model": DIFF}, {"model": VIT, setting: value})
    assert f"{setting} (" in found.compared.also and found.compared.also.startswith("The models differ also in: ")
    (pair,) = compare(choosing.chosen({"": runs}), indexed(tmp_path)).pairs
    assert found.compared.also in pair.sentence and pair.audit.confounds == found.compared.confounds
    assert found.compared.to_json()["confounds"] == [*pair.audit.confounds] and found.compared.n == 40


def test_an_older_run_of_a_seed_is_not_compared_and_is_named(tmp_path):
    found, _ = answered(tmp_path, {"model": DIFF}, {"model": VIT, "seed": 0}, {"model": VIT, "seed": 0, "epochs": 61})
    assert found.compared and [("excluded" in note) for note in found.notes] == [True]


def test_seeds_of_an_architecture_are_one_row_of_what_subtracting_adds(tmp_path):
    found, runs = answered(tmp_path, {"model": DIFF}, {"model": DIFF}, {"model": VIT})
    (row,) = found.subtracted
    assert {*row.run_ids} == {run.record.run_id for run in runs if run.config.model == DIFF}
    assert row.difference == pytest.approx(0.1) and row.interval is None  # 0.1 for every image
    assert row.slope == pytest.approx(0) and (row.kind, row.distractors, row.n) == ("patched", 2, 40)


@pytest.mark.parametrize("seeds", [1, 2])
def test_images_of_one_patient_count_as_one(tmp_path, seeds):
    """Forty images of ten patients, equal within a patient, say as much as ten images."""
    patients = np.arange(100) // 4
    about = {"groups": patients, "names": None}
    measured, once = ({}, {}), ({}, {})
    for arm, model in enumerate((DIFF, VIT)):
        for seed in range(seeds):
            run = finished(tmp_path, classified(RIGHT, **about), **{**OF, "seed": seed, "model": model})
            values = np.random.default_rng([arm, seed]).uniform(size=10)
            measured[arm][run.files.record] = parts(np.arange(40), np.repeat(values, 4))
            once[arm][run.files.record] = parts(np.arange(10), values)
    found = attention_arms.answered({"": find_runs(tmp_path)}, measured[0] | measured[1], indexed(tmp_path))
    assert (found.compared.n, found.compared.groups) == (40, 10) and found.compared.to_json()["groups"] == 10
    assert any("one per value of --group-column" in note for note in found.notes)
    alone = attended.differences(*([*each.values()] for each in once))
    for gap, other in zip(found.compared.differences, alone, strict=True):
        assert gap.interval == pytest.approx(other.interval) and gap.adjusted == pytest.approx(other.adjusted)
    (one,) = subtracted.subtracted("", [], [*once[0].values()])
    assert found.subtracted[0].interval == pytest.approx(one.interval)


def parts(rows, values):
    """Numbers of one layer: an entropy, and the shares of D and A1 on images with patches."""
    entropy = Numbers(rows, {"entropy": values})
    shares = [Numbers(rows, {"share": values, "share_first": values**2 * by}) for by in (1, 2)]
    return {Part("final", "test", 0): entropy, **{Part("final", f"patched{m}", 0): shares[m - 1] for m in (1, 2)}}


def test_rows_whose_groups_are_unknown_are_refused_and_not_counted_as_separate(tmp_path):
    run = finished(tmp_path, classified(RIGHT, groups=np.arange(100) // 4, names=None), **{**OF, "model": VIT})
    units = Units.of(run)
    assert units.codes(np.arange(8)).tolist() == [0] * 4 + [1] * 4
    with pytest.raises(InputError, match=f"lack. Run `evaluate {run.record.run_id} --again`"):
        units.codes(np.arange(98, 103))
