"""A dataset that is too large to keep: divided by content, streamed in a seeded order, continued in the same bits."""

import dataclasses
import os
import shutil
import signal
import threading
from collections import namedtuple

import numpy as np
import pytest
import torch

from app.data.sources import opening
from app.data.splits import stream
from app.data.store import cache
from app.errors import HubUnavailable, InputError, Stopped
from app.experiment import run as experiment
from tests.experiment.runs import Quiet

from .pictures import TINY, encoded, noise, write_hub, write_images, write_parquet
from .reading import Reading

NAMES, N = ["disc", "square"], 150
LABELS = {"train": [0, 1] * (N // 2), "test": [1, 0] * 5}
RUN = TINY | {"epochs": 2, "batch_size": 32, "val_batch_size": 16, "augment": "flip_crop"}
PIXELS = {noise(i).transpose(2, 0, 1).tobytes(): i for i in range(N)}  # stored image -> row


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """An empty cache on a machine whose memory holds 100 of the test's images."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_memory", lambda: 100 * 16 * 16 * 3)


@pytest.fixture
def folder(tmp_path):
    """Rows of noise, each its own, in a folder that says how many there are."""
    return counted(write_hub(tmp_path / "set", LABELS, NAMES))


def counted(folder):
    card, rows = folder / "README.md", {"train": N, "test": 10}
    lines = "".join(f"  - name: {name}\n    num_bytes: 1\n    num_examples: {n}\n" for name, n in rows.items())
    card.write_text(card.read_text().replace("configs:\n", f"  splits:\n{lines}configs:\n", 1))
    return folder


def streamed(folder, **request):
    """The splits of a reading that came to be streamed."""
    reading = Reading(folder, **({"augment": "none"} | request))
    assert reading.cached.streamed
    return reading, reading.splits()


def epoch_rows(split, epoch, size=7):
    """The published rows of an epoch, in its order, read off the pixels."""
    order, rows = split.order(epoch), []
    for start in range(0, len(split), size):
        images, targets = split.batch(order[start : start + size], epoch=epoch)
        pixels = (images * split.std[:, None, None] + split.mean[:, None, None]) * 255
        rows += [PIXELS[image.numpy().tobytes()] for image in pixels.round().to(torch.uint8)]
        assert targets.tolist() == [row % 2 for row in rows[-len(targets) :]]
    return rows


def test_every_training_row_comes_once_an_epoch_and_no_held_out_row_ever(folder):
    reading, splits = streamed(folder)
    assert len(splits.train) + len(splits.val) == N and len(splits.test) == 10
    for epoch in (0, 1):
        rows = epoch_rows(splits.train, epoch)
        assert sorted([*rows, *splits.val.rows]) == list(range(N))
    assert reading.manifest["rows"] == splits.record["rows"] and splits.record["streamed"]


def test_the_held_out_images_are_the_dataset_s(folder):
    _, splits = streamed(folder)
    for split, first in ((splits.val, 0), (splits.test, 1000)):
        images = np.stack([noise(first + row).transpose(2, 0, 1) for row in split.rows])
        assert np.array_equal(split.images.numpy(), images)


def test_an_order_is_keyed_by_seed_and_epoch_and_not_by_batch_size(folder):
    _, splits = streamed(folder)
    first = epoch_rows(splits.train, 0)
    assert first != sorted(first)
    assert epoch_rows(splits.train, 1) != first
    for size in (1, 64, 1000):
        assert epoch_rows(streamed(folder)[1].train, 0, size) == first
    assert epoch_rows(streamed(folder, seed=1)[1].train, 0) != first


def test_a_stream_goes_on_at_any_position_and_says_that_it_reads_up_to_it(folder):
    whole = streamed(folder)[1].train
    every = [whole.batch(np.arange(start, start + 10), epoch=1)[0] for start in range(0, 100, 10)]
    for position in (10, 70):
        reading, splits = streamed(folder)
        images, _ = splits.train.batch(np.arange(position, position + 10), epoch=1)
        assert torch.equal(images, every[position // 10])
        assert reading.said[-1].endswith(f"up to row {position} of epoch 2")


def test_statistics_are_of_the_training_rows_alone(folder):
    _, splits = streamed(folder)
    train = sorted(set(range(N)) - set(splits.val.rows))
    pixels = np.stack([noise(row) for row in train]) / 255
    np.testing.assert_allclose(splits.train.mean, pixels.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(splits.train.std, pixels.std((0, 1, 2)), rtol=1e-6)


def test_equal_images_and_rows_of_a_group_fall_into_one_split(tmp_path):
    same = [{"bytes": encoded(noise(i // 3)), "path": None} for i in range(N)]
    labels = {"train": LABELS["train"]}
    folder = write_hub(tmp_path / "set", labels, NAMES, image={"train": same})
    _, splits = streamed(folder)
    triples = [{row // 3 for row in split.rows} for split in (splits.val, splits.test)]
    assert [3 * len(triple) for triple in triples] == [len(splits.val), len(splits.test)]
    assert all(triples) and not triples[0] & triples[1]
    patients = [f"p{i // 5}" for i in range(N)]
    features = [("patient", "string")]
    grouped = write_hub(tmp_path / "g", labels, NAMES, more_features=features, patient={"train": patients})
    _, splits = streamed(grouped, group_column="patient")
    fives = [{row // 5 for row in split.rows} for split in (splits.val, splits.test)]
    assert [5 * len(five) for five in fives] == [len(splits.val), len(splits.test)]


def test_another_split_seed_or_share_is_another_cache_of_the_stream(folder):
    reading, splits = streamed(folder)
    for other in ({"split_seed": 1}, {"val_fraction": 0.3}):
        again, changed = streamed(folder, **other)
        assert again.cached.folder != reading.cached.folder
        assert changed.record["split_fingerprint"] != splits.record["split_fingerprint"]
    assert not streamed(folder, seed=1)[0].was_read


def test_a_warm_start_opens_nothing_before_the_first_batch(folder, monkeypatch):
    streamed(folder)
    monkeypatch.setattr(opening, "_opened", lambda *_: pytest.fail("the source was opened"))
    reading, splits = streamed(folder)
    assert not reading.was_read and len(splits.train) > 100 and list(splits.val.batches(16))


def test_a_set_without_row_counts_falls_over_to_the_stream_when_the_room_is_taken(tmp_path):
    reading, splits = streamed(write_hub(tmp_path / "set", LABELS, NAMES))
    assert "is more than 60% of this machine's memory" in reading.said[0]
    assert "is streamed: validation (and test, where it is carved) is chosen by a hash" in reading.said[1]
    assert sorted([*epoch_rows(splits.train, 0), *splits.val.rows]) == list(range(N))
    assert [path.name for path in (tmp_path / "cache" / "data").iterdir()] == [reading.cached.folder.name]


def test_a_disk_too_small_for_all_rows_is_enough_for_the_held_out_ones(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache, "_memory", lambda: 1e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1_100_000))
    reading, _ = streamed(folder)
    assert "but 1,100,000 are free; free some space first, or train from the stream, as is done now" in reading.said[0]


def test_unlabelled_rows_are_counted_and_stream_past(tmp_path):
    labels = [-1 if row % 10 == 0 else row % 2 for row in range(N)]
    reading, splits = streamed(write_hub(tmp_path / "set", {"train": labels, "test": [0, 1]}, NAMES))
    assert reading.manifest["unlabelled"] == {"train": N // 10, "test": 0}
    rows = [*epoch_rows(splits.train, 0), *splits.val.rows]
    assert sorted(rows) == [row for row in range(N) if row % 10]


def test_an_image_folder_is_shuffled_as_a_whole(tmp_path):
    reading, splits = streamed(write_images(tmp_path / "pets", each=60, splits=("train",)))
    assert reading.manifest["stream"]["buffer"] > 100_000  # paths, not pixels, wait in it
    targets = splits.train.batch(np.arange(len(splits.train)), epoch=0)[1]
    assert 0.3 < targets[:50].float().mean() < 0.7


def test_an_unreadable_image_is_named_before_training(tmp_path):
    images = [{"bytes": encoded(noise(i)) if i != 77 else b"bad", "path": None} for i in range(N)]
    folder = write_hub(tmp_path / "set", {"train": LABELS["train"]}, NAMES, image={"train": images})
    with pytest.raises(InputError, match="row 77 of the train split of local/set: the bytes are not a readable image"):
        Reading(counted(folder))


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"limit_train": 50}, "a dataset that is streamed takes no --limit-train"),
        ({"group_column": "label"}, "groups of a streamed dataset need a carved test set; add --test-fraction 0.2"),
        ({"val_fraction": 0.9}, "validation and test of local/set at 16 px is .* bytes, more than 60% of this machine"),
    ],
)
def test_what_cannot_be_streamed_is_refused_with_a_sentence(folder, request_, sentence):
    with pytest.raises(InputError, match=sentence):
        Reading(folder, **request_)


def test_a_limit_is_refused_on_a_warm_start_too_and_others_cut(folder):
    streamed(folder)
    with pytest.raises(InputError, match="takes no --limit-train"):
        Reading(folder, limit_train=50)
    _, splits = streamed(folder, limit_val=3, limit_test=4)
    assert (len(splits.val), len(splits.test)) == (3, 4)


def test_labels_that_are_no_class_indices_are_refused(tmp_path):
    write_parquet(tmp_path / "set" / "train.parquet", ["cat", "dog"] * (N // 2))
    with pytest.raises(InputError, match=r"is more than 60% .* its labels are not class indices \(ClassLabel\)"):
        Reading(tmp_path / "set")


@pytest.fixture
def waited(monkeypatch):
    """The seconds that were waited, without waiting."""
    waits = []
    monkeypatch.setattr("time.sleep", lambda seconds: waits.append(seconds) if seconds else None)
    return waits


def broken(split, times, at=40):
    """Makes the split's source fall silent after some rows, so many times."""
    reopen, left = split.reopen, [times]

    def rows(source, *key):
        for number, example in enumerate(source.shuffled(*key)):
            if number == at and left[0]:
                left[0] -= 1
                raise HubUnavailable("gone")
            yield example

    class Silent:
        def __init__(self):
            source = reopen()
            self.shuffled, self.class_indices = lambda *key: rows(source, *key), source.class_indices

    split.reopen = Silent


def test_a_stream_that_breaks_is_opened_again_and_loses_no_row(folder, waited):
    expected = epoch_rows(streamed(folder)[1].train, 0)
    reading, splits = streamed(folder)
    broken(splits.train, 2)
    assert epoch_rows(splits.train, 0) == expected
    assert waited == list(stream._WAITS[:2]) and "gone; the stream is opened again in 2 s" in reading.said


def test_a_stream_that_stays_broken_is_given_up(folder, waited):
    _, splits = streamed(folder)
    broken(splits.train, 99)
    with pytest.raises(HubUnavailable, match="gone"):
        epoch_rows(splits.train, 0, size=64)
    assert waited == list(stream._WAITS)


def test_a_folder_that_changed_is_told(folder):
    _, splits = streamed(folder)
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", LABELS["train"], first=7)
    with pytest.raises(InputError, match="is not what the run was made with"):
        splits.train.batch(np.arange(4), epoch=0)


def trained(folder, checkpoints, screen=None, *, options=None, **request):
    request, screen = RUN | {"dataset": str(folder)} | request, screen or Quiet()
    options = experiment.Options(checkpoints=checkpoints, **(options or {}))
    return experiment.train_run(experiment.plan(request, screen), options, screen, path=str(folder))


def stop_at(step):
    return Quiet(after=lambda now: os.kill(os.getpid(), signal.SIGTERM) if now == step else None)


@pytest.mark.parametrize("step", [2, 5, 7])
def test_a_run_stopped_in_an_epoch_ends_in_the_same_bits(folder, tmp_path, step):
    whole, seen = trained(folder, tmp_path / "whole"), Quiet()
    with pytest.raises(Stopped):
        trained(folder, tmp_path / "cut", stop_at(step))
    ended = trained(folder, tmp_path / "cut", seen)
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    assert ended.files.predictions.read_bytes() == whole.files.predictions.read_bytes()
    assert seen.steps[0] == step + 1 and ended.record.data.streamed


def test_a_run_goes_on_as_it_began_where_there_is_more_memory(folder, tmp_path, monkeypatch):
    whole = trained(folder, tmp_path / "whole")
    with pytest.raises(Stopped):
        trained(folder, tmp_path / "cut", stop_at(3))
    monkeypatch.setattr(cache, "_memory", lambda: 1e9)
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "elsewhere"))
    ended = trained(folder, tmp_path / "cut")
    assert ended.files.weights.read_bytes() == whole.files.weights.read_bytes()
    shutil.rmtree(tmp_path / "elsewhere")
    assert not Reading(folder).cached.streamed


def silent(monkeypatch, *, after, then):
    """Makes the source, after so many rows of an epoch's stream, call `then` before each row."""
    again = opening.again

    def opened(*asked):
        source = again(*asked)

        def rows(*key):
            for number, example in enumerate(source.shuffled(*key)):
                if number >= after:
                    then()
                yield example

        return dataclasses.replace(source, shuffled=rows)

    monkeypatch.setattr(opening, "again", opened)


@pytest.fixture
def held():
    """Waits for the test's end, in place of a source that does not answer."""
    ended = threading.Event()
    yield lambda: ended.wait(60)
    ended.set()


def kill(*_):
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("asked", "options"), [(kill, {}), (None, {"max_minutes": 0.03})])
def test_a_stop_is_not_held_up_by_a_silent_source(folder, tmp_path, monkeypatch, held, asked, options):
    whole = trained(folder, tmp_path / "whole")
    with monkeypatch.context() as silenced, pytest.raises(Stopped, match="after step 2 of") as end:
        monkeypatch.setattr(stream, "_LOOK", 0.05)
        silent(silenced, after=90, then=held)
        if asked:
            threading.Timer(2, asked).start()
        trained(folder, tmp_path / "cut", options=options)
    assert end.value.saved
    ended = trained(folder, tmp_path / "cut", seen := Quiet())
    assert seen.steps[0] == 3 and ended.files.weights.read_bytes() == whole.files.weights.read_bytes()


def test_a_stop_before_the_first_step_is_not_held_up_either(folder, tmp_path, monkeypatch, held):
    silent(monkeypatch, after=5, then=held)
    threading.Timer(2, kill).start()
    with pytest.raises(Stopped, match="stopped by SIGTERM before the first step") as end:
        trained(folder, tmp_path)
    assert not end.value.saved


def test_a_time_limit_lets_a_process_end_one_step(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_LOOK", 0.05)
    silent(monkeypatch, after=31, then=lambda: threading.Event().wait(0.01))
    with pytest.raises(Stopped, match="after step 1 of"):
        trained(folder, tmp_path, options={"max_minutes": 0})


def test_a_source_that_stays_silent_costs_no_step(folder, tmp_path, monkeypatch, waited):
    whole = trained(folder, tmp_path / "whole")

    def gone():
        raise HubUnavailable("gone")

    with monkeypatch.context() as silenced, pytest.raises(HubUnavailable, match="gone"):
        silent(silenced, after=90, then=gone)
        trained(folder, tmp_path / "cut")
    ended = trained(folder, tmp_path / "cut", seen := Quiet())
    assert seen.steps[0] == 3 and ended.files.weights.read_bytes() == whole.files.weights.read_bytes()


def test_an_image_that_changed_under_a_stream_is_told(tmp_path):
    folder = write_images(tmp_path / "pets", each=60, splits=("train",))
    _, splits = streamed(folder)
    splits.train.batch(np.arange(1), epoch=0)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"bad")
    with pytest.raises(InputError, match="an image of local/pets is not what it was before: the bytes are"):
        splits.train.batch(np.arange(1, len(splits.train)), epoch=0)


def test_micro_batches_see_the_same_rows(folder, tmp_path):
    whole = trained(folder, tmp_path / "whole", dropout=0.0)
    parts = trained(folder, tmp_path / "parts", dropout=0.0, options={"micro_batch_size": 12})
    assert abs(whole.record.test.loss - parts.record.test.loss) < 1e-4


def test_evaluate_needs_no_training_row(folder, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    run = trained(folder, tmp_path / "runs")
    assert set(pq.read_table(run.files.splits)["split"].to_pylist()) == {"val", "test"}
    monkeypatch.setattr(opening, "_opened", lambda *_: pytest.fail("the source was opened"))
    options = experiment.Options(checkpoints=tmp_path / "runs")
    again = experiment.evaluate(run, options, Quiet(), again=True)
    assert again.record.results.test == run.record.results.test


def test_the_next_epoch_is_opened_before_its_first_batch_is_asked_for(folder):
    expected, began = epoch_rows(streamed(folder)[1].train, 1), []
    train = streamed(folder)[1].train
    reopen = train.reopen

    def watched():
        source = reopen()
        return dataclasses.replace(source, shuffled=lambda *key: began.append(key) or source.shuffled(*key))

    train.reopen = watched
    epoch_rows(train, 0)
    train.expect(train.order(1)[:7])
    train._filling.result()  # the reader's work, without a batch
    assert len(began) == 2 and epoch_rows(train, 1) == expected and len(began) == 2
