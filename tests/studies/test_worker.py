"""A worker of a study: what it does when it is asked to stop while a training ends by itself."""

import json
import sys

import pytest
from test_cells import Quiet

from app.errors import DiskFull, Stopped
from app.studies import axes, cells, jobs, rows
from app.studies.study import Study
from app.studies.worker import Worker
from app.system import relaunch

ASKED = {"dataset": "digits", "size": "1M", "model": "vit_classic"}
# a training that asks its worker to stop and, by the time that the signal is passed on to it, ends with another code
ENDS = "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: os._exit({code})); " \
       "os.kill(os.getppid(), signal.SIGTERM); signal.pause()"  # fmt: skip
# a training that reports why it ended, and has no record
REPORTS = "import os; os.write(int(os.environ['ISOSCALE_OUTCOME'].split()[0]), {line!r}); os._exit({code})"


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Returns a worker of two runs whose trainings are this Python code, and the list of those that were started."""

    def worker(source):
        trained = []
        line = [sys.executable, "-I", "-S", "-c", source]
        monkeypatch.setattr(relaunch, "command", lambda *words, **_: trained.append(words) or line)
        found = cells.resolved(rows.of_axes(axes.of_options(["seed=0-1"]), ASKED), Quiet(), checkpoints=tmp_path)
        study = Study.of(tmp_path, None, found, upload=False, say=pytest.fail)
        return Worker(study, lambda _: None, mixed_versions=True), trained

    return worker


def reports(kind, code):
    return REPORTS.format(line=json.dumps([kind, f"what happened: {kind}"]).encode(), code=code)


def test_a_disk_that_is_full_before_a_run_has_a_record_ends_the_study_at_once(worker):
    made, trained = worker(reports("disk full", 4))
    with pytest.raises(DiskFull, match="what happened: disk full"):
        made.complete()
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("kind", "code", "state", "times"), [("bad input", 2, "failed", 1), ("unavailable", 4, "missing", 3)]
)
def test_why_a_training_ended_without_a_record_is_reported(worker, kind, code, state, times):
    made, trained = worker(reports(kind, code))
    for found in made.complete():
        assert (found.state, found.kind, found.sentence) == (state, kind, f"what happened: {kind}")
    assert len(trained) == 2 * times


def test_a_training_that_reports_nothing_is_unfinished(worker):
    made, _ = worker("import os; os._exit(1)")
    assert {(found.kind, "exit code 1" in found.sentence) for found in made.complete()} == {("unfinished", True)}


@pytest.mark.parametrize("code", [0, 4])
def test_a_signal_that_finds_a_training_at_its_end_starts_no_other_one(worker, code):
    made, trained = worker(ENDS.format(code=code))
    with pytest.raises(Stopped) as stopped:
        made.complete()
    assert stopped.value.saved and len(trained) == 1


@pytest.mark.parametrize(("ahead", "seeds"), [(0, "01"), (1, "10"), (2, "01")])
def test_workers_that_start_at_the_same_time_begin_with_different_runs(worker, ahead, seeds):
    made, trained = worker(reports("bad input", 2))
    made.ahead = ahead
    made.complete()
    assert [words[words.index("--seed") + 1] for words in trained] == list(seeds)


def test_each_worker_of_this_machine_is_given_how_many_start_before_it(tmp_path, monkeypatch):
    said = []
    code = "import os, sys; sys.stderr.write(os.environ['ISOSCALE_AHEAD'])"
    monkeypatch.setattr(relaunch, "command", lambda *_, **__: [sys.executable, "-I", "-S", "-c", code])
    assert jobs.work([], [([], {})] * 3, said.append) == [0, 0, 0]
    assert sorted(said) == ["worker 1: 0", "worker 2: 1", "worker 3: 2"]
    monkeypatch.setenv("ISOSCALE_AHEAD", "2")
    assert jobs.ahead() == 2
