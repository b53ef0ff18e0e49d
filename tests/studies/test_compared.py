"""Studies as arguments of `compare`: their runs, and how many seeds they have once they are complete."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.studies.changes import Kept
from app.studies.compared import StudyRuns


def runs(*settings):
    kept = [Kept(run_id=f"{number:08}", where="", settings=each) for number, each in enumerate(settings)]
    return StudyRuns(folder=Path(), kept=tuple(kept))


def trained(study, *done, diverged=()):
    """The study with these of its runs finished, by number, and these diverged."""
    states = {number: SimpleNamespace(kind="diverged") for number in diverged} | dict.fromkeys(done)
    found = [
        SimpleNamespace(done=not failure, record=SimpleNamespace(run_id=f"{number:08}", tested=True, failure=failure))
        for number, failure in states.items()
    ]
    return replace(study, runs=tuple(found))


UNEQUAL = [{"model": model, "seed": str(seed)} for model, seeds in (("a", 3), ("b", 2)) for seed in range(seeds)]


def test_a_study_is_complete_once_every_configuration_has_all_its_seeds():
    study = runs(*UNEQUAL)
    assert study.complete("digits") == 3 and runs().complete("digits") == 0
    assert trained(study, 0, 1, 2, 3, 4).seeds("digits") == 3  # b has both of its seeds
    assert trained(study, 0, 1, 2).seeds("digits") == 0 and trained(study, 0, 1, 2, 3).seeds("digits") == 1
    assert trained(study, 0, 1, 3, 4).seeds("digits") == 2


def test_a_diverged_run_is_not_waited_for_and_a_seed_of_folds_needs_all_of_them():
    assert trained(runs(*UNEQUAL), 0, 1, 3, 4, diverged=(2,)).seeds("digits") == 3
    folds = runs(*({"folds": "2", "fold": str(fold), "repeat": str(of)} for of in range(2) for fold in range(2)))
    assert trained(folds, 0, 1, 2).seeds("digits") == 1 and trained(folds, 0, 1, 2, 3).seeds("digits") == 2


def test_folds_count_once_and_repeats_count_as_seeds():
    study = runs(
        *({"folds": "5", "fold": str(fold), "repeat": str(repeat)} for fold in range(5) for repeat in range(2))
    )
    assert study.complete("digits") == 2


@pytest.mark.parametrize(("asked", "count"), [("cifar100", 2), ("digits", 1), ("local/photos", 2)])
def test_the_runs_of_the_dataset_count_however_it_is_spelled(asked, count):
    study = runs({"dataset": "CIFAR-100", "seed": "0"}, {"dataset": "cifar100", "seed": "1"},
                 {"dataset": "CIFAR-100", "seed": "1"}, {"dataset": "digits", "seed": "0"})  # fmt: skip
    if asked == "cifar100":
        study = runs(*(dict(each.settings) | {"dataset": "CIFAR-100"} for each in study.kept[:2]))
    assert study.complete(asked) == count
