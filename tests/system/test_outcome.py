"""Why a command ended reaches the command that started it, and nobody else."""

import os
import subprocess
from contextlib import closing

import pytest

from app.system import outcome, relaunch


@pytest.fixture
def pipe():
    with closing(outcome.Pipe()) as pipe:
        yield pipe


def test_the_error_of_a_command_reaches_the_one_that_started_it(pipe):
    ended = subprocess.run(
        relaunch.command("train", "--model", "vit_clasic"), env=relaunch.environment() | pipe.variable,
        pass_fds=pipe.descriptors, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = pipe.read()
    assert ended.returncode == 2 and found.kind == "bad input"
    assert found.sentence in ended.stderr and "vit_clasic" in found.sentence


def test_a_command_that_reports_nothing_has_no_outcome(pipe):
    assert pipe.read() is None


def test_a_process_that_another_one_started_reports_nothing(pipe, monkeypatch):
    for variable in (pipe.variable, {"ISOSCALE_OUTCOME": ""}, {"ISOSCALE_OUTCOME": "x y"}):
        monkeypatch.setenv(*next(iter(variable.items())))
        outcome.report("damaged", "a file")  # the pipe is that of this process, which is not its parent
        assert pipe.read() is None
    monkeypatch.setenv("ISOSCALE_OUTCOME", f"{pipe.descriptors[0]} {os.getppid()}")
    outcome.report("damaged", 9999 * "x")
    assert pipe.read() == ("damaged", 2000 * "x")
