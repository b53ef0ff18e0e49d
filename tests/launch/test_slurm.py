"""The Slurm script on a real Slurm: cut by its time limit, queued again, and ended in the bytes of a run left alone.

In apptainer's place stands a script that runs the container's command by this Python; all else is the text as printed.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed here: no {', '.join(MISSING)}")
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
