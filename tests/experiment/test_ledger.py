"""What a run costs: the time of every process is entered once, whether it ended, was stopped or was killed."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from report import made_up_run

from app.artifacts.parts import Place, Seconds
from app.artifacts.states import Facts
from app.experiment import ledger
from app.log import Row, TrainingLog, seconds_after
from app.system import energy

HERE = SimpleNamespace(describe=lambda: {"device": "made up", "precision": "fp32"})


def state(step, seconds, log_bytes=0, **more):
    return SimpleNamespace(
        step=step, facts=Facts(best=None, log_bytes=log_bytes, log_sha256="", seconds=seconds, **more)
    )


@pytest.fixture
def kept(tmp_path):
    """The record of a run whose first process began its loop after 5 seconds, and was killed."""
    made = made_up_run(tmp_path, dataset="digits", steps=1, status="running", top1=None).record
    made.places = [Place(device="a", precision="fp32", from_step=0, seconds=5.0, usd_per_hour=3600.0)]
    made.seconds = None
    return made


@pytest.fixture
def rows(tmp_path):
    """A log of 10 steps of 2 rows, a second each, and how many bytes its first 6 steps have."""
    log, lengths = TrainingLog(tmp_path / "a.log", header={}), {}
    for step in range(1, 11):
        for split in ("train", "val"):
            fields = {"step": step, "epoch": 1, "split": split, "lr": 0.1, "examples": 4, "seconds": 0.5}
            log.add(Row(fields, lambda: (1.0, 1)))
        lengths[step] = log.drain()
    log.close()
    return tmp_path / "a.log", lengths[6]


def stay(seconds, kwh=None):
    return ledger.Stay(ledger.time.monotonic() - seconds, lambda: kwh)


def test_the_seconds_behind_a_place_of_a_log_are_those_of_its_complete_rows(rows, tmp_path):
    path, after_six = rows
    assert seconds_after(path, 0) == 10 and seconds_after(path, after_six) == 4
    path.write_bytes(path.read_bytes()[:-3])  # a row without its end
    assert seconds_after(path, after_six) == 3.5 and seconds_after(tmp_path / "none.log", 0) == 0


def test_what_a_killed_process_left_is_its_state_and_its_lost_rows(kept, rows):
    """5 seconds before its loop, 6 up to the state, and 4 of steps that were lost."""
    ledger.open_place(kept, HERE, stay(2.0), from_step=6, usd_per_hour=1800.0)
    assert ledger.settle(kept, state(6, 6.0, rows[1], waiting=0.5, validation=1.5, energy_kwh=0.25), rows[0])
    assert kept.seconds == Seconds(training=6.0, waiting=0.5, validation=1.5, lost=4.0)
    assert (kept.places[0].seconds, kept.places[0].energy_kwh) == (15.0, 0.25)
    assert kept.places[1].seconds == 2.0 and kept.dollars == pytest.approx(15 + 1)
    assert kept.energy_kwh == 0.25


def test_a_run_without_a_state_lost_all_its_rows(kept, rows):
    ledger.open_place(kept, HERE, stay(0), from_step=0, usd_per_hour=None)
    ledger.settle(kept, None, rows[0])
    assert kept.seconds == Seconds(training=0.0, lost=10.0) and kept.places[0].seconds == 15.0
    assert "1 of 2 places" in ledger.note(kept)


def test_the_time_of_a_process_that_entered_it_is_not_counted_twice(kept, rows):
    """One stopped with its state saved, then one failed 4 seconds after its last state."""
    for trained, occupied, lost in ((6.0, 11.0, 0), (10.0, 15.0, 4.0)):
        kept.places = kept.places[:1]
        kept.places[0].seconds, kept.seconds = occupied, Seconds(training=trained)
        kept.places[0].energy_kwh = 0.75
        ledger.open_place(kept, HERE, stay(0), from_step=6, usd_per_hour=None)
        ledger.settle(kept, state(6, 6.0, rows[1] if lost else 10**6, energy_kwh=0.5), rows[0])
        assert kept.places[0].energy_kwh == 0.75
        assert (kept.places[0].seconds, kept.seconds.training, kept.seconds.lost or 0) == (occupied, 6.0, lost)


def test_lost_work_is_cumulated_over_kills(kept, rows):
    for _ in range(2):
        ledger.open_place(kept, HERE, stay(1.0), from_step=6, usd_per_hour=3600.0)
        ledger.settle(kept, state(6, 6.0, rows[1]), rows[0])
    assert kept.seconds.lost == 8.0
    assert [place.seconds for place in kept.places] == [15.0, 5.0, 1.0] and kept.dollars == pytest.approx(21)


def test_a_process_that_ends_enters_its_loop_and_its_test(kept):
    kept.places.clear()
    ledger.open_place(kept, HERE, at := stay(30.0, kwh=0.5), from_step=0, usd_per_hour=7.2)
    saving = SimpleNamespace(seconds=20.04, logging=SimpleNamespace(waiting=0.31, validation=4.0))
    ledger.enter(kept, at, saving)
    ledger.enter_test(kept, at, 2.0)
    assert kept.seconds == Seconds(training=20.0, waiting=0.3, validation=4.0, test=2.0)
    assert (kept.places[0].seconds, kept.energy_kwh) == (30.0, 0.5) and kept.dollars == pytest.approx(30 * 0.002)
    assert ledger.note(kept) == ""


def test_runs_at_once_share_the_price_of_their_machine(kept):
    kept.places.clear()
    here = SimpleNamespace(describe=lambda: {**HERE.describe(), "jobs": 4, "jobs_per_device": 2})
    ledger.open_place(kept, here, stay(30.0, kwh=0.5), from_step=0, usd_per_hour=7.2)
    assert kept.dollars == pytest.approx(30 * 0.002 / 4) and kept.places[0].seconds == 30.0


def test_energy_is_the_difference_of_the_gpus_counters(monkeypatch):
    nvml, shown = ModuleType("pynvml"), {"GPU-a": 5_000, "GPU-b": 10_000}
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.nvmlInit = nvml.nvmlShutdown = lambda: None
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: uuid
    nvml.nvmlDeviceGetTotalEnergyConsumption = shown.__getitem__  # in millijoules
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    since = energy.counter(["GPU-a", "GPU-b"])
    shown["GPU-a"] += 3_600_000_000
    shown["GPU-b"] += 1_800_000_000
    assert since() == 1.5
    half = energy.counter(["GPU-a", "GPU-b"], runs=2)
    shown["GPU-a"] += 3_600_000_000
    assert half() == 0.5

    def fail(_):
        raise nvml.NVMLError

    nvml.nvmlDeviceGetTotalEnergyConsumption = fail
    assert since() is None and energy.counter(["GPU-a"])() is None


def test_energy_is_unknown_without_a_gpu_or_without_its_library(monkeypatch):
    assert energy.gpus(torch.device("cpu"), 1) == [] and energy.counter([])() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy.counter(["GPU-a"])() is None
