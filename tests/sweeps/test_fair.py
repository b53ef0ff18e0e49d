"""The comparison of models by equal searches: the expected best of n trials, edges, and the best settings."""

import itertools
import statistics
from dataclasses import replace

import pytest

from app.errors import InputError, StudyFailed
from app.studies import cells, rows
from app.sweeps import expected, fair, lines, parameters, ranking
from app.sweeps.metric import DEFAULT, of_mapping
from app.sweeps.searching import Search

from .pretended import Quiet, Study, Worker
from .test_searching import GRID


def trial(number, *curve, state="done", metric=DEFAULT, u=None, **values):
    drawn = lines.Drawn(trial=number, run_id=str(number), run="", values=values, u=u or {}, finished="")
    return ranking.Trial(drawn, lines.Ended(trial=number, state=state, curve=curve), metric)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_expected_best_of_n_is_the_mean_over_all_samples_of_n(n):
    costs = [0.5, 0.1, 0.7, 0.1]
    samples = itertools.product(costs, repeat=n)
    assert expected.best_of(costs, n) == pytest.approx(statistics.mean(map(min, samples)), rel=1e-12)


def test_a_trial_without_a_value_counts_as_the_worst_one_in_the_direction_of_the_metric():
    accuracy = of_mapping({"name": "val_acc", "goal": "maximize"})
    found = [
        trial(0, 10.0, 30.0, metric=accuracy),
        trial(1, 50.0, metric=accuracy),
        trial(2, 90.0, state="failed", metric=accuracy),  # it diverged after its best epoch
    ]
    assert expected.curve(found, accuracy, [1, 2, 9]) == pytest.approx({1: 110 / 3, 2: (50 * 5 + 30 * 4) / 9})
    assert expected.curve(found[2:], accuracy, [1]) == {}


SEARCHED = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "dropout": {"distribution": "q_uniform", "min": 0.0, "max": 0.5, "q": 0.1},
    "depth": {"values": [2, 4, 8]},
    "optimizer": {"values": ["adam", "adamw", "sgd"]},
    "eps": {"distribution": "log_normal"},
    "seed": {"value": 3},
}


@pytest.mark.parametrize(
    ("values", "u", "edges"),
    [
        ({"lr": 0.01, "dropout": 0.2, "depth": 4}, {"lr": 0.6, "eps": 0.99}, []),
        ({"lr": 0.09, "dropout": 0.2, "depth": 4}, {"lr": 0.97}, ["lr at its upper end"]),
        ({"lr": 0.01, "dropout": 0.5, "depth": 2}, {"lr": 0.6}, ["depth at its lower end", "dropout at its upper end"]),
    ],
)
def test_values_at_an_end_of_what_was_searched_are_flagged(values, u, edges):
    found = trial(0, 1.0, u=u, **values, optimizer="adam", eps=9.0, seed=3)
    assert expected.edges(parameters.of_mapping(SEARCHED), found) == edges


@pytest.mark.parametrize(("value", "edges"), [(0.0, ["x at its lower end"]), (0.1, []), (0.2, ["x at its upper end"])])
def test_the_upper_end_of_a_grid_is_the_last_value_that_it_tries(value, edges):
    searched = parameters.of_mapping({"x": {"distribution": "q_uniform", "min": 0.0, "max": 0.3, "q": 0.1}})
    assert expected.edges(searched, trial(0, 1.0, x=value)) == edges


def test_a_failed_trial_is_below_every_other_one_with_a_value():
    found = [trial(0, 0.1, state="failed"), trial(1, 0.9), trial(2, 0.5, state="pruned"), trial(3, state="failed")]
    assert [each.drawn.trial for each in ranking.ranked(found)] == [2, 1, 0, 3]


@pytest.fixture
def search(world, sweep_of):
    """Returns the searches of two models with the same file and options."""

    def search(**given):
        found = []
        for model in ("vit_classic", "vit_differential"):
            sweep = sweep_of(GRID.format(method="grid", cap=12), model=model, **given)
            content = Search(sweep, Worker(Study(world, [])), Quiet(), None).complete()
            found.append(fair.Searched.of(sweep, content))
        return found

    return search


@pytest.fixture
def searched(search):
    """The searches of two models with the same file."""
    return search()


def test_each_model_has_the_same_trials_and_its_own_lines(searched):
    one, other = searched
    assert [t.drawn.values for t in one.trials] == [t.drawn.values for t in other.trials]
    assert one.sweep.path != other.sweep.path
    assert not {t.drawn.run_id for t in one.trials} & {t.drawn.run_id for t in other.trials}


def test_the_table_has_the_best_trial_that_was_trained_to_its_end(searched):
    heads, lines_of = fair.table(searched)
    counts = [f"best of {n}" for n in (1, 2, 4, 8, 12)]
    assert heads == ("model", "trials", "best val_loss", *counts, "at the edge", "best settings")
    assert [line[:2] for line in lines_of] == [("vit_classic", 12), ("vit_differential", 12)]
    best = searched[0].best
    assert best.state == "done" and best.value == min(t.value for t in searched[0].trials if t.state == "done")
    assert any("edge" in note for note in fair.notes(searched)) == any(each.edges for each in searched)


def test_the_study_of_the_best_settings_resolves_to_the_runs_of_the_best_trials(searched, tmp_path):
    path = tmp_path / "best.csv"
    fair.write_study(searched, path, Quiet())
    fair.write_study(searched, path, Quiet())  # the same content is no conflict
    found = cells.resolved(rows.of_file(path, options={}, axes={}), Quiet(), checkpoints=tmp_path)
    assert [cell.run_id for cell in found] == [each.best.drawn.run_id for each in searched]
    seeds = rows.of_file(path, options={}, axes={"seed": ["1", "2"]})
    assert [row.cells["seed"] for row in seeds] == ["1", "2"] * 2
    path.write_text("model\n")
    with pytest.raises(InputError, match="other settings"):
        fair.write_study(searched, path, Quiet())


def test_the_study_of_a_search_with_a_recipe_has_the_recipe(search, tmp_path):
    searched, path = search(recipe="vit_small_data"), tmp_path / "best.csv"
    fair.write_study(searched, path, Quiet())
    found = cells.resolved(rows.of_file(path, options={}, axes={}), Quiet(), checkpoints=tmp_path)
    assert [cell.run_id for cell in found] == [each.best.drawn.run_id for each in searched]
    assert {cell.config.recipe for cell in found} == {"vit_small_data"}


def test_no_study_is_written_if_its_settings_are_not_those_of_the_best_runs(searched, tmp_path):
    (one, other), path = searched, tmp_path / "best.csv"
    changed = replace(other.sweep, given=other.sweep.given | {"epochs": 5})
    with pytest.raises(InputError, match=r"make run .* its best trial is run"):
        fair.write_study([one, replace(other, sweep=changed)], path, Quiet())
    assert not path.exists()


def test_a_model_without_a_complete_trial_is_an_error(searched):
    nothing = fair.Searched("vit_classic", searched[0].sweep, [trial(0, 1.0, state="pruned")])
    _, (row, _) = fair.table([nothing, searched[1]])
    assert row[:3] == ("vit_classic", 1, "-") and nothing.to_json()["best"] is None
    with pytest.raises(StudyFailed, match="no trial of vit_classic"):
        fair.study([nothing, searched[1]])
