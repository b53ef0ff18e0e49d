"""The pieces of the selftest: they see what is wrong, and see nothing where nothing is."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.artifacts import record
from app.selftest import kept, kill, rows
from app.selftest.child import Child, Ended
from app.selftest.trial import Trial

TRAINS = """
import pathlib, signal, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
pathlib.Path("other").write_text(str(other.pid))
try:
    with open("x_training.log", "w") as log:
        for step in range(1, 200):
            print('{"step": %d, "split": "train"}' % step, file=log, flush=True)
            time.sleep(0.02)
finally:
    other.kill()  # as torchrun ends its ranks; they write to the same stderr, whose end is waited for
"""


@pytest.fixture
def child(tmp_path):
    """A process that writes a log, and starts another in a session of its own, as torchrun does."""
    folder = tmp_path / "run"
    folder.mkdir()
    said = tmp_path / "said" / "1"
    with Child([sys.executable, "-c", TRAINS], folder=folder, environment=os.environ, said=said) as started:
        yield started


@pytest.fixture
def pair(trained, tmp_path):
    """A finished run twice."""
    for name in ("one", "two"):
        shutil.copytree(trained, tmp_path / name)
    return tmp_path / "one", tmp_path / "two"


def test_the_selftest_imports_no_heavy_library():
    listing = "import sys, app.selftest; print(*sys.modules)"
    command = [sys.executable, "-c", listing]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert not {"torch", "numpy", "datasets", "huggingface_hub", "matplotlib"} & set(done.stdout.split())


def test_a_child_in_another_folder_finds_a_run_py_that_was_named_by_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "run.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", "selftest"])
    assert Trial(root=tmp_path, say=print).command()[:3] == [sys.executable, str(tmp_path / "run.py"), "train"]


def test_a_kill_strikes_a_process_that_runs_and_all_that_it_started(child):
    assert child.reaches(3) and child.step() >= 3
    other = int((child.folder / "other").read_text())
    assert other in child.processes()
    assert child.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{other}/stat").exists():
        if Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{other}").exists()
    assert not child.reaches(500) and child.wait().code == -signal.SIGKILL


def test_a_kill_of_a_process_that_has_ended_does_not_count(tmp_path):
    with Child([sys.executable, "-c", ""], folder=tmp_path, environment=os.environ, said=tmp_path / "a" / "1") as ended:
        assert ended.wait().code == 0
        assert not ended.kill()


def test_steps_are_random_in_order_and_each_once_as_long_as_there_are_enough():
    few, many = (kill.steps(random.Random(1), count, 20) for count in (10, 30))
    assert few == sorted(set(few)) and len(few) == 10
    assert many == sorted(many) and len(many) == 30 and {*few, *many} <= set(range(1, 21))


def test_two_runs_of_the_same_bytes_do_not_differ_whatever_the_clock_said(pair):
    log = next(pair[1].rglob("*.log"))
    log.write_text(log.read_text().replace('"seconds": 0.', '"seconds": 1.'))
    run = kept.the_run(pair[1])
    record.write(run.files.record, replace(run.record, started="1999-11-21T00:00:00.000+00:00"))
    assert kept.differences(*pair) == []


@pytest.mark.parametrize("name", ["weights", "best", "predictions", "log", "record"])
def test_a_difference_is_found_and_named(pair, name):
    path = getattr(kept.the_run(pair[1]).files, name)
    data = path.read_bytes()
    place = {"log": b'"loss": ', "record": b'"top1": 0.'}.get(name)
    at = data.index(place) + len(place) if place else len(data) // 2
    path.write_bytes(data[:at] + (b"8" if data[at : at + 1] == b"9" else b"9") + data[at + 1 :])
    found = kept.differences(*pair)
    assert len(found) == 1 and ("log" in found[0] or "record" in found[0] or path.name in found[0])


def test_what_is_left_behind_and_what_is_gone_is_named(pair):
    files = kept.the_run(pair[1]).files
    files.record.with_name(f".{files.weights.name}.123.aside").touch()
    files.splits.unlink()
    found = kept.differences(*pair)
    assert [line for line in found if ".PID.aside is left behind" in line]
    assert [line for line in found if f"{files.splits.name} is missing" in line]


@pytest.mark.parametrize(
    "spoil", [lambda lines: lines[:-1], lambda lines: [*lines, lines[-1]], lambda lines: lines[:3] + lines[4:]]
)
def test_a_gap_and_a_double_in_the_log_are_found(pair, spoil):
    run = kept.the_run(pair[0])
    assert rows.faults(run) == [] and "each once and in order" in rows.tally(run)
    run.files.log.write_text("\n".join(spoil(run.files.log.read_text().splitlines())) + "\n")
    assert rows.faults(run)


def test_a_child_is_led_to_no_hub_and_to_a_cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    trial = Trial(root=tmp_path, say=print, ranks=2, micro_batch_size=8)
    environment, command = trial.environment(), trial.command("--state-every", "0")
    assert "HF_TOKEN" not in environment and environment["HF_HUB_OFFLINE"] == "1"
    assert environment["ISOSCALE_CACHE"] == str(tmp_path / "cache") and trial.steps == 20
    assert command[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    assert command[6:9] == ["-m", "app", "train"]
    assert command[-4:] == ["--micro-batch-size", "8", "--state-every", "0"]


def test_a_child_runs_this_package_by_its_name_from_any_folder(tmp_path):
    trial = Trial(root=tmp_path, say=print)
    program = trial.command()[: trial.command().index("train")]
    done = subprocess.run(
        [*program, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path, env=trial.environment()
    )
    assert done.stdout.startswith("isoscale ") and program[1:] == ["-m", kept.__name__.partition(".")[0]]


def test_a_gap_in_the_log_of_an_undisturbed_run_fails_the_kills(pair, monkeypatch, tmp_path):
    trial = Trial(root=tmp_path, say=print)
    monkeypatch.setattr(Trial, "reference", pair[0])
    monkeypatch.setattr(Trial, "folder", lambda self, name: pair[1])
    monkeypatch.setattr(Trial, "finish", lambda self, folder: Ended(0, "done already", 0.0))
    assert kill.prove(trial, 0).passed
    for folder in pair:
        path = kept.the_run(folder).files.log
        path.write_text("".join(line for line in path.open() if '"step": 3, ' not in line))
    failures = kill.prove(trial, 0).failures
    assert failures and all(what.startswith("the undisturbed run's log: ") for what in failures)
