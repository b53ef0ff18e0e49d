"""On a CUDA device: the loop waits for nothing, and what is chosen there computes the same model."""

import itertools

import pytest
import torch

from app import log, loop
from app.computing import execution, trials
from app.errors import Stopped
from app.place import choose

from .runs import Quiet, interrupted, train

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("cache")]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))


def losses(run):
    return torch.tensor([row["loss"] for row in log.read(run.files.log)[1]])


@pytest.mark.parametrize("augment", ["none", "flip_crop", "randaugment"])
def test_no_step_of_the_loop_waits_for_the_device(tmp_path, monkeypatch, augment):
    whole, steps = loop.update, itertools.count()

    def watched(*arguments, **keywords):
        if next(steps):  # the first makes what all others use: tables, programs, the optimiser's state
            torch.cuda.set_sync_debug_mode("error")
        try:
            return whole(*arguments, **keywords)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(loop, "update", watched)
    run = train(tmp_path, augment=augment, dropout=0.1, options={"device": "cuda"})
    assert len(losses(run)) == 22  # 2 epochs of 5 steps: train and val rows, and 2 full passes


@pytest.mark.parametrize("options", [{"compile": True}, {"checkpointing": True}, {"attention_path": "sdpa"}])
def test_how_a_run_is_computed_changes_no_loss_beyond_rounding(tmp_path, options):
    plain = {"device": "cuda", "attention_path": "plain", "compile": False}
    one = train(tmp_path / "one", dropout=0.0, precision="fp32", options=plain)
    other = train(tmp_path / "other", dropout=0.0, precision="fp32", options=plain | options)
    torch.testing.assert_close(losses(one), losses(other), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("path", ["plain", "sdpa", "fused"])
def test_a_compiled_run_has_two_programs_of_each_part(tmp_path, path):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    run = train(tmp_path, dropout=0.1, options={"device": "cuda", "compile": True, "attention_path": path})
    assert run.done and torch._dynamo.utils.counters["stats"]["unique_graphs"] == 6
    assert not torch._dynamo.utils.counters["aot_autograd"]["autograd_cache_bypass"]


@pytest.mark.parametrize("options", [{"compile": False}, {"compile": True}, {"attention_path": "fused"}])
def test_a_deterministic_run_that_was_stopped_ends_in_the_same_bits(tmp_path, options):
    options = {"device": "cuda", "deterministic": True} | options
    whole = train(tmp_path / "whole", dropout=0.3, options=options)
    with pytest.raises(Stopped):
        train(tmp_path / "cut", interrupted(4), dropout=0.3, options=options)
    ended = train(tmp_path / "cut", dropout=0.3, options={"device": "cuda"})
    assert ended.record.execution.deterministic and ended.record.execution.attention_path != "sdpa"
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.files.best.read_bytes() == whole.files.best.read_bytes()


@pytest.mark.parametrize("augment", ["flip_crop", "randaugment", "trivial", "erasing"])
def test_every_augmentation_and_mixing_has_deterministic_kernels(tmp_path, augment):
    options = {"device": "cuda", "deterministic": True, "compile": False}
    run = train(tmp_path, augment=augment, mixup=0.5, cutmix=1.0, epochs=1, options=options)
    assert run.done


def test_paths_and_micro_batches_are_measured_once_per_shape_and_device(tmp_path):
    first, second = Quiet(), Quiet()
    one = train(tmp_path / "one", first, options={"device": "cuda"})
    kept = sorted((tmp_path / "cache" / "measured").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    other = train(tmp_path / "other", second, options={"device": "cuda"})
    assert one.record.execution == other.record.execution
    assert kept and [path.stat().st_mtime_ns for path in kept] == times
    assert any(text.startswith("attention path") for text in first.said)


def test_cuda_graphs_take_the_same_steps(tmp_path):
    from app.config.facts import DatasetFacts
    from app.config.run import resolve

    config = resolve({"size": "1M", "image": 32, "patch": 4, "batch_size": 64, "dropout": 0.0},
                     DatasetFacts(name="cifar100", classes=100, native=32))  # fmt: skip
    here = choose(device="cuda", precision="fp32")
    chosen = {"attention_path": "sdpa", "checkpointing": False, "micro_batch_size": 64}
    eager, graphs = (trials.step_trial(config, here, how, **chosen) for how in ("off", "graphs"))
    torch.testing.assert_close(torch.tensor(eager["losses"]), torch.tensor(graphs["losses"]), rtol=1e-3, atol=1e-3)


def test_the_chosen_path_is_one_that_the_device_has():
    from app.config.facts import DatasetFacts
    from app.config.run import resolve

    config = resolve({"size": "10M"}, DatasetFacts(name="cifar100", classes=100, native=32))
    said = []
    found = execution.choose(config, choose(device="cuda"), execution.Wishes(), steps=1, say=said.append)
    assert found.attention_path in ("sdpa", "fused", "plain") and found.compile == "off"
    assert 1 <= found.micro_batch_size <= 512
