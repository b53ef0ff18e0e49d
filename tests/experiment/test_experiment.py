"""One run: bit for bit repeatable, continued without a trace, and never half kept."""

import dataclasses
import json
import os
import signal
from types import SimpleNamespace

import msgspec
import pytest
import torch
from msgspec.structs import replace
from safetensors import safe_open

from app import log
from app import place as place_of_run
from app.artifacts import checkpoint
from app.artifacts import record as records
from app.artifacts.runs import find_runs
from app.artifacts.which import BEST
from app.errors import Damaged, Diverged, Held, InputError, Stopped
from app.experiment import run as experiment
from app.experiment import stages

from .runs import TINY, Quiet, interrupted, train

pytestmark = pytest.mark.usefixtures("cache_folder")


def rows_without_times(path):
    measured = ("seconds", "wait_ms", "peak_bytes")
    return [{name: value for name, value in row.items() if name not in measured} for row in log.read(path)[1]]


def stop_at(step, number=signal.SIGTERM):
    return Quiet(after=lambda now: os.kill(os.getpid(), number) if now == step else None)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_two_equal_runs_are_equal_bit_for_bit(tmp_path, model):
    first, second = (train(tmp_path / name, model=model) for name in ("a", "b"))
    for name in ("weights", "best"):
        assert getattr(first.files, name).read_bytes() == getattr(second.files, name).read_bytes()
    assert rows_without_times(first.files.log) == rows_without_times(second.files.log)
    assert first.record.results == second.record.results


@pytest.mark.parametrize(
    "stops", [pytest.param([1], marks=pytest.mark.slow), pytest.param([5], marks=pytest.mark.slow), [3, 7]], ids=str
)
def test_a_run_stopped_by_a_signal_ends_in_the_same_bits(tmp_path, stops):
    whole = train(tmp_path / "whole", augment="flip_crop", dropout=0.3)
    for step in stops:
        with pytest.raises(Stopped, match="state is saved"):
            train(tmp_path / "cut", stop_at(step), augment="flip_crop", dropout=0.3)
    ended = train(tmp_path / "cut", augment="flip_crop", dropout=0.3)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.files.best.read_bytes() == whole.files.best.read_bytes()
    assert rows_without_times(ended.files.log) == rows_without_times(whole.files.log)
    assert not ended.files.state.exists()


def test_the_log_has_a_train_and_a_val_row_for_every_step_and_a_full_pass_per_epoch(tmp_path):
    rows = rows_without_times(train(tmp_path).files.log)
    steps = {split: [row["step"] for row in rows if row["split"] == split] for split in ("train", "val", "val_full")}
    assert steps == {"train": list(range(1, 11)), "val": list(range(1, 11)), "val_full": [5, 10]}
    assert all(row["examples"] == 40 for row in rows if row["split"] == "val_full")


def test_the_peak_of_memory_stands_in_each_full_pass_and_the_largest_in_the_record(tmp_path):
    run = train(tmp_path)
    peaks = [row["peak_bytes"] for row in log.read(run.files.log)[1] if row["split"] == "val_full"]
    assert len(peaks) == 2 and run.record.peak_bytes == max(peaks) > 1e7


def test_the_peak_of_a_continued_run_is_the_largest_of_all_its_processes(tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr("app.place.Place.peak_bytes", lambda _: 10**15)
        train(tmp_path, stop_at(7))
    assert train(tmp_path).record.peak_bytes == 10**15


def test_each_train_row_says_how_long_the_step_waited_for_its_input(tmp_path):
    for row in log.read(train(tmp_path).files.log)[1]:
        assert ("wait_ms" in row) == (row["split"] == "train")
        if row["split"] == "train":
            assert 0 <= row["wait_ms"] <= 1000 * row["seconds"] + 0.01 and row["wait_ms"] == round(row["wait_ms"], 3)


def test_the_record_says_where_images_are_held_and_an_older_record_without_it_is_continued(tmp_path):
    whole = train(tmp_path / "whole", augment="randaugment")
    assert whole.record.data.held == "memory-mapped"
    with pytest.raises(Stopped):
        train(tmp_path / "cut", stop_at(3), augment="randaugment")
    path = next((tmp_path / "cut").rglob("model_*.json"))
    record = records.read(path)
    record.data.held = None
    records.write(path, record)
    ended = train(tmp_path / "cut", augment="randaugment")
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.record.data == replace(whole.record.data, held=None) and "held" not in path.read_text()


def test_micro_batches_change_no_loss_beyond_rounding(tmp_path):
    whole = train(tmp_path / "whole", dropout=0.0)
    split = train(tmp_path / "split", dropout=0.0, options={"micro_batch_size": 12})
    for one, other in zip(rows_without_times(whole.files.log), rows_without_times(split.files.log), strict=True):
        assert abs(one["loss"] - other["loss"]) < 1e-4
    assert whole.record.run_id == split.record.run_id


@pytest.mark.slow
def test_one_batch_is_overfitted(tmp_path):
    run = train(tmp_path, limit_train=16, batch_size=16, epochs=120, dropout=0.0, lr=3e-3)
    train_losses = [row["loss"] for row in log.read(run.files.log)[1] if row["split"] == "train"]
    assert train_losses[0] > 1.5 and train_losses[-1] < 0.05


def test_a_finished_run_is_not_trained_again_unless_fresh(tmp_path):
    first, screen = train(tmp_path), Quiet()
    written = first.files.weights.stat().st_mtime_ns
    train(tmp_path, screen)
    assert screen.steps == [] and "done already" in screen.said[0]
    again = train(tmp_path, options={"fresh": True})
    assert again.files.weights.stat().st_mtime_ns > written


def test_best_is_the_epoch_of_lowest_full_validation_loss(tmp_path):
    run = train(tmp_path, epochs=4, lr=5e-3)
    full = {row["epoch"]: row["loss"] for row in log.read(run.files.log)[1] if row["split"] == "val_full"}
    assert run.record.best.epoch == min(full, key=full.__getitem__)
    assert run.record.best.val_loss == min(full.values())


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path):
    with pytest.raises(Diverged, match=r"loss is (nan|inf) at step \d+"):
        train(tmp_path, lr=1e30, epochs=8)
    assert not list(tmp_path.rglob("*.safetensors")) or not list(tmp_path.rglob("model_*_predictions.parquet"))


def test_a_damaged_newest_state_falls_back_to_the_one_before_and_says_so(tmp_path):
    whole = train(tmp_path / "whole")
    for step in (3, 6):
        with pytest.raises(Stopped):
            train(tmp_path / "cut", stop_at(step))
    newest = next((tmp_path / "cut").rglob("state-6.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-7])
    screen = Quiet()
    ended = train(tmp_path / "cut", screen)
    assert any("damaged" in text for text in screen.said) and screen.steps[0] == 4
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()


def test_the_record_stands_before_the_first_step_and_results_at_the_end(tmp_path):
    seen = []
    files = experiment.RunFiles.of(tmp_path, experiment.plan(TINY, Quiet()))
    run = train(tmp_path, Quiet(after=lambda _: seen.append(records.read(files.record).status)))
    assert set(seen) == {"running"} and run.record.status == "done"
    assert json.loads(run.files.record.read_text())["results"]["test"]["n"] == 60


def test_gradients_between_ranks_are_refused_where_there_is_one_process(tmp_path):
    with pytest.raises(InputError, match=r"--gradients bf16 has no effect with one process. Omit it, or start"):
        train(tmp_path, options={"gradients": "bf16"})
    with pytest.raises(InputError, match=r"unknown --gradients 'fp16'. Did you mean `bf16`"):
        train(tmp_path, options={"gradients": "fp16"})
    assert not list(tmp_path.rglob("*.json"))
    assert train(tmp_path).record.execution.gradients == "fp32"


def test_the_same_run_cannot_be_trained_twice_at_once(tmp_path):
    caught = []

    def second(step):
        if step == 2:
            with pytest.raises(Held, match="another process") as error:
                train(tmp_path)
            caught.append(error)

    train(tmp_path, Quiet(after=second))
    assert caught


def test_the_weights_file_alone_tells_how_to_build_the_model(tmp_path):
    from app import models
    from app.config.run import RunConfig

    run = train(tmp_path)
    header = json.loads(safe_open(run.files.weights, framework="pt").metadata()["isoscale"])
    model = models.build(RunConfig.from_json(header["config"]), attention_path="plain")
    assert checkpoint.load_weights(run.files.weights, model)["class_names"] == [str(digit) for digit in range(10)]
    data = run.record.data
    assert header["preprocessing"] == {
        "input_shape": [1, 8, 8], "mean": data.mean, "std": data.std, "interpolation": "bilinear", "stored_side": 8,
    }  # fmt: skip
    assert all(checkpoint.metadata(path) == header for path in (run.files.weights, run.files.best))


def test_evaluate_repeats_the_numbers_from_predictions_and_from_weights(tmp_path):
    run = train(tmp_path)
    options = experiment.Options(checkpoints=tmp_path)
    stored = experiment.evaluate(run, options, Quiet())
    again = experiment.evaluate(run, options, Quiet(), again=True)
    assert stored.record.results.test == again.record.results.test == run.record.results.test
    best = experiment.evaluate(run, options, Quiet(), which=BEST)
    assert best.record.results.test_best.n == 60 and best.files.best_predictions.exists()
    assert "best_predictions" in best.record.files and "best_predictions" not in run.record.files


def test_bf16_is_another_run_and_still_learns(tmp_path):
    run = train(tmp_path, precision="bf16")
    assert run.record.run_id != train(tmp_path).record.run_id
    assert run.record.places[0].precision == "bf16"
    assert torch.isfinite(torch.tensor(run.record.test.loss))


def test_a_run_that_dies_in_its_last_evaluation_needs_no_more_steps(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr("app.evaluation.predict", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        train(tmp_path / "cut")
    screen = Quiet()
    ended = train(tmp_path / "cut", screen)
    assert screen.steps == []
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.record.results == whole.record.results


def test_what_a_continued_run_is_computed_by_stands_in_its_record(tmp_path):
    plain, tiled = {"attention_path": "plain"}, {"attention_path": "tiled", "micro_batch_size": 16}
    with pytest.raises(Stopped):
        train(tmp_path, stop_at(3), options=plain)
    record = train(tmp_path, options=tiled).record
    assert [at.execution.attention_path for at in record.places] == ["plain", "tiled"]
    assert record.execution.attention_path == "tiled" and record.execution.micro_batch_size == 16


def test_a_run_leaves_the_process_s_threads_as_they_were(tmp_path):
    torch.set_num_threads(2)
    assert train(tmp_path).record.execution.threads == 1 and torch.get_num_threads() == 2


def test_a_stopped_run_says_so_and_its_seconds_add_up_over_its_processes(tmp_path):
    """So do its dollars, and the newest tag is kept; the last process has neither a price nor a tag."""
    with pytest.raises(Stopped):
        train(tmp_path, interrupted(3), options={"tag": "first", "usd_per_hour": 3600.0})
    stopped = find_runs(tmp_path)[0]
    assert (stopped.record.status, stopped.record.tag) == ("stopped", "first")
    before = stopped.record.places[0].seconds
    assert stopped.record.dollars == pytest.approx(before) and before >= stopped.record.seconds.training > 0
    saved = checkpoint.load_state(stopped.files.state, print)
    facts = saved._replace(facts=msgspec.structs.replace(saved.facts, seconds=1000.0))
    checkpoint.save_state(stopped.files.state, facts, best=saved.facts.best.file if saved.facts.best else None)
    done = train(tmp_path)
    assert done.record.status == "done" and done.record.seconds.training > 1000
    seconds, places = done.record.seconds, done.record.places
    assert seconds.lost is None and seconds.training > seconds.validation > 0 and seconds.waiting is not None
    assert places[0].seconds > 1000 - 1 and places[1].seconds >= seconds.test
    assert done.record.dollars == pytest.approx(places[0].seconds) and done.record.tag == "first"


class Killed(BaseException):
    """The end of a process that may write nothing any more."""


@pytest.mark.slow
def test_a_run_that_was_stopped_and_killed_has_the_seconds_of_all_its_processes(tmp_path):
    """What the killed one computed after the state is lost work, and no part of the training."""

    def kill(step):
        if step == 7:
            raise Killed

    priced = {"usd_per_hour": 3600.0}
    with pytest.raises(Stopped):
        train(tmp_path, interrupted(3), options=priced)
    with pytest.raises(Killed):
        train(tmp_path, Quiet(after=kill), options=priced)
    left = [row for row in log.read(find_runs(tmp_path)[0].files.log)[1] if row["step"] > 3]
    stopped = checkpoint.load_state(find_runs(tmp_path)[0].files.state, print).facts.seconds
    done = train(tmp_path, options=priced).record
    assert done.seconds.lost == pytest.approx(sum(row["seconds"] for row in left), abs=0.1) and len(left) >= 6
    trained = sum(row["seconds"] for row in log.read(find_runs(tmp_path)[0].files.log)[1])
    assert done.seconds.training == pytest.approx(trained, abs=0.5) and done.seconds.training >= round(stopped, 1)
    assert done.dollars == pytest.approx(sum(place.seconds for place in done.places), abs=1e-4)
    assert done.dollars >= done.seconds.training + done.seconds.lost + done.seconds.test - 0.3


def test_a_run_that_began_in_another_precision_resumes_in_it_wherever_it_is():
    place, said = place_of_run.choose(device="cpu"), []
    kept = SimpleNamespace(places=[SimpleNamespace(precision="bf16"), SimpleNamespace(precision="fp32")])
    config = experiment.plan(TINY, Quiet())
    assert stages.in_its_precision(place, config, kept, said.append).precision == "bf16" and "bf16" in said[0]
    asked = dataclasses.replace(config, precision="fp32")
    assert stages.in_its_precision(place, asked, kept, said.append) == place and len(said) == 1


@pytest.mark.parametrize("name", ["weights", "best", "predictions", "log"])
def test_a_finished_run_with_a_changed_file_is_not_called_done(tmp_path, name):
    path = getattr(train(tmp_path).files, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=path.name):
        train(tmp_path)


def test_a_finished_run_that_differs_in_its_epochs_only_is_named_once_training_begins(tmp_path):
    first = train(tmp_path, epochs=1)
    longer, other, again = Quiet(), Quiet(), Quiet()
    train(tmp_path, longer, epochs=2)
    train(tmp_path, other, epochs=2, seed=1)
    train(tmp_path, again, epochs=2)
    said = [[text for text in screen.said if "--epochs" in text] for screen in (longer, other, again)]
    assert len(said[0]) == 1 and f"run {first.record.run_id} (1 epoch)" in said[0][0] and said[1:] == [[], []]
