"""Several ranks under torchrun: the same order of examples, the same losses, and one run on any number of them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file

from app import data, log, place
from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs
from tests.data import measured

RUN = Path(__file__).resolve().parents[2] / "run.py"
TRAIN = (
    "train --dataset digits --size 100K --d-model 64 --epochs 3 --batch-size 31 --val-batch-size 15 --limit-train 125 "
    "--limit-val 40 --limit-test 61 --threads 1 --dropout 0"
)
FAILING = """import os, sys
sys.path.insert(0, {root!r})
from app import cli, evaluation
def fail(*_, **__):
    raise MemoryError("no room for the test")
if os.environ["RANK"] == "1":
    evaluation._predicted = fail
sys.exit(cli.main())
"""
PARTLY_USED = """import sys
sys.path.insert(0, {root!r})
import timm, torch
from timm.models import register_model
def test_partly(**given):
    model = timm.create_model("test_vit", **given)
    model.unused = torch.nn.Parameter(torch.ones(3))
    return model
test_partly.__module__ = "timm.models.vision_transformer"
register_model(test_partly)
from app import cli
sys.exit(cli.main())
"""
pytestmark = pytest.mark.slow


PATTERNS = (
    "train --dataset diffraction --data patterns.pt --model resnet1d_layer --dropout 0 --epochs 3 --batch-size 31 "
    "--val-batch-size 15 --threads 1"
)


def trained(folder, cache, *more, ranks=1, code=0, program=RUN, command=TRAIN):
    """The one run below a folder after a command on so many ranks."""
    folder.mkdir(exist_ok=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, str(program), *command.split(), *more], cwd=folder, timeout=300, check=False,
        capture_output=True, text=True, env=os.environ | {"ISOSCALE_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-3000:]
    return find_runs(folder)[0], done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory, shared_cache):
    """The run on one process."""
    return trained(tmp_path_factory.mktemp("one"), shared_cache)[0]


@pytest.fixture(scope="module")
def two(tmp_path_factory, shared_cache):
    """The run on two ranks, of which one failed in its share of the test before they were started again."""
    folder = tmp_path_factory.mktemp("two")
    failing = folder / "failing.py"
    failing.write_text(FAILING.format(root=str(RUN.parent)))
    cut, said = trained(folder, shared_cache, ranks=2, code=1, program=failing)
    assert not cut.done and "memory ran out (MemoryError: no room for the test)" in said
    ended, said = trained(folder, shared_cache, ranks=2)
    assert "has made all its steps and is tested" in said
    return ended


def test_a_rank_with_one_image_says_nothing_of_how_its_gradients_lie(tmp_path, shared_cache):
    _, said = trained(tmp_path, shared_cache, "--epochs", "1", ranks=2)  # of 125 images by 31 one is left
    assert "step 5/5" in said and "Grad strides" not in said


def gaps(one, other):
    """How far the losses of two logs lie apart, row by row; the rows are of the same steps, splits and examples."""
    rows = [log.read(run.files.log)[1] for run in (one, other)]
    for left, right in zip(*rows, strict=True):
        assert all(left[name] == right[name] for name in ("step", "split", "examples"))
    return [abs(left["loss"] - right["loss"]) for left, right in zip(*rows, strict=True)]


def test_a_run_stopped_on_two_ranks_goes_on_on_one_with_the_losses_of_one(tmp_path, shared_cache, whole):
    # torchrun's own code
    stopped, said = trained(tmp_path, shared_cache, "--max-minutes", "0", ranks=2, code=1)
    assert not stopped.done and "stopped by --max-minutes after step 1 of 15. Its state is saved" in said
    ended, said = trained(tmp_path, shared_cache)
    assert "resumes at step 2" in said and [place.ranks for place in ended.record.places] == [2, 1]
    assert max(gaps(whole, ended)) < 1e-4


@pytest.mark.long
def test_the_predictions_of_ranks_of_which_one_failed_before_are_those_of_one_row_by_row(whole, two):
    one, other = (Predictions.load(run.files.predictions) for run in (whole, two))
    assert np.array_equal(one.rows, other.rows) and np.array_equal(one.labels, other.labels) and len(one.rows) == 61
    assert np.abs(one.logits - other.logits).max() < 1e-3
    assert max(gaps(whole, two)) < 1e-4
    assert two.record.test.loss == pytest.approx(whole.record.test.loss, abs=1e-4)


def test_all_ranks_end_where_the_run_is_done_or_cannot_begin(shared_cache, two):
    folder = two.files.folder.parents[1]
    again, said = trained(folder, shared_cache, ranks=2)
    assert said.count("done already") == 1 and again.record == two.record
    kept = two.files.weights.read_bytes()
    two.files.weights.unlink()
    _, said = trained(folder, shared_cache, ranks=2, code=1)
    two.files.weights.write_bytes(kept)
    assert "is gone. Download the run again" in said and "internal error" not in said


def test_gradients_in_bf16_change_the_losses_by_their_rounding_and_a_rank_may_have_nothing_to_test(
    tmp_path, shared_cache, two
):
    rounded, _ = trained(tmp_path, shared_cache, "--gradients", "bf16", "--limit-test", "1", ranks=2)
    assert rounded.record.execution == replace(two.record.execution, gradients="bf16")
    assert rounded.record.test.n == 1
    apart = gaps(two, rounded)
    assert apart[0] < 1e-6 and 1e-5 < max(apart) < 0.05  # the first loss is of weights before any exchange


@pytest.mark.long
def test_patterns_on_two_ranks_have_the_losses_of_one_and_each_epoch_its_own_order(tmp_path, shared_cache, monkeypatch):
    runs = []
    for ranks in (1, 2):
        measured.patterns(tmp_path / str(ranks) / "patterns.pt", 150, length=3041, classes=14)
        runs.append(trained(tmp_path / str(ranks), shared_cache, ranks=ranks, command=PATTERNS)[0])
    one, two = runs
    assert one.record.run_id == two.record.run_id and two.record.places[0].ranks == 2
    assert max(gaps(one, two)) < 1e-4
    monkeypatch.setenv("ISOSCALE_CACHE", str(shared_cache))
    ask = data.ask_of(one.config.to_json(), path=str(tmp_path / "1" / "patterns.pt"))
    cached = data.prepare(ask, print, lambda *_: None)
    train = data.splits(one.config, place.choose(device="cpu", precision="fp32"), cached, print).train
    orders = [train.order(epoch) for epoch in range(3)]
    assert all(sorted(order) == [*range(len(train))] for order in orders) and len({*map(bytes, orders)}) == 3


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["adan", "muon", "sgd"])
def test_an_optimiser_on_two_ranks_has_the_losses_of_one(tmp_path, shared_cache, optimizer):
    more = ("--optimizer", optimizer, "--epochs", "2")
    one, _ = trained(tmp_path / "1", shared_cache, *more)
    stopped, _ = trained(tmp_path / "2", shared_cache, *more, "--max-minutes", "0", ranks=2, code=1)
    assert not stopped.done
    two, said = trained(tmp_path / "2", shared_cache, *more, ranks=2)
    assert "resumes at step 2" in said and max(gaps(one, two)) < 1e-3


@pytest.mark.long
def test_the_average_on_two_ranks_is_that_of_one(tmp_path, shared_cache):
    more = ("--ema", "0.5", "--epochs", "2", "--optimizer", "lion", "--lr", "1e-4")
    one, _ = trained(tmp_path / "1", shared_cache, *more)
    stopped, _ = trained(tmp_path / "2", shared_cache, *more, "--max-minutes", "0", ranks=2, code=1)
    assert not stopped.done
    two, _ = trained(tmp_path / "2", shared_cache, *more, ranks=2)
    assert max(gaps(one, two)) < 1e-3 and [place.ranks for place in two.record.places] == [2, 2]
    averages = [load_file(run.files.ema) for run in (one, two)]
    assert all(np.allclose(tensor, averages[1][name], atol=1e-3) for name, tensor in averages[0].items())


@pytest.mark.long
def test_stochastic_depth_and_a_scaled_loss_on_two_ranks_are_those_of_one(tmp_path, shared_cache):
    more = ("--drop-path", "0.4", "--epochs", "2", "--label-smoothing", "0.1", "--clip-norm", "1")
    one, _ = trained(tmp_path / "1", shared_cache, *more)
    two, _ = trained(tmp_path / "2", shared_cache, *more, ranks=2)
    assert max(gaps(one, two)) < 1e-3
    scaled = [
        trained(tmp_path / f"scaled on {ranks}", shared_cache, *more, "--precision", "fp16", ranks=ranks)[0]
        for ranks in (1, 2)
    ]
    assert max(gaps(*scaled)) < 0.05 and all(run.record.places[0].precision == "fp16" for run in scaled)


def test_a_model_of_timm_with_a_parameter_that_it_never_uses_has_the_losses_of_one_process(tmp_path, shared_cache):
    program = tmp_path / "partly.py"
    program.write_text(PARTLY_USED.format(root=str(RUN.parent)))
    command = (
        "train --dataset digits --model timm/test_partly --image 160 --epochs 1 --batch-size 4 --val-batch-size 4 "
        "--limit-train 6 --limit-val 4 --limit-test 4 --threads 1 --dropout 0 --micro-batch-size 1 --lr 1e-4"
    )
    one, two = (
        trained(tmp_path / str(ranks), shared_cache, ranks=ranks, command=command, program=program)[0]
        for ranks in (1, 2)
    )
    assert two.record.places[0].ranks == 2 and max(gaps(one, two)) < 1e-4
    assert load_file(two.files.weights)["unused"].tolist() == [1, 1, 1]
