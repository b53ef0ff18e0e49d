"""Trackers over real runs in processes: kills, hangs, failures, a missing package."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import log
from app.artifacts.runs import find_runs
from app.selftest.child import Child
from app.trackers.points import points

from . import pretended, readback

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ["train", "--dataset", "digits", "--size", "100K", "--d-model", "64", "--epochs", "6", "--limit-train", "320",
         "--batch-size", "16", "--val-batch-size", "16", "--limit-val", "40", "--limit-test", "60",
         "--threads", "1"]  # fmt: skip
KILLS = (30, 60, 90)  # steps of 120
pytestmark = pytest.mark.slow


def command(*words):
    return [sys.executable, str(ROOT / "run.py"), *words]


def environment(folder, **more):
    """Variables that keep every tracker's files in a folder."""
    place = {"TRACKIO_DIR": str(folder / "trackio"), "WANDB_DIR": str(folder), "WANDB_MODE": "offline"}
    path = os.pathsep.join(filter(None, (more.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH", ""))))
    return os.environ | place | {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "agg"} | more | {"PYTHONPATH": path}


def trained(folder, *words, **more):
    """Trains to the end; returns what was printed on stderr."""
    ended = subprocess.run(command(*TRAIN, *words), cwd=folder, env=environment(folder, **more), capture_output=True,
                           text=True, timeout=300, check=False)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def killed(folder, name, at, *, alone, **more):
    """Starts the training with a tracker, and kills it at a step: with all its processes, or `alone`."""
    words = [*TRAIN, "--track", name, "--track-every", "1", "--state-every", "0.2"]
    with Child(command(*words), folder=folder, environment=environment(folder, **more), said=folder / f"{at}") as child:
        assert child.reaches(at), (folder / f"{at}.err").read_text()
        if alone:
            os.kill(child.process.pid, signal.SIGKILL)
        else:
            assert child.kill()
        child.wait()


def in_the_log(folder):
    """The points of the log of the only run, without test results."""
    [run] = find_runs(folder / "checkpoints")
    return {each.step: each.values for each in points(log.read(run.files.log)[1], complete=True)}


def require_mirrored(folder, found, tolerance=0.0):
    """Each step of the log is there once, in order, with the log's values, and the last one with the test's."""
    expected = in_the_log(folder)
    assert [step for step, _ in found] == sorted(expected)
    for step, values in found:
        shown = {name: value for name, value in values.items() if not name.startswith("test/")}
        assert shown == pytest.approx(expected[step], rel=tolerance, abs=0), step
    [run] = find_runs(folder / "checkpoints")
    assert found[-1][1]["test/top1"] == pytest.approx(run.record.test.top1, rel=tolerance)


@pytest.mark.long
@pytest.mark.parametrize("name", ["trackio", "wandb", "tensorboard"])
def test_after_three_kills_a_real_tracker_has_each_step_once(name, work):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    for count, at in enumerate(KILLS):
        killed(work, name, at, alone=count == 1)
    trained(work, "--track", name, "--track-every", "1")
    require_mirrored(work, getattr(readback, name)(work), tolerance=1e-6 if name == "tensorboard" else 0)


def test_after_three_kills_a_pretended_tracker_has_each_step_once(work):
    more = pretended.write(work / "fake")
    for count, at in enumerate(KILLS):
        killed(work, "trackio", at, alone=count == 1, **more)
    trained(work, "--track", "trackio", "--track-every", "1", **more)
    sent = [json.loads(line) for line in (work / "fake" / "sent.jsonl").read_text().splitlines()]
    require_mirrored(work, [(step, values) for step, values in sent])


@pytest.mark.parametrize("trouble", [{"PRETENDED_SECONDS": "10"}, {"PRETENDED_FAILS": "1"}], ids=["slow", "failing"])
def test_a_tracker_that_hangs_or_fails_changes_no_byte_and_its_rest_is_sent_by_track(trouble, work):
    plain, tracked = (work / name for name in ("plain", "tracked"))
    more = pretended.write(work / "fake")
    for folder in (plain, tracked):
        folder.mkdir()
    trained(plain)
    err = trained(tracked, "--track", "trackio", **more, **trouble)
    assert "--to trackio` sends the curves" in err
    one, two = (find_runs(folder / "checkpoints")[0].files for folder in (plain, tracked))
    for part in ("weights", "best", "predictions", "splits"):
        assert getattr(one, part).read_bytes() == getattr(two, part).read_bytes(), part
    assert in_the_log(plain) == in_the_log(tracked)
    ended = subprocess.run(command("track", two.stem.split("_")[1], "--to", "trackio", "--track-every", "1"),
                           cwd=tracked, env=environment(tracked, **more), capture_output=True, text=True, check=False,
                           timeout=100)  # fmt: skip
    assert ended.returncode == 0 and "up to step 120" in ended.stdout, ended.stderr
