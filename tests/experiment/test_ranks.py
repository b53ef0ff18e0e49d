"""Several ranks under torchrun: the same order of examples, the same losses, and one run on any number of them."""

import os
import subprocess
import sys

import pytest

from app import log
from app.artifacts.paths import find_runs
from app.selftest.trial import RUN

TRAIN = (
    "train --dataset digits --size 100K --d-model 64 --epochs 3 --batch-size 31 --val-batch-size 15 --limit-train 125 "
    "--limit-val 40 --limit-test 60 --threads 1 --dropout 0"
)


def trained(folder, cache, *more, ranks=1, code=0):
    """The one run below a folder after a command on so many ranks."""
    folder.mkdir(exist_ok=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, str(RUN), *TRAIN.split(), *more], cwd=folder, timeout=300, check=False,
        capture_output=True, text=True, env=os.environ | {"ISOSCALE_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-3000:]
    return find_runs(folder)[0], done.stderr


@pytest.mark.slow
def test_a_run_stopped_on_two_ranks_goes_on_on_one_with_the_losses_of_one(tmp_path, shared_cache):
    whole, _ = trained(tmp_path / "one", shared_cache)
    stopped, said = trained(
        tmp_path / "two", shared_cache, "--max-minutes", "0", ranks=2, code=1
    )  # torchrun's own code
    assert not stopped.done and "stopped by --max-minutes after step 1 of 15; its state is saved" in said
    ended, said = trained(tmp_path / "two", shared_cache)
    assert "continues at step 2" in said and [place["ranks"] for place in ended.record["places"]] == [2, 1]
    rows = [log.read(run.files.log)[1] for run in (whole, ended)]
    for one, other in zip(*rows, strict=True):
        assert abs(one["loss"] - other["loss"]) < 1e-4
        assert {name: one[name] for name in ("step", "split", "examples")} == {
            name: other[name] for name in ("step", "split", "examples")
        }


@pytest.mark.slow
def test_all_ranks_end_where_the_run_is_done_or_cannot_begin(tmp_path, shared_cache):
    first, _ = trained(tmp_path / "two", shared_cache, ranks=2)
    again, said = trained(tmp_path / "two", shared_cache, ranks=2)
    assert said.count("done already") == 1 and again.record == first.record
    first.files.weights.unlink()
    _, said = trained(tmp_path / "two", shared_cache, ranks=2, code=1)
    assert "is gone; download the run again" in said and "a defect" not in said
