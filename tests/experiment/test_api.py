"""The library as a notebook calls it: outside the main thread, without a line on the screen, with errors to catch."""

import json
import threading

import pytest

import app as isoscale
from app.errors import InputError

from .runs import TINY

pytestmark = [pytest.mark.usefixtures("cache_folder"), pytest.mark.slow]


def test_a_thread_trains_the_run_of_the_command_and_prints_nothing(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", "isoscale")
    runs = []
    thread = threading.Thread(target=lambda: runs.append(isoscale.train(**TINY, model="vit_classic")))
    thread.start()
    thread.join()
    (run,) = runs
    assert run.record.command.startswith("isoscale.train(dataset='digits'") and run.done
    assert capfd.readouterr() == ("", "")
    assert any(line.startswith("data: digits") for line in caplog.messages)
    assert isoscale.load(run).run_id == run.record.run_id


def test_two_models_are_compared_as_by_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [isoscale.train(**TINY, model=name, seed=seed) for name in ("vit_classic", "vit_differential")
            for seed in (0, 1)]  # fmt: skip
    answer = isoscale.compare(*runs, metric="top1", delta=2.0)
    assert json.loads(json.dumps(answer.to_json()))["dataset"] == "digits"
    assert str(answer) in answer.to_text() and answer._repr_html_().startswith("<pre>")
    for wrong, says in (({"deltaa": 1}, "no option deltaa"), ({"metric": "speed"}, "speed"), ({"delta": 0.0}, "delta")):
        with pytest.raises(InputError, match=says):
            isoscale.compare(*runs, **wrong)
