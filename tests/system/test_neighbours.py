"""Runs side by side on one device: the memory and the energy of each, its price, and turns for trials."""

import multiprocessing
import os
import time
from types import SimpleNamespace

import pytest
import torch

from app import place
from app.computing import fitting, trials
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.errors import InputError
from app.place import Place
from app.system import devices, neighbours

GIB = 1 << 30
CUDA = torch.device("cuda", 0)
GPU = Place(CUDA, "bf16")
CONFIG = resolve({}, DatasetFacts(name="cifar100", classes=100, native=32))


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A GPU of 24 GiB that exists only in name: what is free, and what this process has allocated and reserved."""
    about = SimpleNamespace(free=24 * GIB, allocated=0, reserved=0, peak=0, fraction=1.0)
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.delenv(neighbours.VARIABLE, raising=False)
    fakes = {
        "mem_get_info": lambda _: (about.free, 24 * GIB), "memory_allocated": lambda _: about.allocated,
        "memory_reserved": lambda _: about.reserved, "max_memory_reserved": lambda _: about.peak,
        "set_per_process_memory_fraction": lambda fraction, _: setattr(about, "fraction", fraction),
        "get_per_process_memory_fraction": lambda _: about.fraction,
    }  # fmt: skip
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return about


@pytest.fixture
def four(gpu, monkeypatch):
    """This process is one of four runs on its device, and of eight on its machine."""
    monkeypatch.setenv(neighbours.VARIABLE, "4 8")
    return gpu


def test_a_run_alone_has_no_limit_and_nothing_in_its_record_or_its_keys(gpu):
    devices.take_share(CUDA)
    assert gpu.fraction == 1.0 and GPU.room() == (24 * GIB, 24 * GIB)
    assert "jobs" not in place.choose(device="cpu").describe() and neighbours.Neighbours().variable == {}
    assert "jobs_per_device" not in trials.key_of(CONFIG, place.choose(device="cpu"))


@pytest.mark.parametrize("text", ["", "4", "0 1", "a b", "-1 2", "1 2 3", "99999 1"])
def test_what_is_no_pair_of_counts_is_a_run_alone(monkeypatch, text):
    monkeypatch.setenv(neighbours.VARIABLE, text)
    assert neighbours.here() == (1, 1)


def test_each_of_four_runs_has_a_quarter_of_the_memory_whatever_the_others_took(four):
    gpu = four
    devices.take_share(CUDA)
    quarter = 6 * GIB - GIB // 2  # less the context
    assert round(gpu.fraction * 24 * GIB) == quarter
    for others in (0, 12 * GIB):  # before and after two of the others began
        gpu.free, gpu.reserved, gpu.allocated, gpu.peak = 23 * GIB - others, GIB, GIB, 4 * GIB
        assert GPU.room() == (quarter - GIB, quarter) and GPU.memory() == (quarter, 1)
        assert devices.free_at_peak(CUDA) == (quarter - 4 * GIB, quarter)
        assert GPU.has_room(2 * GIB) and not GPU.has_room(3 * GIB)  # of the 24, it would
    gpu.free = GIB // 4  # a program that is no neighbour took the rest
    assert GPU.room()[0] == GIB // 4


def test_trials_in_another_process_have_what_this_one_leaves_of_the_share(four):
    devices.take_share(CUDA, taken=2 * GIB)
    assert round(four.fraction * 24 * GIB) == 6 * GIB - 2 * GIB - GIB  # two contexts
    with pytest.raises(InputError, match=r"4 runs at once are too many for cuda:0, which has 24\.0 GiB"):
        devices.take_share(CUDA, taken=5 * GIB)


@pytest.mark.usefixtures("four")
def test_measurements_next_to_other_runs_are_remembered_apart(monkeypatch):
    here = place.choose(device="cpu")
    assert trials.key_of(CONFIG, here)["jobs_per_device"] == 4
    assert trials.remembered("step", trials.key_of(CONFIG, here), lambda: 2) == 2
    monkeypatch.delenv(neighbours.VARIABLE)
    assert trials.remembered("step", trials.key_of(CONFIG, here), lambda: 1) == 1


@pytest.mark.usefixtures("four")
def test_the_memory_of_a_host_is_divided_too(monkeypatch):
    monkeypatch.setattr(devices.memory, "total", lambda: 64 * GIB)
    monkeypatch.setattr(devices.memory, "free", lambda: 20 * GIB)
    assert Place(torch.device("cpu"), "fp32").room() == (16 * GIB, 16 * GIB)


def test_a_share_of_the_memory_means_smaller_micro_batches_at_first(gpu, monkeypatch):
    alone = fitting.likely(CONFIG, GPU, "sdpa")
    monkeypatch.setenv(neighbours.VARIABLE, "8 8")
    devices.take_share(CUDA)
    assert 1 <= fitting.likely(CONFIG, GPU, "sdpa") <= alone // 4


def _in_turn(cache, log, number):
    os.environ |= {"ISOSCALE_CACHE": str(cache), neighbours.VARIABLE: "2 2"}
    with neighbours.in_turn("cuda", lambda _: None):
        for _ in range(20):
            with log.open("a") as file:
                file.write(number)
            time.sleep(0.005)


def test_trials_of_two_runs_on_a_device_never_overlap(tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_in_turn, args=(tmp_path, log, number)) for number in "12"]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert log.read_text() in ("1" * 20 + "2" * 20, "2" * 20 + "1" * 20)
    assert not [*tmp_path.rglob("*.lock*")]


def test_runs_alone_and_folders_that_cannot_be_written_do_not_wait(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "file"))
    for text in ("", "2 2"):
        monkeypatch.setenv(neighbours.VARIABLE, text)
        with neighbours.in_turn("cuda", print), neighbours.in_turn("cuda", print):
            assert True
