"""Workers that share a folder and nothing else: each run is finished once, whoever is suspended, and for how long."""

import json
import os
import shlex
import signal
import subprocess
import time
from collections import Counter

import pytest

from app.artifacts.runs import find_runs
from app.system import relaunch

from .machine import CODE

TINY = (
    "--dataset digits --size 100K --d-model 64 --epochs 3 --batch-size 32 --val-batch-size 16 "
    "--limit-train 160 --limit-val 40 --limit-test 60 --threads 1"
)


def worker(work, host, seeds, **more):
    """A worker on a machine of that name; it keeps a state of each step."""
    line = f"study {TINY} --cross seed=0-{seeds - 1} --state-every 0 --work --claim 3s"
    environment = relaunch.environment() | {"TEST_HOST": host} | more
    environment["PYTHONPATH"] = os.pathsep.join([str(work / "machine"), environment.get("PYTHONPATH", "")])
    with (work / f"{host}.txt").open("w") as said:
        return subprocess.Popen(relaunch.command(*shlex.split(line)), env=environment, stderr=said, stdout=said)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "others", "seeds"), [("log", 1, 2), ("state", 3, 4)])
def test_of_workers_of_which_one_is_suspended_none_loses_or_repeats_a_run(call, work, where, others, seeds):
    """It is suspended within a write, for longer than its claim lasts, and woken when another has taken over."""
    (work / "machine").mkdir()
    (work / "machine" / "sitecustomize.py").write_text(CODE)
    first = worker(work, "alpha", seeds, TEST_SUSPEND=where)
    while not (work / "suspended").is_file() or not (work / "suspended").read_text():
        assert first.poll() is None, (work / "alpha.txt").read_text()
        time.sleep(0.1)
    rest = [worker(work, f"beta{number}", seeds) for number in range(others)]
    codes = [each.wait() for each in rest]
    os.kill(int((work / "suspended").read_text()), signal.SIGCONT)
    said = {path.stem: path.read_text() for path in work.glob("*.txt")}
    assert [*codes, first.wait()] == [0] * (others + 1), said
    begins = Counter(line.split()[1] for text in said.values() for line in text.splitlines()
                     if line.startswith("run ") and line.split()[2] in ("begins:", "resumes"))  # fmt: skip
    runs = find_runs(work / "checkpoints")
    assert len(runs) == seeds and all(run.done for run in runs) and sum(begins.values()) == seeds + 1, begins
    (moved,) = [run for run in runs if len(run.record.places) > 1]
    assert moved.record.places[1].from_step > 0
    for run in runs:
        run.require_whole()
        rows = [json.loads(line) for line in run.files.log.read_text().splitlines()[1:]]
        assert Counter((row["step"], row["split"]) for row in rows).most_common(1)[0][1] == 1
    assert call(f"train {TINY} --seed {moved.config.seed} --checkpoints alone").code == 0
    (alone,) = find_runs(work / "alone")
    assert alone.files.weights.read_bytes() == moved.files.weights.read_bytes()
    assert not list((work / "checkpoints").glob("studies/*/claims"))
