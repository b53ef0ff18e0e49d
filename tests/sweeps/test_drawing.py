"""Draws: independent over trials, parameters and seeds, and pinned; a grid's combinations, in order."""

import itertools

import pytest

from app.sweeps import drawing, lines, pruning, verifying

from .pretended import Quiet

GRID = """
method: grid
parameters:
  optimizer: {values: [adam, adamw]}
  batch_size: {min: 1, max: 3}
  seed: {value: 7}
"""
RANDOM = """
method: random
metric: {name: val_loss}
run_cap: 3
parameters: {lr: {min: 0.001, max: 0.1}, dropout: {min: 0.0, max: 0.5}}
early_terminate: {type: hyperband, min_iter: 1, eta: 2}
"""


def test_uniforms_differ_by_seed_trial_and_parameter_and_fill_the_interval():
    keys = itertools.product(range(5), range(200), ("lr", "dropout"))
    drawn = [drawing.uniform(*key) for key in keys]
    assert len({*drawn}) == len(drawn) and all(0 < u < 1 for u in drawn)
    counts = [sum(at / 10 <= u < (at + 1) / 10 for u in drawn) for at in range(10)]
    assert min(counts) > 150 and max(counts) < 250  # of 200 each


def test_uniforms_are_pinned_so_that_a_later_version_continues_a_sweep():
    drawn = [drawing.uniform(0, 0, "lr"), drawing.uniform(0, 1, "lr"), drawing.uniform(0, 0, "bs")]
    assert drawn == [0.9373430830265495, 0.9111165122391662, 0.2568046349361321]


def test_a_grid_has_every_combination_once_in_wandbs_order(sweep_of):
    file = sweep_of(GRID).file
    assert drawing.most(file) == 6
    drawn = [drawing.draw(file, 0, number, ()) for number in range(6)]
    found = [(draw.values["batch_size"], draw.values["optimizer"]) for draw in drawn]
    assert found == list(itertools.product([1, 2, 3], ["adam", "adamw"]))
    assert all(draw.values["seed"] == 7 and draw.u == {} for draw in drawn)


def test_a_changed_run_and_a_changed_list_of_finished_trials_are_found(sweep_of):
    sweep = sweep_of(RANDOM)
    with sweep.writing() as writer:
        for number in range(2):
            writer.append(sweep.drawn(number, writer.content, Quiet()))
            writer.append(lines.Ended(trial=number, state="done", curve=(1.0,)))
    content, name = sweep.read(), sweep.read().drawn[1].run_id
    assert verifying.first_difference(sweep, content, Quiet()) is None
    for before, after, says in (
        ('"eta":2', '"eta":3', "the first line has early_terminate="),
        (f'"{name}"', '"0a1b2c3d"', "its values make run"),
        ('"finished":"0"', '"finished":""', "lists"),
    ):
        text = sweep.path.read_text()
        sweep.path.write_text(text.replace(before, after))
        assert says in verifying.first_difference(sweep, sweep.read(), Quiet())
        sweep.path.write_text(text)


@pytest.mark.parametrize("number", [0, 2])
def test_the_own_earlier_end_of_a_trial_is_no_other_curve(sweep_of, number):
    header = sweep_of(RANDOM).header()
    ended = [lines.Ended(trial=at, state="done", curve=(value,)) for at, value in enumerate((3.0, 1.0, 3.0))]
    content = lines.Content((header, *ended))
    assert pruning.first(content, number, [3.0], None, epochs=6) is None  # of 1, 3, 3 the value of rank 1 is 3
    assert pruning.first(content, 1, [4.0], None, epochs=6)[0] == 1
    assert pruning.first(content, 1, [4.0], None, epochs=1) is None  # nothing is left to save after the last epoch


def test_a_run_that_was_trained_beyond_the_epoch_of_its_pruning_is_pruned_there(search, world):
    made = search(method="random", cap=12)
    content = made.complete()
    pruned = next(line for line in content.ended.values() if line.state == "pruned")
    world.runs[content.drawn[pruned.trial].run_id][1].append(0.0)  # one more epoch
    text = made.sweep.path.read_text()
    made.sweep.path.write_text(text[: text.index(f'{{"line":"ended","trial":{pruned.trial},')])
    assert search(method="random", cap=12).complete().ended[pruned.trial] == pruned
    assert made.sweep.path.read_text() == text


@pytest.mark.parametrize("text", ["", "0", "0-3", "0-3,5,7-8"])
def test_ranges_of_trials_are_written_and_read(text):
    assert lines.ranges(lines.numbers(text)) == text
