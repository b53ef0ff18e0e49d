"""Studies as arguments of `compare`: their runs, and how many seeds they have once they are complete."""

from pathlib import Path

import pytest

from app.studies.changes import Kept
from app.studies.compared import StudyRuns


def runs(*settings):
    kept = [Kept(run_id=f"{number:08}", where="", settings=each) for number, each in enumerate(settings)]
    return StudyRuns(folder=Path(), kept=tuple(kept))


def test_a_study_is_complete_at_the_fewest_seeds_of_a_configuration():
    study = runs(
        *({"model": model, "seed": str(seed)} for model, seeds in (("a", 5), ("b", 3)) for seed in range(seeds))
    )
    assert study.complete("digits") == 3 and runs().complete("digits") == 0


def test_folds_count_once_and_repeats_count_as_seeds():
    study = runs(
        *({"folds": "5", "fold": str(fold), "repeat": str(repeat)} for fold in range(5) for repeat in range(2))
    )
    assert study.complete("digits") == 2


@pytest.mark.parametrize(("asked", "count"), [("cifar100", 2), ("digits", 1), ("local/photos", 1)])
def test_the_runs_of_the_dataset_count_however_it_is_spelled(asked, count):
    study = runs({"dataset": "CIFAR-100", "seed": "0"}, {"dataset": "cifar100", "seed": "1"},
                 {"dataset": "CIFAR-100", "seed": "1"}, {"dataset": "digits", "seed": "0"})  # fmt: skip
    if asked == "cifar100":
        study = runs(*(dict(each.settings) | {"dataset": "CIFAR-100"} for each in study.kept[:2]))
    assert study.complete(asked) == count
