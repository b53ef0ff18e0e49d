"""Which runs stand in one figure."""

from __future__ import annotations

import pytest

from app.config.facts import DatasetFacts
from app.errors import InputError
from app.report.differences import distinctions
from app.report.selection import architectures, comparable, kinds

from . import made_up_run


def chosen(runs, *, named=None):
    """What `comparable` keeps, as (model, size, seed) per dataset, and what it said."""
    said = []
    sets = comparable(runs, named=named, say=said.append)
    cells = {name: [(r.config.model, r.config.size, r.config.seed) for r in kept] for name, kept in sets.items()}
    return cells, " ".join(said)


def test_each_dataset_has_a_set_of_its_own(tmp_path):
    runs = [made_up_run(tmp_path, dataset=name, steps=1) for name in ("bach", "cifar100")]
    assert list(chosen(runs)[0]) == ["bach", "cifar100"]


def test_models_and_sizes_of_the_study_form_one_set_and_nothing_is_said(tmp_path):
    cells = [(m, s) for m in ("vit_classic", "vit_differential") for s in ("50M", "10M", "25M")]
    runs = [made_up_run(tmp_path, model=model, size=size, steps=1) for model, size in cells]
    kept, said = chosen(runs)
    assert kept["cifar100"] == [(m, s, 0) for m in ("vit_classic", "vit_differential") for s in ("10M", "25M", "50M")]
    assert said == ""


def test_limited_and_unfinished_runs_are_left_out_and_named(tmp_path):
    whole = made_up_run(tmp_path, steps=1)
    trial = made_up_run(tmp_path, size="25M", limit_train=64, steps=1, minute=1)
    running = made_up_run(tmp_path, size="50M", status="running", steps=1, minute=2)
    kept, said = chosen([whole, trial, running])
    assert kept["cifar100"] == [("vit_classic", "10M", 0)]
    assert trial.record.run_id in said
    assert running.record.run_id in said


def test_a_named_trial_is_drawn_alone(tmp_path):
    made_up_run(tmp_path, steps=1)
    trial = made_up_run(tmp_path, size="25M", limit_train=64, steps=1)
    whole = made_up_run(tmp_path, steps=1)
    kept, _ = chosen([whole, trial], named=[trial.record.run_id[:5]])
    assert kept["cifar100"] == [("vit_classic", "25M", 0)]


def test_a_run_that_differs_in_another_field_is_left_out_with_that_field(tmp_path):
    older = made_up_run(tmp_path, size="25M", epochs=20, steps=1)
    newest = made_up_run(tmp_path, steps=1, minute=1)
    kept, said = chosen([newest, older])
    assert kept["cifar100"] == [("vit_classic", "10M", 0)]
    assert older.record.run_id in said
    assert "epochs is 20 (drawn: 50)" in said and "with --run ID" in said


def test_every_seed_is_drawn_and_the_seeds_of_a_size_have_one_name(tmp_path):
    runs = [made_up_run(tmp_path, seed=seed, steps=1, minute=seed) for seed in (1, 0)]
    kept, said = chosen(runs)
    assert kept["cifar100"] == [("vit_classic", "10M", seed) for seed in (0, 1)] and not said
    assert [*kinds(runs)] == ["10M"]


def test_named_runs_are_drawn_whatever_they_differ_in_and_their_names_say_it(tmp_path):
    usual = made_up_run(tmp_path, steps=1, minute=1)
    others = [made_up_run(tmp_path, steps=1, lr=0.001, epochs=20), made_up_run(tmp_path, size="25M", steps=1)]
    runs = [usual, *others]
    (kept,) = comparable(runs, named=[run.record.run_id for run in runs], say=pytest.fail).values()
    assert {run.record.run_id for run in kept} == {run.record.run_id for run in runs}
    assert set(kinds(kept)) == {"10M, epochs 50, lr 0.0001", "10M, epochs 20, lr 0.001", "25M, epochs 50, lr 0.0001"}
    assert set(distinctions(kept, free=("epochs", "lr")).values()) == {""}


def test_named_runs_of_different_tasks_are_refused(tmp_path):
    facts = [DatasetFacts(name="own", classes=3, task=task) for task in ("classification", "regression")]
    runs = [made_up_run(tmp_path, facts=each, size="1M", steps=1) for each in facts]
    with pytest.raises(InputError, match=r"different tasks.*regression.*--run"):
        comparable(runs, named=[run.record.run_id for run in runs], say=print)


def test_runs_on_different_test_sets_are_not_compared(tmp_path):
    other = made_up_run(tmp_path, size="25M", steps=1)
    other.record.data.split_fingerprint = "beef"
    _, said = chosen([other, made_up_run(tmp_path, steps=1, minute=1)])
    assert "split is beef (drawn: f00d)" in said


def test_a_width_of_ones_own_is_a_difference_but_one_width_for_all_sizes_is_none(tmp_path):
    narrow = [made_up_run(tmp_path, size=size, d_model=192, heads=3, steps=1, minute=1) for size in ("10M", "25M")]
    usual = made_up_run(tmp_path, size="50M", steps=1)
    kept, said = chosen([usual, *narrow])
    assert kept["cifar100"] == [("vit_classic", "10M", 0), ("vit_classic", "25M", 0)]
    assert "shape is of the size table (drawn: d_model 192" in said


def test_the_second_differential_attention_is_an_architecture_by_itself(tmp_path):
    attentions = ("differential", "differential_v2")
    runs = [made_up_run(tmp_path, model="vit_differential", attention=name, steps=1) for name in attentions]
    (kept,) = comparable(runs, named=None, say=pytest.fail).values()
    assert list(architectures(kept)) == ["vit_differential", "vit_differential-differential_v2"]


def test_models_of_timm_s_stand_last_by_name_and_each_by_itself(tmp_path):
    names = ("timm/resnet34", "timm/resnet18", "resnet18", "vit_classic")
    sizes = {"vit_classic": "10M"}
    runs = [made_up_run(tmp_path, model=name, steps=1, **({"size": sizes[name]} if name in sizes else {}))
            for name in names]  # fmt: skip
    kept, said = chosen(runs)
    assert [model for model, *_ in kept["cifar100"]] == [*reversed(names)]
    assert not said
    assert list(architectures(runs)) == ["vit_classic", "resnet18", "timm--resnet18", "timm--resnet34"]


def test_a_patch_that_belongs_to_a_model_is_no_difference_and_another_is(tmp_path):
    cells = [{"model": "swin"}, {"model": "convmixer"}, {"model": "vit_classic", "size": "10M"}]
    kept, said = chosen([made_up_run(tmp_path, steps=1, **one) for one in cells])
    assert [model for model, *_ in kept["cifar100"]] == ["vit_classic", "swin", "convmixer"] and not said
    coarser = made_up_run(tmp_path, model="swin", patch=4, steps=1)
    whole = made_up_run(tmp_path, steps=1, minute=1)
    assert "patch is 4 (drawn: 8)" in chosen([coarser, whole])[1]


def test_without_runs_the_error_says_how_to_train_one():
    with pytest.raises(InputError, match=r"Train one with: run\.py train"):
        comparable([], named=None, say=print)


def test_only_trials_is_an_error_that_names_them(tmp_path):
    trial = made_up_run(tmp_path, limit_train=64, steps=1)
    with pytest.raises(InputError, match=f"{trial.record.run_id}.*--run"):
        comparable([trial], named=None, say=print)


def test_an_unknown_or_ambiguous_name_lists_what_there_is(tmp_path):
    runs = [made_up_run(tmp_path, seed=seed, steps=1) for seed in range(2)]
    with pytest.raises(InputError, match=f"fits no run.*{runs[0].record.run_id}"):
        comparable(runs, named=["zzzz"], say=print)
    with pytest.raises(InputError, match="fits several runs"):
        comparable(runs, named=[""], say=print)
