"""Trials that fail, files that are damaged, and a missing Optuna."""

import os
import sys

import pytest

from app.errors import Damaged, InputError, StudyFailed
from app.sweeps import lines, pruning, verifying


@pytest.mark.parametrize("kind", ["diverged", "out of memory", "bad input"])
def test_a_failure_that_the_values_would_meet_again_ends_the_trial_only(search, world, kind):
    world.fails = [None, kind]
    content = search(method="random", cap=4).complete()
    assert [content.ended[number].state == "failed" for number in range(4)] == [False, True, False, False]
    assert content.ended[1].why == f"{kind}: why"


@pytest.mark.parametrize("kind", ["unavailable", "damaged", "unfinished"])
def test_another_failure_ends_the_command_and_the_trial_is_tried_again(search, world, kind):
    world.fails = [None, kind]
    with pytest.raises(StudyFailed, match=rf"trial 1 .* has not ended, {kind}: why"):
        search(method="random", cap=3).complete()
    world.runs = {run: state for run, state in world.runs.items() if not state[0].startswith("failed")}
    content = search(method="random", cap=3).complete()
    assert len(content.ended) == 3 and not [line for line in content.ended.values() if line.state == "failed"]


def test_a_first_training_that_is_refused_ends_the_command(search, world):
    world.fails = ["bad input"]
    with pytest.raises(InputError, match="trial 0 cannot be trained: why"):
        search(method="random", cap=3).complete()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"line":"ended","trial":0}\n', Damaged),
        ("no line of ours\n", Damaged),
        ('{"line":"ended","trial":0,"state":"done","curve":[]}\n', Damaged),  # in place of the first line
    ],
)
def test_a_line_that_is_damaged_is_named(tmp_path, text, error):
    path = tmp_path / "trials.jsonl"
    path.write_text(text)
    with pytest.raises(error, match=r"line 1 of .*Restore a copy"):
        lines.read(path)


def test_a_line_that_is_missing_or_twice_is_found_when_the_lines_are_read(search):
    made = search(method="random", cap=4)
    made.complete()
    path, lost = made.sweep.path, 0
    text = path.read_text().splitlines(keepends=True)
    assert made.sweep.read().lines[1].trial == 0
    for at in range(len(text)):
        for changed in ([*text[:at], *text[at + 1 :]], [*text[: at + 1], *text[at:]]):
            path.write_text("".join(changed))
            try:
                made.sweep.read()
            except Damaged as error:
                assert "out of order" in str(error)
                lost += 1
    # not found: a lost or repeated `ended`, which the next command writes again, and a lost `drawn` of the last trial
    assert lost == 2 + 2 * 4


def test_lines_of_a_later_format_are_refused(search):
    made = search(method="random", cap=1)
    made.complete()
    path = made.sweep.path
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(InputError, match="format 2"):
        made.sweep.read()


def test_bayes_without_optuna_says_how_to_install_it(search, monkeypatch):
    made = search(method="random", cap=1)
    object.__setattr__(made.sweep.file, "method", "bayes")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna"):
        made.complete()


def test_another_version_of_optuna_is_named_by_a_difference(search):
    made = search(cap=1)
    made.complete()
    text = made.sweep.path.read_text().replace('"dropout":0.1', '"dropout":0.2')
    made.sweep.path.write_text(text.replace('"optuna":"', '"optuna":"4.'))
    assert "with Optuna 4." in verifying.first_difference(made.sweep, made.sweep.read(), made.screen)


def test_a_search_that_began_with_another_version_of_optuna_says_so(search, monkeypatch):
    made, said = search(cap=1), []
    made.complete()
    text = made.sweep.path.read_text()
    made.sweep.path.write_text(text.replace('"optuna":"', '"optuna":"4.'))
    again = search(cap=2)
    monkeypatch.setattr(again.screen, "say", said.append)
    again.complete()
    assert [line for line in said if line.startswith("note: the sweep began with Optuna 4.")]


def test_the_judge_of_a_trial_is_found_by_its_variable_and_a_wrong_one_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / f"a{os.pathsep}b"
    for name, value in pruning.variable(3, folder, folder / "trials.jsonl").items():
        monkeypatch.setenv(name, value)
    assert pruning.of_environment() == pruning.Judge(3, folder, folder / "trials.jsonl")
    monkeypatch.setenv(pruning.VARIABLE, "3 here")
    with pytest.raises(InputError, match="Unset it"):
        pruning.of_environment()
    monkeypatch.delenv(pruning.VARIABLE)
    assert pruning.of_environment() is None
