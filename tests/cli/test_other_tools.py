"""Words of other tools are answered with what to type here, and nothing of theirs is accepted."""

import re
from pathlib import Path

import pytest

from app.cli import command as program
from app.cli.other_tools import _WITHIN, COMMANDS, command, option, within
from app.config.settings import GROUPS, flag, options_of
from app.config.settings.recipe import CLASS_WEIGHTS, MIX_MODES, PRECISIONS
from app.tables.augmentations import canonical
from app.tables.optimizers import OPTIMIZERS
from app.tables.other_tools import OPTIONS
from app.tables.protocols import SCHEDULES
from app.tables.trackers import TRACKERS

NAMES = program().commands
OURS = {name for each in NAMES["train"].params for name in (*each.opts, *each.secondary_opts)}
SAID = sorted({row.says for row in OPTIONS.values()} | set(COMMANDS.values()))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("train --resume", "Run the same command again: it resumes by itself"),
        ("train --resume_from_checkpoint=last.pt", "Run the same command again"),
        ("train --workers 8", "needs no worker processes"),
        ("train --num_workers 8", "needs no worker processes"),
        ("train --bs 32", "Use --batch-size"),
        ("train -b 32", "Use --batch-size"),
        ("train --img-size=224", "Use --image"),
        ("train --imgsz 224", "Use --image"),
        ("train --lr-scheduler cosine", "Use --schedule"),
        ("train --output-dir runs", "Use --checkpoints"),
        ("train --num-classes 10", "the dataset decides"),
        ("train --amp", "--precision bf16"),
        ("train --fp16", "Write --precision fp16"),
        ("train --arch resnet18", "Use --model"),
        ("train --opt adam", "Use --optimizer"),
        ("train --wd 0.1", "Use --weight-decay"),
        ("train --gpus 2", "torchrun --nproc-per-node N run.py train"),
        ("train --ckpt last.pt", "run.py evaluate RUN"),
        ("evaluate x --bs 32", "`run.py evaluate` has no option for this; `run.py train` has --batch-size"),
        ("predict x y --num-workers 4", "needs no worker processes"),
        ("--resume", "Run the same command again"),
        ("train epochs=3", "Write --epochs 3"),
        ("train data=x batch_size=3", "Write --data x"),
        ("rm model", "`run.py runs rm` deletes runs"),
        ("list", "`run.py runs` lists runs"),
        ("train --yes", "this command asks nothing"),
        ("train --dataset digits --device 0", "unknown device '0'. Use cuda:0"),
        ("train --dataset digits --device 0,1", "Use `torchrun --nproc-per-node 2`"),
    ],
)
def test_an_option_of_another_tool_ends_with_2_and_what_to_type(call, line, says):
    ended = call(line)
    assert (ended.code, ended.out) == (2, "") and says in ended.err
    assert len(ended.err.splitlines()) == 1 and "Possible options" not in ended.err


FIRST = {says: word for word, says in reversed(COMMANDS.items())}.values()  # of the words with one answer


@pytest.mark.parametrize(
    "word", [pytest.param(word, marks=() if word in FIRST else pytest.mark.slow) for word in COMMANDS]
)
def test_a_command_of_another_tool_points_to_one_that_exists(call, word):
    ended = call(word)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: No such command '{word}'. ") and command(word) in ended.err


@pytest.mark.parametrize("group", _WITHIN)
def test_a_command_of_another_tool_in_a_group_points_to_one_that_exists(call, group):
    for words, says in _WITHIN[group]:
        for word in words.split():
            assert word not in NAMES[group].commands and within(group, word) == says
            assert call(f"{group} {word}").err == f"error: No such command '{word}'. {says}\n"
        for named in re.findall(r"`run\.py ([a-z ]+?)(?: --[^`]*)?`", says):
            first, *inner = named.split()
            assert first in NAMES and all(each in NAMES[first].commands for each in inner), says
    assert within(group, "shwo") is None and within("plot", "list") is None


def test_a_word_that_this_program_has_is_answered_by_itself():
    assert not {*OPTIONS} & (OURS - {"--compile"})
    assert not {*COMMANDS} & {*NAMES}
    assert option("--sise", OURS, "run.py train") is None and command("trian") is None


def test_an_option_that_is_named_instead_exists():
    assert {row.ours for row in OPTIONS.values()} - {""} <= OURS
    others = {"--nproc-per-node", "--version", "--help"}
    for says in SAID:
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", says)) <= OURS | others, says
        for name in re.findall(r"`run\.py ([a-z]+)", says):
            assert name in NAMES, says


def test_each_sentence_is_one_and_its_values_are_the_program_s():
    assert all(re.fullmatch(r"[A-Z`f].*[^.]", says) for says in SAID)
    choices = {
        "--optimizer": OPTIMIZERS,
        "--schedule": SCHEDULES,
        "--class-weights": CLASS_WEIGHTS,
        "--mix-mode": MIX_MODES,
        "--track": TRACKERS,
    }
    for ours, values in choices.items():
        (says,) = {row.says for row in OPTIONS.values() if row.ours == ours}
        assert set(re.findall(r"\w+", says)) - {"Its", "values", "are", "and"} == set(values)
    (joined,) = {row.says for row in OPTIONS.values() if row.ours == "--augment"}
    assert canonical(joined.split()[-1])
    assert "fp16" in PRECISIONS


def test_no_setting_is_called_as_elsewhere():
    assert not {flag(name) for name in options_of(*GROUPS)} & set(OPTIONS)


def test_the_options_that_the_page_of_moving_in_replaces_are_known():
    page = (Path(__file__).resolve().parents[2] / "docs" / "moving.md").read_text()
    first = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    theirs = {found.strip() for cell in first for found in re.findall(r"(?<![\w.])--?[a-z][\w-]*", cell)}
    assert {"--noaug", "--dp", "--scale", "--dimhead"} <= theirs
    assert {name.replace("_", "-") for name in theirs} - OPTIONS.keys() - OURS <= {"--csv", "--train-split"}
