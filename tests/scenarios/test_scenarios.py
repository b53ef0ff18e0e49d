"""A full disk, a move to another machine and a cut log: the same command ends in the undisturbed run's bytes."""

import json
import os
import shutil
import signal
import sys

import pytest

from app.selftest import kept
from app.selftest.child import Child

from . import cut_log, full_disk, hub_move

WRITES = """
import time
with open("x_training.log", "w") as log:
    for step in range(1, 200):
        print('{"step": %d, "split": "train"}' % step, file=log, flush=True)
        time.sleep(0.02)
"""
limits = pytest.mark.skipif(not full_disk.available(), reason="one process cannot limit another here")


@limits
def test_a_limit_lets_a_write_fail_in_its_middle(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-c", WRITES]
    with Child(command, folder=folder, environment=os.environ, said=tmp_path / "said" / "1") as child:
        assert child.reaches(2)
        child.send(signal.SIGSTOP)  # or it writes on while its file is measured
        os.waitid(os.P_PID, child.process.pid, os.WSTOPPED | os.WNOWAIT)
        size = child.log().stat().st_size + 10
        full_disk.limit_files(child, size)
        child.send(signal.SIGCONT)
        ended = child.wait()
        assert ended.code == 1 and "[Errno 27] File too large" in ended.last_line
        assert child.log().stat().st_size == size


@pytest.mark.slow
def test_half_a_line_is_put_behind_a_log(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "cut")
    log = kept.the_run(folder).files.log
    before = log.read_text()
    half = cut_log.spoil(folder, 0.5)
    assert log.read_text() == before + half and not half.endswith("}")
    with pytest.raises(ValueError):
        json.loads(half)


@pytest.mark.slow
@limits
def test_a_full_disk_leaves_the_last_state_and_the_same_command_resumes(trial):
    verdict = full_disk.prove(trial)
    assert verdict.passed, verdict.line()


@pytest.mark.slow
@pytest.mark.long
def test_a_log_that_ends_in_half_a_line_is_continued_without_gap_or_double(trial):
    verdict = cut_log.prove(trial)
    assert verdict.passed, verdict.line()


@pytest.mark.slow
def test_a_run_moves_to_an_empty_folder_and_resumes_from_the_hub(trial, pytestconfig):
    verdict = hub_move.prove(trial, pytestconfig.getoption("--moves"))
    assert verdict.passed, verdict.line()
