"""The Slurm script on a real Slurm: cut by its time limit, queued again, and ended in the bytes of a run left alone.

And an array of workers: of its tasks, only the one that was stopped is queued again.

In apptainer's place stands a script that runs the container's command by this Python; all else is the text as printed.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app.artifacts.runs import find_runs
from app.cli import main
from app.launch import Job, text

from .cluster import MISSING, Cluster, wait_for

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "train --model vit_classic --dataset digits --epochs 40 --threads 1 --state-every 1h"
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")
APPTAINER = """\
#!/usr/bin/env bash
# runs a container's command on the host: what follows the image, with the host's Python and program
while [[ "$1" != docker://* ]]; do shift; done
shift
cd "$SLURM_SUBMIT_DIR" || exit 1
words=()
for word; do
  case "$word" in
    /usr/local/bin/python3) word={python} ;;
    /app/run.py) word={run} ;;
  esac
  words+=("$word")
done
exec "${{words[@]}}"
"""


def results(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".safetensors", ".parquet")}


@pytest.fixture
def cluster(tmp_path, shared_cache):
    tools = tmp_path / "tools"
    tools.mkdir()
    stand_in = tools / "apptainer"
    stand_in.write_text(APPTAINER.format(python=shlex.quote(sys.executable), run=shlex.quote(str(ROOT / "run.py"))))
    stand_in.chmod(0o755)
    (tmp_path / "slurm").mkdir()
    with Cluster(tmp_path / "slurm") as cluster:
        cluster.environment |= {
            "PATH": f"{tools}{os.pathsep}{cluster.environment['PATH']}", "ISOSCALE_CACHE": str(shared_cache),
        }  # fmt: skip
        yield cluster


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed here: no {', '.join(MISSING)}"),
]


def test_a_job_cut_by_its_time_limit_is_queued_again_and_ends_in_the_same_bytes(tmp_path, cluster):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    (cut / "isoscale.sbatch").write_text(
        text("slurm", Job(arguments=tuple(TRAIN.split()), image="ghcr.io/o/isoscale:1"))
    )
    alone = subprocess.Popen([sys.executable, str(ROOT / "run.py"), *TRAIN.split()], cwd=whole, env=cluster.environment,
                             stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        job, lines = finished(cluster, cut)
        assert alone.wait(600) == 0
    finally:
        alone.kill()
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), lines
    assert int(job["Restarts"]) == lines.count("ended with 75") == 1, lines
    assert lines.count("ended with 0") == 1 and "DUE TO TIME LIMIT" not in lines
    assert len(results(whole)) == 4 and results(whole) == results(cut)


def finished(cluster, folder):
    """The job's fields and what it wrote: its first start has two minutes, the second has enough."""
    options = ["--parsable", "--time=2", "--signal=B:TERM@60"]  # instead of a day, and three minutes
    number = subprocess.run(["sbatch", *options, "isoscale.sbatch"], cwd=folder, env=cluster.environment, text=True,
                            capture_output=True, check=True).stdout.strip()  # fmt: skip
    log = folder / f"isoscale-{number}.log"

    def said():
        return f"{cluster.said()}\n{cluster.show(number)}\n{log.read_text() if log.exists() else ''}"

    wait_for(lambda: "ended with" in (log.read_text() if log.exists() else ""), 240, said)
    cluster.ask("scontrol", "update", f"JobId={number}", "TimeLimit=60")
    wait_for(lambda: cluster.show(number)["JobState"] in ENDED, 900, said)
    if keep := os.environ.get("ISOSCALE_TEST_LOG"):
        Path(keep).write_text(log.read_text())
    return cluster.show(number), log.read_text()


STUDY = (
    "study grid.csv --dataset digits --size 100K --d-model 64 --epochs 5 --batch-size 32 --val-batch-size 16 "
    "--limit-train 320 --limit-val 40 --limit-test 60 --threads 1"
)


def test_of_an_array_the_stopped_task_alone_is_queued_again_and_no_run_is_trained_twice(
    tmp_path, cluster, capsys, monkeypatch
):
    """The stopped task is the last of its array, whose SLURM_JOB_ID is that of the array."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.csv").write_text("model,seed\n" + "".join(f"vit_classic,{seed}\n" for seed in range(6)))
    assert main(["launch", "slurm", "--workers", "2", "--", *STUDY.split()]) == 0
    (tmp_path / "isoscale.sbatch").write_text(capsys.readouterr().out)
    number = cluster.ask("sbatch", "--parsable", "isoscale.sbatch").strip()
    tasks = [f"{number}_{task}" for task in range(2)]
    logs = [tmp_path / f"isoscale-{task}.log" for task in tasks]

    def said():
        return "\n".join([cluster.said(), *(log.read_text() for log in logs if log.exists())])

    wait_for(lambda: logs[1].exists() and "\nstep " in logs[1].read_text(), 120, said)
    cluster.ask("scancel", "--batch", "--signal=TERM", tasks[1])  # to the script alone, as the time limit does (B:)
    wait_for(lambda: all(cluster.show(task)["JobState"] in ENDED for task in tasks), 300, said)
    lines, shown = [log.read_text() for log in logs], [cluster.show(task) for task in tasks]
    if keep := os.environ.get("ISOSCALE_TEST_LOG"):
        Path(keep).write_text("\n".join(lines))
    assert [(each["JobState"], each["ExitCode"]) for each in shown] == [("COMPLETED", "0:0")] * 2, said()
    starts = [text.count(f"job {task}, start ") for task, text in zip(tasks, lines, strict=True)]
    assert starts == [1, 2] == [1 + int(each["Restarts"]) for each in shown], said()
    assert [text.count("ended with 75") for text in lines] == [0, 1] and "ended with 0" in lines[1]
    begun = re.findall(r"^run (\w+) begins: ", "\n".join(lines), re.MULTILINE)
    assert len(begun) == len(set(begun)) == 6, said()
    assert [run.record.status for run in find_runs(tmp_path / "checkpoints")] == ["done"] * 6
