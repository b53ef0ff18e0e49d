"""When a run ends, and what Ctrl-C is answered: from a thread, at once, also while the main thread computes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from app.experiment.pace import CtrlC, Pace
from app.experiment.stopping import stop_requests
from app.loop import StepEnd
from app.system import signals

ROOT = Path(__file__).resolve().parents[2]


def paced(seconds, steps, total=1000):
    """A pace after so many steps of some seconds, and what it said."""
    said, clock = [], [0.0]
    pace = Pace(said.append, total, now=lambda: clock[0])
    for step in range(1, steps + 1):
        clock[0] += seconds
        pace(StepEnd(step))
    return pace, said, clock


def test_the_expected_end_is_printed_once_after_three_timed_steps():
    assert paced(10, 3)[1] == []
    _, said, _ = paced(10, 9)
    assert len(said) == 1 and said[0].startswith("expected end: ") and "2 h 46" in said[0] and "3 steps" in said[0]


def test_a_run_of_a_minute_needs_no_expected_end():
    assert paced(0.01, 9)[1] == []


def test_the_time_left_of_a_step_is_the_usual_time_less_what_has_passed():
    pace, _, clock = paced(40, 5)
    clock[0] += 10
    assert pace.seconds_left() == 30
    clock[0] += 100
    assert pace.seconds_left() == 0 and paced(40, 1)[0].seconds_left() is None


def test_ctrl_c_says_how_long_the_step_takes():
    pace, said, _ = paced(40, 3)
    CtrlC(pace)(signal.SIGINT)
    assert said == ["Stopping after this step, about 40 s. Press Ctrl-C again to stop now."]


def test_a_second_ctrl_c_ends_the_process_unless_the_command_ends_first():
    left = threading.Event()
    with CtrlC(Pace(str), leave=lambda code: left.set()) as answer:
        answer(signal.SIGTERM), answer(signal.SIGINT), answer(signal.SIGINT)
    assert not left.wait(1.5)
    ends = []
    answer = CtrlC(Pace(str), leave=lambda code: (ends.append(code), left.set()))
    answer(signal.SIGINT), answer(signal.SIGINT)
    assert left.wait(10) and ends == [130]


def test_a_handled_signal_is_heard_while_the_main_thread_computes():
    heard, arrived = [], threading.Event()

    def answer(number):
        heard.append(number)
        arrived.set()

    with stop_requests(answer=answer) as asked:
        signal.raise_signal(signal.SIGINT)
        assert arrived.wait(10) and heard == [signal.SIGINT] and asked().why == "by SIGINT"
    assert signal.set_wakeup_fd(-1) == -1


def test_the_program_s_earlier_listener_hears_again_afterwards():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    try:
        with signals.heard(str):
            pass
        assert signal.set_wakeup_fd(before) == writing
    finally:
        os.close(reading), os.close(writing)


COMPUTING = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
from app.experiment.pace import CtrlC, Pace
from app.experiment.stopping import stop_requests

libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
with CtrlC(Pace(lambda text: print(text, flush=True))) as answer, stop_requests(answer=answer):
    libc.pthread_mutex_lock(mutex)
    print("computing", flush=True)
    libc.pthread_mutex_lock(mutex)  # for ever, without the interpreter's lock, as torch's backward pass
"""


def test_a_main_thread_that_does_not_return_to_python_is_answered_and_ended():
    child = subprocess.Popen([sys.executable, "-c", COMPUTING, str(ROOT)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "computing\n"
        child.send_signal(signal.SIGINT)
        assert "Stopping after this step" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
    finally:
        child.kill()
