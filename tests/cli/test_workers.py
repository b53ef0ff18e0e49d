"""Workers that share a folder and nothing else: each run is finished once, whoever is suspended, and for how long."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from hub.server import HubServer

from app.artifacts.runs import find_runs
from app.cli import main
from app.results.surroundings import same_bits
from app.studies.worker import Worker
from app.system import relaunch

from .machine import CODE

TINY = (
    "--dataset digits --size 100K --d-model 64 --epochs 3 --batch-size 32 --val-batch-size 16 "
    "--limit-train 160 --limit-val 40 --limit-test 60 --threads 1"
)
WITHOUT_FIGURES = """
import sys
from app.system import relaunch
relaunch.command = lambda *words, **_: [sys.executable, __file__, *words]
if sys.argv[1] == "train":
    from matplotlib.figure import Figure
    Figure.savefig = lambda _, path, **__: path.write_bytes(b"not drawn")
from app.cli import main
sys.exit(main())
"""


def worker(folder, said, options, **more):
    """A worker in a folder; what it says is kept in a file."""
    line = f"study {TINY} {options} --work"
    environment = relaunch.environment() | {"PYTHONUNBUFFERED": "1"} | more
    environment["PYTHONPATH"] = os.pathsep.join([str(said.parent / "machine"), environment.get("PYTHONPATH", "")])
    folder.mkdir(exist_ok=True)
    with said.open("w") as file:
        return subprocess.Popen(
            relaunch.command(*shlex.split(line)), env=environment, stderr=file, stdout=file, cwd=folder
        )


def suspended(folder, worker, said):
    """The ID of the training that suspended itself."""
    while not (folder / "suspended").is_file() or not (folder / "suspended").read_text():
        assert worker.poll() is None, said.read_text()
        time.sleep(0.1)
    return int((folder / "suspended").read_text())


def begun(texts):
    """How often a run began or was resumed, by what the workers said."""
    lines = [line.split() for text in texts for line in text.splitlines() if line.startswith("run ")]
    return Counter(words[1] for words in lines if words[2] in ("begins:", "resumes"))


def require_single_rows(run):
    rows = [json.loads(line) for line in run.files.log.read_text().splitlines()[1:]]
    assert Counter((row["step"], row["split"]) for row in rows).most_common(1)[0][1] == 1


@pytest.fixture
def machine(work):
    """A folder with what makes a process another machine."""
    (work / "machine").mkdir()
    (work / "machine" / "sitecustomize.py").write_text(CODE)


@pytest.mark.slow
@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("where", "others", "seeds"), [("log", 1, 2), ("state", 3, 3)])
def test_of_workers_of_which_one_is_suspended_none_loses_or_repeats_a_run(call, work, where, others, seeds):
    """It is suspended within a write, for longer than its claim lasts, and woken when another has taken over."""
    options = f"--cross seed=0-{seeds - 1} --state-every 0 --claim 3s"
    first = worker(work, work / "alpha.txt", options, TEST_HOST="alpha", TEST_SUSPEND=where)
    asleep = suspended(work, first, work / "alpha.txt")
    names = [f"beta{number}" for number in range(others)]
    rest = [worker(work, work / f"{name}.txt", options, TEST_HOST=name) for name in names]
    codes = [each.wait() for each in rest]
    os.kill(asleep, signal.SIGCONT)
    said = [path.read_text() for path in work.glob("*.txt")]
    assert [*codes, first.wait()] == [0] * (others + 1), said
    runs = find_runs(work / "checkpoints")
    assert len(runs) == seeds and all(run.done for run in runs) and sum(begun(said).values()) == seeds + 1, said
    (moved,) = [run for run in runs if len(run.record.places) > 1]
    assert moved.record.places[1].from_step > 0
    for run in runs:
        run.require_whole()
        require_single_rows(run)
    assert call(f"train {TINY} --seed {moved.config.seed} --checkpoints alone").code == 0
    (alone,) = find_runs(work / "alone")
    assert alone.files.weights.read_bytes() == moved.files.weights.read_bytes()
    assert not list((work / "checkpoints").glob("studies/*/claims"))


@pytest.mark.slow
@pytest.mark.usefixtures("machine")
def test_workers_that_share_a_repository_only_finish_each_run_once(call, work):
    """One of them is suspended for longer than its claim at the Hub lasts. It then leaves the run to the other."""
    options = "--cross seed=0-1 --state-every 0 --upload --push-every 1s --lease 6s"
    with HubServer() as hub:
        places = hub.environment() | {"HF_REPOSITORY": "tester/runs"}
        first = worker(work / "a", work / "a.txt", options, TEST_SUSPEND="log", **places)
        asleep = suspended(work / "a", first, work / "a.txt")
        second = worker(work / "b", work / "b.txt", options, **places)
        code = second.wait()
        os.kill(asleep, signal.SIGCONT)
        said = [path.read_text() for path in work.glob("*.txt")]
        assert [code, first.wait()] == [0, 0], [path.read_text() for path in work.glob("*.txt")]
        there = {name.split("/")[1] for name in hub.files("tester/runs") if name.startswith("vit_")}
        branches = hub.repositories.all["model", "tester/runs"].branches
    runs = [run for folder in "ab" for run in find_runs(work / folder / "checkpoints") if run.done]
    assert len(runs) == len(there) == 2 and {run.files.stem for run in runs} == there and set(branches) == {"main"}
    assert sum(begun(said).values()) == 3
    for run in runs:
        require_single_rows(run)


@pytest.mark.slow
def test_runs_side_by_side_end_in_the_bytes_of_runs_alone_and_share_the_price(call, work, monkeypatch):
    (work / "program.py").write_text(WITHOUT_FIGURES)
    monkeypatch.setattr(relaunch, "command", lambda *words: [sys.executable, str(work / "program.py"), *words])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    asked = f"{TINY} --epochs 1 --device cpu --usd-per-hour 3600 --max-hours 1"
    ended = call(f"study {asked} --cross seed=0-1 --jobs-per-device 2")
    assert ended.code == 0 and {"worker 1: ", "worker 2: "} <= {line[:10] for line in ended.err.splitlines()}, ended.err
    assert call(f"train {asked.removesuffix(' --max-hours 1')} --seed 1 --checkpoints alone").code == 0
    found = {run.config.seed: run for run in find_runs(work / "checkpoints")}
    (alone,) = find_runs(work / "alone")
    for part in ("weights", "best", "predictions", "splits"):
        assert getattr(found[1].files, part).read_bytes() == getattr(alone.files, part).read_bytes()
    assert alone.record.run_id == found[1].record.run_id and alone.record.places[0].jobs is None
    assert same_bits(found[1].record, alone.record)
    for place in (run.record.places[0] for run in found.values()):
        assert (place.jobs, place.jobs_per_device) == (2, 2)
    seconds = found[0].record.places[0].seconds
    assert found[0].record.dollars == pytest.approx(seconds / 2)


@pytest.mark.slow
def test_a_study_goes_on_where_the_hub_takes_no_more_commits_and_is_complete_there(call, online, monkeypatch):
    """The Hub takes 128 commits an hour. Here 126 were made, and the hour ends after some seconds."""
    online.quota, online.window = 128, 12.0
    online.committed = [time.monotonic() + 12] * 126
    monkeypatch.setattr("app.studies.worker._UPLOADED_AGAIN", (6.0,) * 20)
    codes = []

    def train(self, cell):
        with contextlib.redirect_stdout(sys.stderr):
            codes.append(main(["train", *cell.arguments(), *self._at_hub(cell)]))
        return codes[-1]

    monkeypatch.setattr(Worker, "_train", train)
    ended = call(f"study {TINY} --cross seed=0-1 --upload")
    assert ended.code == 0, ended.err
    assert codes[:2] == [0, 3] and codes[-1] == 0 and "128 per hour" in ended.err
    assert "1 run not uploaded yet" in ended.err and "Training continues" in ended.err
    there = {name.split("/")[1] for name in online.files("tester/runs") if name.startswith("vit_")}
    assert len(there) == 2
    status = json.loads(call(f"study status {TINY} --cross seed=0-1 --upload --checkpoints nothing --json").out)
    assert [cell["state"] for cell in status] == ["done"] * 2 and all(cell["run"]["results"] for cell in status)


@pytest.mark.slow
def test_a_run_of_several_ranks_is_resumed_by_its_record(work):
    """`torchrun` ends with 1 where its ranks ended with 75."""
    line = relaunch.command("study", *shlex.split(f"{TINY} --cross seed=0-1 --ranks 2"))
    codes = []
    for more in (["--max-minutes", "0.001"], []):
        done = subprocess.run([*line, *more], cwd=work, env=relaunch.environment(), capture_output=True, text=True,
                              check=False)  # fmt: skip
        codes.append(done.returncode)
    runs = find_runs(work / "checkpoints")
    assert codes == [75, 0] and len(runs) == 2 and all(run.done for run in runs), done.stderr
    assert [len(run.record.places) for run in runs] == [2, 1] and runs[0].record.places[1].ranks == 2
