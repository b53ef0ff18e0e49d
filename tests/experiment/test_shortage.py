"""A run that runs out of memory halves its micro-batch and resumes; it fails where that cannot help."""

import json

import pytest
import torch

from app import loop
from app.artifacts import record as records
from app.artifacts.runs import find_runs
from app.computing import fitting
from app.errors import OutOfMemory, Stopped

from .runs import Quiet, interrupted, rows, train
from .test_other_families import run_of

pytestmark = pytest.mark.usefixtures("cache_folder")


def scarce(monkeypatch, *, room, when, error=torch.OutOfMemoryError, what="update"):
    """Lets a part of the loop fail at so many calls, where the micro-batch is larger than there is room for."""
    part, calls = getattr(loop, what), []

    def failing(*arguments, **keywords):
        calls.append(what)
        size = keywords["schedule"].micro_batch_size if what == "update" else 0
        if len(calls) in when and size >= room:
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return part(*arguments, **keywords)

    monkeypatch.setattr(loop, what, failing)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, pytest.param(MemoryError, marks=pytest.mark.slow)])
def test_a_run_without_a_state_becomes_the_run_of_half_the_micro_batch(tmp_path, monkeypatch, error):
    expected = train(tmp_path / "small", options={"micro_batch_size": 8})
    screen = Quiet()
    with monkeypatch.context() as patched:
        scarce(patched, room=16, when=(4, 6), error=error)  # in 32, then again in 16
        found = train(tmp_path / "large", screen)
    for name in ("weights", "best"):
        assert getattr(found.files, name).read_bytes() == getattr(expected.files, name).read_bytes()
    assert rows(found) == rows(expected)
    assert found.record.execution.micro_batch_size == 8
    assert [at.execution.micro_batch_size for at in found.record.places] == [32, 16, 8]
    said = [text for text in screen.said if text.startswith("out of memory")]
    assert len(said) == 2 and "at micro-batch 32" in said[0] and "resumes at step 1," in said[0]
    assert "with micro-batch 8" in said[1]


@pytest.mark.slow
def test_a_run_with_a_state_resumes_from_it_without_gap_or_double(tmp_path, monkeypatch):
    """As a run that is stopped there and continued with the smaller micro-batch."""
    with pytest.raises(Stopped):
        train(tmp_path / "by hand", interrupted(3), augment="flip_crop", dropout=0.3)
    expected = train(tmp_path / "by hand", augment="flip_crop", dropout=0.3, options={"micro_batch_size": 16})
    with pytest.raises(Stopped):
        train(tmp_path / "alone", interrupted(3), augment="flip_crop", dropout=0.3)
    screen = Quiet()
    with monkeypatch.context() as patched:
        scarce(patched, room=32, when=(4,))  # at step 7
        found = train(tmp_path / "alone", screen, augment="flip_crop", dropout=0.3)
    assert found.files.weights.read_bytes() == expected.files.weights.read_bytes()
    assert rows(found) == rows(expected)
    assert screen.steps == [4, 5, 6, 4, 5, 6, 7, 8, 9, 10]
    assert [at.from_step for at in found.record.places] == [0, 3, 3]


@pytest.mark.slow
def test_a_validation_that_runs_out_of_memory_is_survived_too(tmp_path, monkeypatch):
    expected = train(tmp_path / "small", options={"micro_batch_size": 16})
    with monkeypatch.context() as patched:
        scarce(patched, room=0, when=(5,), what="validate")
        found = train(tmp_path / "large")
    assert found.files.weights.read_bytes() == expected.files.weights.read_bytes() and rows(found) == rows(expected)


@pytest.mark.slow
def test_at_micro_batch_1_the_run_fails_and_its_record_says_why(tmp_path, monkeypatch):
    screen = Quiet()
    with (
        monkeypatch.context() as patched,
        pytest.raises(OutOfMemory, match="too small for a micro-batch of 1") as caught,
    ):
        scarce(patched, room=1, when=range(1, 100))
        train(tmp_path, screen)
    assert [text.count("with micro-batch") for text in screen.said if "out of memory" in text] == [1] * 5
    record = records.read(next(tmp_path.rglob("model_*.json")))
    assert record.status == "failed" and caught.value.kind == "out of memory"
    assert (record.failure.kind, record.failure.sentence) == ("out of memory", str(caught.value))
    done = train(tmp_path, options={"micro_batch_size": 32})
    assert done.record.status == "done" and done.record.failure is None


def test_batch_statistics_need_the_whole_batch_so_the_run_fails_at_once(tmp_path, monkeypatch):
    screen = Quiet()
    with monkeypatch.context() as patched, pytest.raises(OutOfMemory, match="Train with --batch-size 8") as caught:
        scarce(patched, room=1, when=range(1, 100))
        run_of(tmp_path, "resnet18", screen, batch_size=16)
    assert "normalises over the batch" in str(caught.value) and not any("out of memory" in said for said in screen.said)
    assert not find_runs(tmp_path)[0].done


def test_any_other_error_of_torch_is_not_taken_for_a_lack_of_memory(tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="out of memory") as caught:
        scarce(patched, room=1, when=(1,), error=NotImplementedError)
        train(tmp_path)
    assert caught.type is NotImplementedError
    record = records.read(next(tmp_path.rglob("model_*.json")))
    assert record.failure.kind == "internal error"


def test_the_remembered_micro_batch_that_was_too_large_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    from app.computing import fitting, trials
    from app.config.facts import DatasetFacts
    from app.config.run import resolve
    from app.place import choose

    config = resolve({"size": "1M", "image": 32, "patch": 4}, DatasetFacts(name="cifar100", classes=100, native=32))
    here, key = choose(device="cpu"), {"memory": [10, 2]}
    asked = trials.key_of(config, here) | key
    other = trials.key_of(config, here) | {"model": "another"}
    for found, what in ((64, asked), (32, asked | {"memory": [10, 3]}), (64, other)):
        trials.remembered("micro-batch", what, lambda found=found: found)
    fitting.forget_micro_batch(config, here, at_least=64)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "measured").iterdir()]
    assert sorted((at["key"]["model"], at["found"]) for at in kept) == [("another", 64), (config.model, 32)]


@pytest.mark.slow
def test_the_remembered_micro_batch_is_forgotten_where_it_did_not_fit(tmp_path, monkeypatch):
    forgotten = []
    monkeypatch.setattr(
        fitting, "forget_micro_batch", lambda config, here, *, at_least: forgotten.append((config.run_id, at_least))
    )
    scarce(monkeypatch, room=16, when=(4, 6))
    run = train(tmp_path)
    assert forgotten == [(run.record.run_id, 32), (run.record.run_id, 16)]
