"""What a long study does per row, and what once: counts of operations, since times differ from machine to machine."""

import dataclasses
import os
from pathlib import Path

import pytest
from report import made_up_run, reseeded

from app import data
from app.artifacts import record
from app.cli import study_folds, study_shown
from app.config.settings import declaring
from app.studies import axes, cells, costing, progress, results, rows
from app.studies.folder import StudyFiles

SEEDS = 24  # more than the fewest runs that get an index


class Silent:
    """A screen that shows nothing."""

    reading = None

    def say(self, *_):
        pass


def study(checkpoints):
    found = rows.of_axes(axes.of_options([f"seed=0-{SEEDS - 1}"]), {"model": "vit_classic", "dataset": "cifar10"})
    return cells.resolved(found, Silent(), checkpoints=checkpoints)


@pytest.fixture
def count(monkeypatch):
    """Counts the calls of a function of a module."""

    def count(module, name):
        calls, real = [], getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **named: calls.append(given) or real(*given, **named))
        return calls

    return count


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The finished runs of the study; their files have settled."""
    folder = tmp_path_factory.mktemp("operations") / "checkpoints"
    run = made_up_run(folder, steps=1, dataset="cifar10", seed=SEEDS)
    made = [reseeded(run, run.files.record.parent, seed) for seed in range(SEEDS)]
    for path in (run.files.record, *(each.files.record for each in made)):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def test_a_record_is_opened_once_and_never_again_while_it_is_unchanged(checkpoints, count):
    opened = count(record, "read")
    for expected in (SEEDS + 1, SEEDS + 1):  # the second look opens none
        found = progress.of_cells(study(checkpoints), checkpoints, print)
        assert len(opened) == expected and [each.state for each in found] == ["done"] * SEEDS


def test_a_dataset_is_looked_up_once_however_many_rows_name_it(checkpoints, count):
    looked_up = count(data, "understood")
    costs = costing.costs_of(study(checkpoints), Silent())
    assert len(costs) == SEEDS and len(looked_up) == 1


def test_the_columns_of_the_folds_are_decided_once_for_a_table(checkpoints, count, capsys):
    decided = count(study_folds, "heads")
    study_shown.show(progress.of_cells(study(checkpoints), checkpoints, print), as_json=False)
    assert len(decided) <= 2 and len(capsys.readouterr().out.splitlines()) == SEEDS + 2


def test_the_results_are_written_again_only_if_they_changed(tmp_path, checkpoints, count):
    found = progress.of_cells(study(checkpoints), checkpoints, print)
    written, files = count(results, "write_text"), StudyFiles.of(tmp_path, Path("grid.csv"), ())
    for shown, times in ((found, 1), (found, 1), (found[:-1], 2)):
        results.write(files, shown, parquet=False)
        assert len(written) == times and len(files.results_csv.read_text().splitlines()) == len(shown) + 1


def test_the_values_of_a_config_are_converted_only_if_they_have_another_type(checkpoints, count):
    """Of the fields of a row, only the sides of its images go through `coerced`, which would take most of the time."""
    config = study(checkpoints)[0].config
    converted = count(declaring, "coerced")
    again = dataclasses.replace(config)
    assert again == config and {field.name for field, _ in converted} == {"image", "native"}
