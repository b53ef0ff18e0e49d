"""The mirror of a log at a tracker: names and values, marks, kills, resumed logs, missing packages."""

import json
import random
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from app import trackers
from app.artifacts import marks
from app.artifacts.paths import RunFiles
from app.errors import InputError, Unavailable
from app.experiment import tracking
from app.sharing import mirror, mirrored
from app.sharing.mirror import Mirror
from app.system import packages
from app.tables.trackers import TRACKERS, canonical
from app.trackers.points import points

ABOUT = trackers.About(key="run-1", title="a run", config={"lr": 0.1}, folder=None)


class Service:
    """What a tracker has. `sure`: it confirms before the end. `dies`: the step at which a process is killed."""

    def __init__(self, sure=True):
        self.rows, self.finished, self.sure, self.dies = [], 0, sure, None

    def connect(self, name, about, mark):
        return Connection(self, max((step for step, _ in self.rows), default=0) if self.sure else mark)


class Connection:
    def __init__(self, service, after):
        self.service, self.after = service, after

    def log(self, step, values):
        if self.service.dies == step:
            raise KeyboardInterrupt  # no `except Exception` sees it, as nothing sees SIGKILL
        self.service.rows.append((step, values))

    def confirm(self):
        return self.service.sure

    def finish(self):
        self.service.finished += 1


@pytest.fixture
def service(monkeypatch):
    found = Service()
    monkeypatch.setattr(trackers, "connect", lambda *given: found.connect(*given))
    return found


def row(step, split="train", **more):
    return {"step": step, "epoch": 1, "split": split, "lr": 0.1, "examples": 4, "seconds": 0.1, "loss": 1 / step,
            "correct": step % 5} | more  # fmt: skip


def written(files, rows, mode="w"):
    files.folder.mkdir(exist_ok=True)
    with files.log.open(mode) as file:
        header = [{"log": "isoscale", "format": 1}] if mode == "w" else []
        file.writelines(json.dumps(each) + "\n" for each in [*header, *rows])


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function that returns a mirror of a log whose record is pretended."""
    files, kept = RunFiles(tmp_path / "m", "model_0"), SimpleNamespace(done=False)
    monkeypatch.setattr(mirror.record, "read", lambda path: kept)
    monkeypatch.setattr(mirror, "_results", lambda kept: {"test/top1": 0.5} if kept.done else None)

    def made(every=1):
        mark = marks.read(files, "trackio", key="run-1", destination="there")
        return Mirror(files, "trackio", every, lambda *_: None, ABOUT, mark)

    made.files, made.kept = files, kept
    return made


def test_points_have_the_dashboards_names_and_wait_until_their_step_is_complete():
    rows = [row(1), row(1, "val"), row(2), row(2, "val_full", mae=0.5)]
    first, last = points(rows, complete=True)
    assert first == (1, {"train/loss": 1, "train/accuracy": 0.25, "lr": 0.1, "epoch": 1, "val/loss": 1,
                         "val/accuracy": 0.25}, False)  # fmt: skip
    assert last.ends_epoch and last.values["val_full/mae"] == 0.5
    assert [each.step for each in points(rows, complete=False)] == [1]


def test_a_point_of_a_regression_has_no_accuracy():
    [found] = points([{"step": 1, "epoch": 1, "split": "train", "lr": 1, "examples": 4, "loss": 2.0, "mae": 1.0}],
                     complete=True)  # fmt: skip
    assert found.values == {"train/loss": 2.0, "train/mae": 1.0, "lr": 1, "epoch": 1}


@pytest.mark.parametrize("sure", [True, False])
def test_each_step_is_sent_once_wherever_processes_are_killed(sure, service, made):
    service.sure, draws = sure, random.Random(0)
    for end in (8, 20, 33):
        written(made.files, [row(step) for step in range(1, end)])
        service.dies = draws.randrange(end - 6, end - 1) if sure else None
        one = made()
        try:
            one.send()
            one.finish()
        except KeyboardInterrupt:
            pass
    service.dies, made.kept.done = None, True
    made.kept.schedule = SimpleNamespace(total_steps=32)
    last = made()
    last.send()
    last.finish()
    assert [step for step, _ in service.rows] == [*range(1, 33)]
    assert service.rows[-1][1]["test/top1"] == 0.5 and "test/top1" not in service.rows[-2][1]
    assert made().mark.done and made().mark.step == 32


def test_a_log_that_grows_or_is_cut_back_by_a_resumed_run_is_followed(service, made):
    one = made()
    for rows, mode in (([row(1), row(2)], "w"), ([row(2, "val"), row(3), row(4)], "a"),
                       ([row(s, seconds=0.25) for s in range(1, 8)], "w")):  # fmt: skip
        written(made.files, rows, mode)
        one.send()
    assert [step for step, _ in service.rows] == [1, 2, 3, 4, 5, 6]
    assert "val/loss" in service.rows[1][1]


def test_the_test_results_of_a_run_without_steps_are_sent_once_at_step_0(service, made):
    written(made.files, [])
    made.kept.schedule = SimpleNamespace(total_steps=0)
    one = made()
    one.send()  # it is not finished
    made.kept.done = True
    one.send()
    one.send()
    one.finish()
    assert service.rows == [(0, {"test/top1": 0.5})] and made().mark.done and one.count == 1


@pytest.mark.parametrize(("every", "lacking"), [(1, 5), (5, None), (3, 5), (10, None), (12, None)])
def test_a_mark_knows_whether_steps_before_its_last_one_are_lacking(every, lacking, service, made):
    written(made.files, [row(step) for step in range(1, 12)])
    for spacing, rows in ((5, range(1, 12)), (every, range(12, 30)), (1, range(30, 33))):
        written(made.files, [row(step) for step in rows], "w" if spacing == 5 and rows.start == 1 else "a")
        one = made(spacing)
        one.send()
        one.finish()
        assert made().mark.spacing_without(every) == lacking
    old = marks.Mark(key="run-1", destination="there", step=20).moved(30, 10, done=True)  # without spans
    assert old.spans == ((20, 0), (30, 10)) and old.spacing_without(10) is None and old.spacing_without(1) == 10


def test_a_command_reports_that_finer_steps_cannot_be_added(service, made, monkeypatch):
    written(made.files, [row(step) for step in range(1, 12)])
    monkeypatch.setattr(Mirror, "of", lambda *_, every, **__: made(every=every))
    run = SimpleNamespace(files=made.files, record=SimpleNamespace(run_id="1"))
    lines = [str(mirrored.sent(run, "trackio", every=every)) for every in (5, 1, 10)]
    assert "2 steps sent" in lines[0] and "cannot be added" in lines[1] and "TRACKIO_PROJECT" in lines[1]
    assert "cannot" not in lines[0] + lines[2] and "nothing to send" in lines[2]


def test_every_nth_step_and_the_end_of_each_epoch_is_sent(service, made):
    written(made.files, [each for s in range(1, 12) for each in (row(s), *([row(s, "val_full")] if s == 7 else []))])
    made(every=5).send()
    assert [step for step, _ in service.rows] == [5, 7, 10]


def test_a_mark_of_another_training_destination_or_of_no_json_counts_for_nothing(made):
    marks.write(made.files, "trackio", marks.Mark(key="run-1", destination="there", step=7))
    assert made().mark.step == 7
    for key, where in (("run-2", "there"), ("run-1", "elsewhere")):
        assert marks.read(made.files, "trackio", key=key, destination=where).step == 0
    marks.path_of(made.files, "trackio").write_text("{")
    assert made().mark.step == 0


def test_a_tracker_that_fails_is_tried_again_and_the_last_try_ends_the_process(service, made, monkeypatch):
    written(made.files, [row(1), row(2)])
    monkeypatch.setattr(mirror, "_FIRST_PAUSE", 0.0)
    seen, ended, tries = [], threading.Event(), iter([ConnectionError("down"), None])

    def connect(*given):
        if error := next(tries):
            raise error
        ended.set()
        return service.connect(*given)

    monkeypatch.setattr(trackers, "connect", connect)
    one = made()
    one.report = lambda what, _: seen.append(what)
    mirror.follow(one, ended)
    assert "failed ConnectionError: down" in seen and seen[-1] == mirror.DONE and service.finished == 1


def test_a_list_of_trackers_has_one_spelling_and_knows_its_names():
    assert canonical("wandb, trackio+wandb") == "wandb+trackio"
    with pytest.raises(InputError, match="Did you mean `tensorboard`"):
        canonical("tensorbord")
    assert {*TRACKERS} == {"trackio", "wandb", "tensorboard"}


def test_training_goes_without_a_tracker_whose_package_is_missing(monkeypatch, made):
    monkeypatch.setattr(packages, "is_installed", lambda package: False)
    said = []
    with tracking.tracked(made.files, "wandb", 10, said.append):
        pass
    assert len(said) == 1 and "not installed" in said[0] and "--to wandb" in said[0]
    with pytest.raises(InputError, match="not installed"):
        mirrored.require_installed(["wandb"])


def test_a_failing_tracker_is_unavailable_to_the_command(made, monkeypatch):
    written(made.files, [row(1), row(2)])

    def connect(*_):
        raise OSError("no route")

    monkeypatch.setattr(trackers, "connect", connect)
    monkeypatch.setattr(Mirror, "of", lambda *_, **__: made())
    with pytest.raises(Unavailable, match="no route"):
        mirrored.sent(SimpleNamespace(files=made.files, record=None), "trackio", every=1)


def test_the_process_of_a_tracker_loads_no_torch(made):
    code = "import sys, app.sharing.mirror; print({'torch', 'numpy', 'datasets', 'wandb'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
