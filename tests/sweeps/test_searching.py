"""A search that is killed anywhere, or whose file is cut anywhere, draws and prunes what an uninterrupted one does."""

import dataclasses
import itertools
import random

import pytest
from msgspec.structs import replace

from app.errors import InputError
from app.studies import cells
from app.sweeps import lines, ranking, searching, verifying

from .pretended import Killed

METHODS = ("random", "bayes", "grid")
GRID = """
method: {method}
metric: {{name: val_loss, goal: minimize}}
run_cap: {cap}
parameters:
  lr: {{values: [0.1, 0.01, 0.02, 0.05]}}
  dropout: {{distribution: q_uniform, min: 0.0, max: 0.3, q: 0.1}}
early_terminate: {{type: hyperband, min_iter: 2, eta: 3}}
"""


def how(method):
    return {"method": method, "text": GRID} if method == "grid" else {"method": method}


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_is_killed_at_any_epoch_equals_the_uninterrupted_one(search, complete, world, method):
    whole = complete(**how(method))
    drawn = random.Random(method)
    for _ in range(30):
        world.left = drawn.randint(0, 5)
        try:
            made = search(**how(method))
            made.complete()
            break
        except Killed:
            continue
    world.left = float("inf")
    made = search(**how(method))
    made.complete()
    assert made.sweep.path.read_text() == whole.text
    assert sorted(world.trained) == sorted(whole.trained)  # no epoch twice, and none too many


@pytest.mark.parametrize(
    "given",
    [{"recipe": "vit_small_data"}, {"init": "weights"}, {"data": "folder"}, {"design": "a.csv"}, {"filelist": "b"}],
)
def test_a_search_with_what_leads_to_other_runs_has_other_lines(sweep_of, given):
    text = GRID.format(method="random", cap=3)
    assert sweep_of(text, **given).path != sweep_of(text).path
    assert sweep_of(text, recipe="none").path == sweep_of(text, threads=1).path == sweep_of(text).path


def test_a_finished_search_whose_settings_lead_to_other_runs_now_is_refused(search, monkeypatch):
    search(method="random", text=GRID).complete()
    made = search(method="random", text=GRID)
    monkeypatch.setattr(cells, "resolved", other_data(cells.resolved))
    with pytest.raises(InputError, match="changed since"):
        made.complete()


def other_data(resolved):
    """Returns cells with another split."""
    return lambda *given, **more: [
        dataclasses.replace(cell, config=dataclasses.replace(cell.config, split_seed=9))
        for cell in resolved(*given, **more)
    ]


@pytest.mark.parametrize("method", METHODS)
def test_the_runs_of_all_trials_take_from_the_budget(search, world, method):
    made = search(**how(method))
    made.complete()
    counted = [each.cell.run_id for each in made.runs()]
    assert sorted(counted) == sorted(world.runs) and "pruned" in {
        line.state for line in made.sweep.read().ended.values()
    }


@pytest.mark.parametrize(
    ("method", "step"),
    [("bayes", 29), *(pytest.param(method, 1, marks=[pytest.mark.slow, pytest.mark.long]) for method in METHODS)],
)
def test_a_file_that_is_cut_at_any_byte_of_its_last_three_lines_is_completed_to_the_same_one(
    search, complete, world, method, step
):
    few = how(method) | {"cap": 3}
    whole = complete(**few)
    made = search(**few)
    made.complete()
    text, runs = made.sweep.path.read_bytes(), dict(world.runs)
    *_, start = itertools.islice(ends(text), 4)
    for end in [*range(start, len(text), step), len(text) - 1]:
        made.sweep.path.write_bytes(text[:end])
        again = search(**few)
        again.complete()
        assert again.sweep.path.read_text() == whole.text, end
    assert world.runs == runs


def ends(text):
    """Where the last line of a text ends, then the line before it, and so on."""
    at = len(text)
    while at >= 0:
        yield at
        at = text.rfind(b"\n", 0, at - 1) + 1


@pytest.mark.parametrize("method", METHODS)
def test_draws_are_verified_and_the_first_one_that_was_changed_is_named(search, method):
    made = search(**how(method) | {"cap": 5})
    made.complete()
    sweep = made.sweep
    assert verifying.first_difference(sweep, sweep.read(), made.screen) is None
    text = sweep.path.read_text()
    other = text.splitlines()[5].replace('"dropout":0.', '"dropout":0.9')
    sweep.path.write_text(text.replace(text.splitlines()[5], other))
    assert verifying.first_difference(sweep, sweep.read(), made.screen).startswith("trial 2: its line has dropout=0.9")


def test_a_value_that_differs_from_the_log_of_its_run_is_named(search, world):
    made = search(method="random", cap=3)
    content = made.complete()
    assert verifying.first_other_value(made.sweep, content) == (3, None)
    world.runs[content.drawn[1].run_id][1][0] += 1
    compared, says = verifying.first_other_value(made.sweep, content)
    assert compared == 2 and says.startswith("trial 1: its line has val_loss=") and "at epoch 1, and the log of" in says
    del world.runs[content.drawn[1].run_id]
    assert verifying.first_other_value(made.sweep, content) == (2, None)


CHANGES = {
    "a better epoch": lambda end: {"curve": (*end.curve, 0.001)},
    "fewer epochs": lambda end: {"curve": end.curve[:1]},
    "no values": lambda end: {"curve": (), "state": "failed"},
    "failed": lambda end: {"state": "failed"},
    "pruned": lambda end: {"state": "pruned"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_end_that_is_not_that_of_its_run_is_named(search, what):
    """A line of a finished run is changed by hand."""
    made = search(method="random", cap=3)
    content = made.complete()
    done = next(line for line in content.lines if isinstance(line, lines.Ended) and line.state == "done")
    changed = [replace(line, **CHANGES[what](line)) if line == done else line for line in content.lines]
    _, says = verifying.first_other_value(made.sweep, lines.Content(tuple(changed)))
    assert says.startswith(f"trial {done.trial}: its line has ")


def test_a_pruned_trial_that_is_said_to_be_done_is_named(search):
    made = search(method="random", cap=12)
    content = made.complete()
    pruned = next(line for line in content.lines if isinstance(line, lines.Ended) and line.state == "pruned")
    changed = [replace(line, state="done") if line == pruned else line for line in content.lines]
    _, says = verifying.first_other_value(made.sweep, lines.Content(tuple(changed)))
    assert says.startswith(f"trial {pruned.trial}: its line has the state done, and")


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_quantile_that_is_not_that_of_the_draw_is_named(search, method):
    made = search(**how(method) | {"cap": 3})
    content = made.complete()
    changed = [
        replace(line, u={name: u / 2 + 0.001 for name, u in line.u.items()}) if isinstance(line, lines.Drawn) else line
        for line in content.lines
    ]
    difference = verifying.first_difference(made.sweep, lines.Content(tuple(changed)), made.screen)
    assert difference.startswith("trial 0: its line has the quantiles")


def test_bayes_draws_depend_on_the_values_of_the_trials_that_finished_before(search):
    made = search(cap=14)
    content = made.complete()
    turned = [
        replace(line, curve=tuple(-value for value in line.curve)) if isinstance(line, lines.Ended) else line
        for line in content.lines
    ]
    difference = verifying.first_difference(made.sweep, lines.Content(tuple(turned)), made.screen)
    assert int(difference.split()[1].rstrip(":")) >= 10  # the first ten draws are random


def test_equal_values_are_one_run_that_is_trained_once(search, world):
    made = search(
        method="random", cap=8, text=GRID.replace("{{values: [0.1, 0.01, 0.02, 0.05]}}", "{{values: [0.1, 0.01]}}")
    )
    content = made.complete()
    runs = [line.run_id for line in content.drawn.values()]
    assert len(set(runs)) < len(runs) == 8
    assert len(world.trained) == sum(len(state[1]) for state in world.runs.values())
    for number, line in content.drawn.items():
        curve = content.ended[number].curve  # a pruned run may be trained further for a later trial
        assert list(curve) == world.runs[line.run_id][1][: len(curve)]


def test_a_promoted_trial_is_trained_to_its_end_and_counts_with_its_new_value(search, world):
    made = search(cap=8)
    content = made.complete()
    pruned = next(number for number, line in content.ended.items() if line.state == "pruned")
    done = next(number for number, line in content.ended.items() if line.state == "done")
    ended = search(cap=8).promote(pruned).ended[pruned]
    assert (ended.state, len(ended.curve)) == ("done", 6)
    assert ended.curve[: len(content.ended[pruned].curve)] == content.ended[pruned].curve
    for number, why in ((pruned, "is done"), (done, "is done"), (99, "does not exist")):
        with pytest.raises(InputError, match=why):
            search(cap=8).promote(number)


def test_a_trial_of_another_worker_is_left_to_it_until_its_claim_expires(search, world, monkeypatch):
    monkeypatch.setattr(searching, "_POLL", 0.05)
    world.left = 2
    with pytest.raises(Killed):
        search(method="random", cap=4).complete()
    world.left = float("inf")
    made = search(method="random", cap=4)
    claim = made.sweep.files.claims / "trial-0" / "claimed-elsewhere-1-0a1b2c3d-0-1"  # for 1 s
    claim.with_name("free").rename(claim)
    claim.touch()
    content = made.complete()
    assert next(line.trial for line in content.lines if isinstance(line, lines.Ended)) == 1
    assert sorted(content.ended) == list(range(4)) and list(content.drawn) == list(range(4))
    assert len(world.trained) == sum(len(state[1]) for state in world.runs.values())


def test_a_search_ends_at_its_target(search, world):
    text = GRID.replace("goal: minimize", "goal: minimize, target: 0.6")
    content = search(method="grid", text=text).complete()
    best = [ranking.Trial(content.drawn[n], content.ended[n], content.header.metric).value for n in content.drawn]
    assert best[-1] <= 0.6 < min(best[:-1]) and len(best) < 12


def test_a_value_that_cannot_be_trained_ends_its_trial_only(search):
    text = GRID.replace("[0.1, 0.01, 0.02, 0.05]", "[0.1, -1.0]")
    content = search(method="grid", text=text).complete()
    states = [content.ended[number].state for number in sorted(content.drawn)]
    assert states.count("failed") == 3 and len(states) == 6
    assert all("lr" in content.ended[n].why for n in content.drawn if content.ended[n].state == "failed")
    with pytest.raises(InputError, match="lr"):
        search(method="grid", text=text.replace("[0.1, -1.0]", "[-1.0, 0.1]"), folder="other").complete()


def test_a_rising_number_of_trials_extends_a_sweep(search, complete):
    whole = complete(cap=9)
    for cap in (2, 5, 9):
        made = search(cap=cap)
        made.complete()
    assert made.sweep.path.read_text() == whole.text


def test_the_table_has_the_best_trial_first_and_those_without_a_value_last(search):
    text = GRID.replace("[0.1, 0.01, 0.02, 0.05]", "[0.1, -1.0]")
    made = search(method="grid", text=text)
    content = made.complete()
    ranked = ranking.ranked(ranking.trials(content, content.header.metric))
    values = [trial.value for trial in ranked]
    assert values[:3] == sorted(values[:3]) and values[3:] == [None] * 3
    assert ranking.summary("s", ranked).startswith("sweep s of 6 trials: ")
