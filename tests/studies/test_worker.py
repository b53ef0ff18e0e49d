"""A worker of a study: what it does when it is asked to stop while a training ends by itself."""

import sys

import pytest
from test_cells import Quiet

from app.errors import Stopped
from app.studies import axes, cells, rows
from app.studies.study import Study
from app.studies.worker import Worker
from app.system import relaunch

ASKED = {"dataset": "digits", "size": "1M", "model": "vit_classic"}
# a training that asks its worker to stop and, by the time that the signal is passed on to it, ends with another code
ENDS = "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: os._exit({code})); " \
       "os.kill(os.getppid(), signal.SIGTERM); signal.pause()"  # fmt: skip


@pytest.mark.parametrize("code", [0, 4])
def test_a_signal_that_finds_a_training_at_its_end_starts_no_other_one(tmp_path, monkeypatch, code):
    trained = []
    line = [sys.executable, "-I", "-S", "-c", ENDS.format(code=code)]
    monkeypatch.setattr(relaunch, "command", lambda *words, **_: trained.append(words) or line)
    found = cells.resolved(rows.of_axes(axes.of_options(["seed=0-1"]), ASKED), Quiet(), checkpoints=tmp_path)
    study = Study.of(tmp_path, None, found, upload=False, say=pytest.fail)
    with pytest.raises(Stopped) as stopped:
        Worker(study, lambda _: None, mixed_versions=True).complete()
    assert stopped.value.saved and len(trained) == 1
