"""The signals that ask to stop: each ends a command in good order and is named; several together are one."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app import cli
from app.errors import Stopped
from app.experiment.stopping import stop_requests
from app.system import signals

ROOT = Path(__file__).resolve().parents[2]
ASKING = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP")


def send(name):
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0)  # where Python calls its handlers


@pytest.mark.parametrize("name", ASKING)
def test_each_signal_raises_stopped_with_its_name_and_its_time(name):
    before = signal.getsignal(getattr(signal, name))
    asked = time.monotonic()
    with pytest.raises(Stopped, match=rf"^stopped by {name}$") as stopped, signals.ending():
        send(name)
    assert asked <= stopped.value.since <= time.monotonic() and not stopped.value.saved
    assert signal.getsignal(getattr(signal, name)) is before


def test_signals_that_come_together_stop_once():
    with signals.ending():
        with pytest.raises(Stopped, match="SIGUSR1"):
            send("SIGUSR1")
        send("SIGTERM")  # by the launcher, say


def test_a_signal_long_after_one_that_was_lost_stops(monkeypatch):
    with signals.ending():
        with pytest.raises(Stopped):
            send("SIGTERM")
        monkeypatch.setattr(signals, "_ONE", 0.0)
        with pytest.raises(Stopped):
            send("SIGTERM")


def test_one_context_within_another_leaves_the_handlers_to_it():
    with signals.ending():
        mine = signal.getsignal(signal.SIGTERM)
        with signals.ending():
            assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGTERM) is mine


def test_elsewhere_than_in_the_main_thread_nothing_is_handled():
    seen = []

    def work():
        with signals.ending(), stop_requests() as asked:
            seen.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


@pytest.mark.parametrize("name", ASKING)
def test_a_loop_reads_the_signal_at_its_next_look_and_what_ends_it_is_not_disturbed(name):
    with signals.ending():
        with stop_requests(alone=True) as asked:
            assert asked() is None
            send(name)
            reason = asked()
            assert (reason.why, reason.in_time) == (f"by {name}", False) and reason.since
            send("SIGTERM")
        for again in ASKING:
            send(again)  # while the last push is under way


def test_before_the_first_look_a_process_that_is_alone_stops_at_once():
    with pytest.raises(Stopped, match="stopped by SIGUSR2 before its first step ended"), stop_requests(alone=True):
        send("SIGUSR2")
    with stop_requests(alone=False) as asked:  # others would wait for it in the middle of a step
        send("SIGUSR2")
        assert asked().why == "by SIGUSR2"


def test_a_second_ctrl_c_interrupts_after_any_signal():
    with pytest.raises(KeyboardInterrupt), stop_requests() as asked:
        send("SIGUSR1")
        assert asked()
        send("SIGINT")


def test_a_time_limit_is_in_time_and_leaves_a_signal_its_effect():
    with pytest.raises(Stopped), signals.ending():
        with stop_requests(deadline=time.monotonic()) as asked:
            assert asked().in_time
        send("SIGTERM")


@pytest.mark.parametrize("ignored", [True, False])
def test_under_nohup_sighup_is_none_of_them(ignored):
    code = "from app.system import signals; print(*(number.name for number in signals.asking()))"
    how = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)}
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, **how)
    assert set(found.stdout.split()) == set(ASKING) - ({"SIGHUP"} if ignored else set())


LEFT = """import os, signal, sys
from app import cli
from app.__main__ import run
def leave(code):
    for name in sys.argv[1:]:
        os.kill(os.getpid(), getattr(signal, name))
    sys.exit(code)
cli.main, cli.leave = lambda: 75, leave
run()
"""


def test_signals_that_come_while_a_process_ends_leave_its_exit_code():
    ended = subprocess.run([sys.executable, "-c", LEFT, "SIGINT", *ASKING], cwd=ROOT, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (75, b"")


@pytest.mark.parametrize("name", ASKING)
def test_a_signal_among_the_last_words_of_a_command_leaves_its_exit_code(name, monkeypatch):
    monkeypatch.setattr(cli.screen, "report", lambda _: send(name))
    assert cli.main(["models", "--nothing"]) == 2


@pytest.fixture
def _ctrl_c():
    """Ctrl-C as in a terminal; a shell's background command, such as a suite may be, ignores it."""
    with signals.handled({signal.SIGINT: signal.default_int_handler}):
        yield


@pytest.mark.usefixtures("_ctrl_c")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGUSR2", 75), ("SIGINT", 130)])
@pytest.mark.parametrize("station", ["spelled", "_unless_unread"])
def test_a_signal_before_or_after_a_command_s_work_is_no_traceback(name, code, station, monkeypatch):
    monkeypatch.setattr(cli, station, lambda *_: send(name))
    monkeypatch.setattr(signals, "end_undisturbed", lambda: None)  # it came a moment before
    assert cli.main(["--version"]) == code
