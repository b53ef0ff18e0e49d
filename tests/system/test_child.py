"""Calls in another process: answers, failures of every kind, and its end with this process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.system.child import Child, NoAnswer, ProcessEnded

ROOT = Path(__file__).resolve().parents[2]


class OddError(Exception):
    """One that cannot be made again from its message, as some compilers' errors."""

    def __init__(self, cause, frame):
        super().__init__(f"{cause} at {frame}\nand more")


def counting():
    """Answers with what was added so far, or does what it is asked."""
    total = []

    def answer(what, *arguments):
        if what == "add":
            total.extend(arguments)
            print("on standard output")
            return sum(total)
        if what == "raise":
            raise {"value": ValueError("not 3"), "memory": MemoryError("9 GB"), "odd": OddError("bad", "f")}[
                arguments[0]
            ]
        if what == "die":
            os.kill(os.getpid(), arguments[0])
        if what == "sleep":
            time.sleep(600)
        return os.getpid()

    return answer


def is_running(process):
    """Whether a process runs: one that ended and was not waited for by its parent has no command line."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def ends(process):
    deadline = time.monotonic() + 60
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(process)


def test_a_child_keeps_what_it_made_and_answers_until_it_is_ended(capfd):
    child = Child(counting)
    assert [child.ask("add", number) for number in (1, 2, 3)] == [1, 3, 6] and child.is_alive
    process = child.ask("process")
    assert process != os.getpid() and capfd.readouterr().out == ""
    child.end()
    assert not child.is_alive and ends(process)
    with pytest.raises(ProcessEnded):
        child.ask("add", 1)


@pytest.mark.parametrize(
    ("which", "kind", "sentence"),
    [
        ("value", ValueError, "^not 3$"),
        ("memory", MemoryError, "^9 GB$"),
        ("odd", RuntimeError, "^OddError: bad at f$"),
    ],
)
def test_an_error_is_raised_with_its_kind_and_trace_and_ends_the_child(which, kind, sentence):
    child = Child(counting)
    with pytest.raises(kind, match=sentence) as raised:
        child.ask("raise", which)
    assert "in answer" in str(raised.value.__cause__) and not child.is_alive


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [(signal.SIGABRT, ProcessEnded, "ended by SIGABRT"), (signal.SIGKILL, MemoryError, "was killed")],
)
def test_a_process_that_dies_is_an_error_here_and_nothing_more(number, kind, sentence):
    with pytest.raises(kind, match=sentence):
        Child(counting, quiet=True).ask("die", number)


def test_a_call_that_takes_too_long_is_given_up_and_its_process_killed():
    child = Child(counting)
    process = child.ask("process")
    with pytest.raises(NoAnswer, match="no answer within 0 s"):
        child.ask("sleep", seconds=0.01)
    assert ends(process)


SCRIPT = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from app.system.child import Child
from system.test_child import counting
child = Child(counting)
print(child.ask("process"), flush=True)
child.ask("sleep")
"""


def test_a_child_ends_with_its_killed_parent_within_a_call_and_runs_no_script_again(tmp_path):
    script = tmp_path / "script.py"  # has no `if __name__ == "__main__"`
    script.write_text(SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests")))
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    try:
        child = int(parent.stdout.readline())
        assert is_running(child)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert ends(child)
