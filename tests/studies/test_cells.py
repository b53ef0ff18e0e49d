"""Cells: the runs that rows stand for, each once, and named as `train` names them."""

import pytest

from app.errors import InputError
from app.studies import axes, cells, rows

DIGITS = {"dataset": "digits", "size": "1M"}


class Quiet:
    """A screen that keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)

    def reading(self, *_):
        pass


@pytest.fixture
def resolve(tmp_path):
    """Returns the cells of axes, and what was said."""

    def resolve(options, *cross):
        screen = Quiet()
        found = rows.of_axes(axes.of_options(cross), options)
        return cells.resolved(found, screen, checkpoints=tmp_path), screen.said

    return resolve


def test_rows_that_name_one_run_are_one_cell_and_that_is_reported(resolve):
    found, said = resolve(DIGITS, "epochs=1,1,2", "model=vit_classic", "threads=1,2")  # threads decide no result
    assert [cell.config.epochs for cell in found] == [1, 2] and len(found[0].rows) == 4
    assert len(said) == 4 and all(found[0].run_id in text for text in said[:3])


def test_the_first_bad_row_is_named_and_the_others_are_counted(resolve):
    with pytest.raises(InputError, match=r"model=vit_classic, size=2K: .*2 other rows"):
        resolve({"dataset": "digits"}, "model=vit_classic", "size=1M,2K,3K,10B")


@pytest.mark.parametrize("name", cells.OF_THE_STUDY)
def test_a_setting_of_the_complete_study_is_refused_in_a_row(resolve, name):
    says = "--fresh retrains one run" if name == "fresh" else f"{name} is a setting of the complete study"
    with pytest.raises(InputError, match=says):
        resolve(DIGITS, f"{name}=1")


def test_a_thousand_rows_are_a_thousand_runs(tmp_path):
    found = rows.of_axes(axes.of_options(["model=vit_classic,cnn,resnet18,t2t_vit", "seed=0-249"]), {})
    assert len({cell.run_id for cell in cells.resolved(found, Quiet(), checkpoints=tmp_path)}) == 1000


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": "digits", "model": "vit_differential", "size": "1M"},
        {"dataset": "cifar100", "model": "resnet18"},
        {"dataset": "bach", "model": "vit_classic", "folds": "5", "fold": "2", "threads": "1"},
    ],
)
def test_a_cell_that_differs_in_its_seed_only_is_the_one_that_is_resolved_alone(given, tmp_path):
    together = rows.of_axes(axes.of_options(["seed=0-2"]), given)
    found = cells.resolved(together, Quiet(), checkpoints=tmp_path)
    for seed, cell in enumerate(found):
        (alone,) = cells.resolved(rows.of_axes(axes.of_options([f"seed={seed}"]), given), Quiet(), checkpoints=tmp_path)
        assert (cell.run_id, cell.config, cell.given) == (alone.run_id, alone.config, alone.given)
        assert cell.config.kin_id == alone.config.kin_id
    assert len({cell.run_id for cell in found}) == 3


def test_the_seed_of_every_cell_is_checked(tmp_path):
    table = rows.of_axes(axes.of_options(["seed=0,1,-1"]), {"dataset": "digits", "size": "1M"})
    with pytest.raises(InputError, match="seed=-1"):
        cells.resolved(table, Quiet(), checkpoints=tmp_path)
