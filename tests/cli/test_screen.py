"""Progress: one live line that never wraps on a terminal, plain lines elsewhere, and no line before a loss is known."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

import pytest
from conftest import TINY

from app.cli import screen
from app.cli.screen import Screen, program
from app.cli.waiting import Waiting
from app.experiment.observers import Speed
from app.system.duration import spoken

from .test_cli import RUN_PY

ROWS = {"train": {"loss": 2.25, "correct": 96, "examples": 128}, "val": {"loss": 2.5, "correct": 64, "examples": 128}}
ERASE = "\r\x1b[2K"


@contextmanager
def terminal(columns):
    """Both ends of a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    yield master, slave
    os.close(master)


def all_of(master):
    """What the terminal was sent, once nobody writes to it any more."""
    sent = b""
    try:
        while chunk := os.read(master, 65536):
            sent += chunk
    except OSError:  # Linux's end of file on a terminal
        pass
    return sent.decode()


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_live_line_never_wraps(columns, monkeypatch, clock):
    with terminal(columns) as (master, slave):
        with os.fdopen(slave, "w") as err:
            monkeypatch.setattr(sys, "stderr", err)
            shown = Screen()
            shown.say("a sentence of many words " * 8)
            for step in (1, 2, 50_000, 123_456):
                clock[0] += step / 10
                shown.step(step, 123_456, ROWS, Speed(1234.5, 0.012))
        first, *frames = all_of(master).split(ERASE)
    assert all(len(line) <= columns for line in first.splitlines())
    assert all(len(frame.rstrip("\r\n")) < columns for frame in frames) and len(frames) == 4
    assert all(re.search(r"50,000/123,456  loss 2.25.*2 h 02 left$", frame.rstrip()) for frame in frames[2:3])
    if columns >= 60:
        assert re.match(r"[━#]{3,}[─-]{3,} (step )?50,000", frames[2])
    if columns >= 120:
        assert re.search(r"val .*2.500?0?  .*50.0 %  1,23\d im\w+/s  wait(ing)? 1 %  2 h 02 left", frames[2])


def test_elsewhere_a_plain_line_comes_every_30_seconds_and_at_the_end(capsys, clock):
    shown = Screen()
    for step in range(1, 101):
        clock[0] += 1
        shown.step(step, 100, ROWS if step > 1 else {}, Speed(128.0, 0.25))
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [2, 32, 62, 92, 100]
    losses = "loss 2.2500  acc 75.0 %  val loss 2.5000  val acc 50.0 %"
    assert lines[1] == f"step 32/100  {losses}  128 images/s  waiting 25 %  68 s left"


def test_reading_a_dataset_shows_rows_and_bytes(capsys, clock):
    shown = Screen()
    for rows in (256, 512, 1000):
        shown.reading("train", rows, 1000, 4096 * rows)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading train  26 %  256/1,000 rows  1.0 MB", "reading train 100 %  1,000/1,000 rows  4.1 MB"]


def test_durations_read_as_one_says_them():
    assert [spoken(seconds) for seconds in (0.4, 89, 90, 3600, 7500)] == ["0 s", "89 s", "2 min", "60 min", "2 h 05"]


@pytest.mark.slow
def test_a_run_stopped_by_sigterm_ends_with_75_and_the_same_command_ends_it_in_the_same_bits(call, work):
    line = f"train {TINY} --epochs 10 --threads 1"
    with terminal(80) as (master, slave):
        process = subprocess.Popen([sys.executable, RUN_PY, *line.split()], stderr=slave, stdout=subprocess.PIPE)
        os.close(slave)
        sent = b""
        while b"step" not in sent.split(ERASE.encode())[-1]:
            sent += os.read(master, 65536)
        process.send_signal(signal.SIGTERM)
        frames = (sent.decode() + all_of(master)).split(ERASE)
    assert (process.wait(timeout=60), process.stdout.read()) == (75, b"")
    assert re.search(r" step \d+/50  loss ", frames[-1])
    assert all(len(frame.splitlines()[0]) < 80 for frame in frames[1:])
    assert "stopped by SIGTERM after step" in " ".join(frames[-1].split())
    continued, whole = call(line), call(f"{line} --checkpoints whole")
    assert (continued.code, whole.code) == (0, 0) and "resumes at step" in continued.err
    for path in (work / "whole").rglob("*.safetensors"):
        assert path.read_bytes() == (work / "checkpoints" / path.relative_to(work / "whole")).read_bytes()


@pytest.mark.parametrize("script", ["run.py", "/app/run.py"])
def test_a_command_that_it_tells_can_be_typed_where_it_was_typed(script, monkeypatch):
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setattr(sys, "argv", [script, "train"])
    assert program() == ["python", script]
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert program() == ["uv", "run", script]


@pytest.mark.parametrize("terminal_", [True, False], ids=["terminal", "pipe"])
def test_a_silent_stage_is_shown_with_its_seconds(monkeypatch, terminal_):
    now, shown = [100.0], []
    monkeypatch.setattr("app.cli.waiting.time.monotonic", lambda: now[0])
    waiting = Waiting(shown.append, terminal=terminal_)

    def after(seconds):
        now[0] += seconds
        waiting.tick()

    after(9)
    waiting.stage("loading torch")
    after(0.9), after(4.2), after(0.5), after(0.6)
    assert shown[0] == "loading torch ... 5 s" and len(shown) == (2 if terminal_ else 1)
    after(31)
    assert shown[-1] == "loading torch ... 37 s"
    waiting.stage("building the model")
    after(0.5)
    waiting.heard()
    after(0.5)
    waiting.stage("")
    after(60)
    assert shown[-1] == "loading torch ... 37 s"


def test_a_stage_is_shown_by_itself_until_a_step_is(monkeypatch, capsys):
    monkeypatch.setattr("app.cli.waiting._FIRST", {True: 0.05, False: 0.05})
    monkeypatch.setattr("app.cli.waiting._TICK", 0.01)
    with Screen() as shown:
        shown.stage("reading [bold]names[/bold]\x1b[31m")
        deadline = time.monotonic() + 20
        while not (text := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
        shown.step(1, 1, ROWS, Speed(1.0, 0.0))
    assert text.startswith("reading [bold]names[/bold]") and "\x1b" not in text


@pytest.mark.parametrize(("takes", "told"), [(0.0, ""), (0.3, "counting\n")])
def test_a_block_that_takes_long_says_why(capsys, takes, told):
    with screen.patience("counting", 0.1):
        time.sleep(takes)
    assert capsys.readouterr().err == told
