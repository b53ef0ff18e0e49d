"""A set beyond the machine's memory: it trains from the memory map, as the same run with the same result."""

import numpy as np
import pytest
import torch

from app import data
from app.data.store.cache import Cached
from app.experiment import run as experiment
from app.place import Place, choose
from app.system import memory

from .runs import TINY, Quiet

CELLS = {"augment": "randaugment", "dropout": 0.2}


def few_bytes(monkeypatch):
    """A host whose memory holds a tenth of the images of the run."""
    monkeypatch.setattr(memory, "total", lambda *_: 60_000)
    monkeypatch.setattr(memory, "free", lambda *_: 60_000)


def resident(monkeypatch):
    """A place that copies the images into its own memory."""
    monkeypatch.setattr(Place, "hold", lambda _, array: (torch.from_numpy(np.array(array)), "device"))


@pytest.fixture
def mapped(monkeypatch):
    """Which arrays of the cache were read from their file: none of it may be copied at once."""
    seen, images = [], Cached.images
    monkeypatch.setattr(Cached, "images", lambda *of: seen.append(images(*of)) or seen[-1])
    return seen


def prepared(screen):
    config = experiment.plan(TINY | CELLS, screen)
    return config, data.prepare(data.ask_of(config.to_json(), path=None), screen.say, screen.reading)


def trained(folder):
    config = experiment.plan(TINY | CELLS, Quiet())
    options = experiment.Options(checkpoints=folder, micro_batch_size=32)
    return experiment.train_run(config, options, Quiet())


def test_a_set_beyond_memory_trains_from_the_map_with_the_weights_of_the_resident_set(
    cache_folder, tmp_path, monkeypatch, mapped
):
    with monkeypatch.context() as patched:
        resident(patched)
        whole = trained(tmp_path / "resident")
    few_bytes(monkeypatch)
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))  # it is read there, too
    assert memory.total() < sum(images.nbytes for images in mapped)
    beyond = trained(tmp_path / "mapped")
    assert (whole.record["data"]["held"], beyond.record["data"]["held"]) == ("device", "memory-mapped")
    assert beyond.record["run_id"] == whole.record["run_id"]
    for part in ("split_fingerprint", "rows", "mean", "std", "version"):
        assert beyond.record["data"][part] == whole.record["data"][part]
    for name in ("weights", "best", "predictions", "splits"):
        assert getattr(beyond.files, name).read_bytes() == getattr(whole.files, name).read_bytes(), name


def test_a_set_beyond_memory_gives_the_same_splits_and_batches_from_its_file(cache_folder, monkeypatch):
    config, cached = prepared(Quiet())
    with monkeypatch.context() as patched:
        resident(patched)
        near = data.splits(config, choose(device="cpu"), cached, Quiet().say)
    few_bytes(monkeypatch)
    _, cached = prepared(Quiet())
    far = data.splits(config, choose(device="cpu"), cached, Quiet().say)
    assert far.record["held"] == "memory-mapped" and far.train.images.data_ptr() != near.train.images.data_ptr()
    for name in ("train", "val", "test"):
        one, other = getattr(near, name), getattr(far, name)
        assert np.array_equal(one.rows, other.rows) and np.array_equal(one.order(1), other.order(1))
        for parts in zip(one.batch(one.order(1)[:32], epoch=1), other.batch(one.order(1)[:32], epoch=1), strict=True):
            assert torch.equal(*parts)


@pytest.mark.gpu
def test_on_a_gpu_the_batches_are_the_same_from_the_device_from_pinned_memory_and_from_the_map(
    cache_folder, monkeypatch
):
    config, cached = prepared(Quiet())
    held = {"device": (1.0, 1.0), "pinned": (0.0, 1.0), "mapped": (0.0, 0.0)}  # shares of the device's and the host's
    splits = {}
    for where, (of_device, of_host) in held.items():
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_, of=of_device: (int(of * 1e9), 10**9))
        monkeypatch.setattr(memory, "free", lambda *_, of=of_host: int(of * 1e9))
        splits[where] = data.splits(config, choose(device="cuda"), cached, Quiet().say)
        assert splits[where].record["held"] == where
    order = splits["device"].train.order(0)[:32]
    batches = {where: split.train.batch(order, epoch=0) for where, split in splits.items()}
    for where in ("pinned", "mapped"):
        for one, other in zip(batches["device"], batches[where], strict=True):
            assert torch.equal(one, other)
