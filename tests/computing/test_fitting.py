"""Which micro-batch fits: the sizes that are tried, what an attempt computes, and what counts as taken."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.computing import attempts, fitting, rehearsal, trials
from app.computing.fitting import Need
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.errors import InputError, OutOfMemory
from app.place import Place, choose
from app.system import devices
from app.system.child import NoAnswer, ProcessEnded

FACTS = DatasetFacts(name="cifar100", classes=100, native=32)
CPU = choose(device="cpu")
GPU = Place(torch.device("cuda"), "bf16")
TINY = resolve({"size": "110K", "d_model": 64, "image": 8, "patch": 4, "batch_size": 8, "val_batch_size": 4},
               FACTS)  # fmt: skip


def test_micro_batches_are_equal_parts_and_at_least_half_of_the_one_before():
    assert [*attempts.sizes(512)] == [512, 256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert [*attempts.sizes(480)][:5] == [480, 240, 160, 120, 96]
    for batch in range(1, 300):
        found = [*attempts.sizes(batch)]
        assert found[0] == batch and found[-1] == 1
        assert all(one > other >= one / 2 for one, other in itertools.pairwise(found))
    assert [*attempts.sizes(7)] == [7, 4, 2, 1]


def test_the_first_size_that_neither_runs_out_of_memory_nor_leaves_too_little_is_taken():
    tried = []

    def attempt(size):
        tried.append(size)
        if size > 100:
            raise torch.OutOfMemoryError if size > 300 else RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")
        return size <= 64

    assert attempts.first_fitting([512, 256, 100, 64, 32], attempt, CPU) == 64 and tried == [512, 256, 100, 64]
    with pytest.raises(OutOfMemory, match="not even one image"):
        attempts.first_fitting([512, 256], attempt, CPU)
    with pytest.raises(ZeroDivisionError):
        attempts.first_fitting([512, 256], lambda size: 1 / 0, CPU)


@pytest.mark.parametrize("config", [TINY, replace(TINY, mixup=0.8)], ids=["plain", "mixed"])
def test_an_attempt_makes_two_parts_twice_with_the_run_s_optimiser_and_validates_a_batch(monkeypatch, config):
    passes, batches, kept, whole = [], [], [], rehearsal.loop.update

    def noted(model, optimizer, *arguments, **options):
        model.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
        batches.append(len(arguments[1]))
        kept.append(sum(value.numel() for state in optimizer.state.values() for value in state.values()))
        return whole(model, optimizer, *arguments, **options)

    monkeypatch.setattr(rehearsal.loop, "update", noted)
    monkeypatch.setattr(devices, "free_at_peak", lambda _: (100, 100))
    asked = {"attention_path": "plain", "checkpointing": False, "compile_": "off", "data_bytes": 0}
    assert attempts.fitting(config, CPU, **asked, most=4) == 4
    assert {*passes} == {4} and batches == [8, 8] and kept[0] == 0 and kept[1] >= 2 * TINY.parameters


def test_memory_that_must_stay_free_and_that_of_data_and_of_an_average_is_left(monkeypatch):
    rehearsed = []
    monkeypatch.setattr(attempts, "rehearse", lambda config, place, chosen: rehearsed.append(chosen.micro_batch_size))
    total = 1000 * 4 * TINY.parameters
    monkeypatch.setattr(devices, "free_at_peak", lambda _: (total // 10 - (rehearsed[-1] - 1) * total // 100, total))
    asked = {"attention_path": "plain", "checkpointing": False, "compile_": "off", "most": 8}
    assert attempts.fitting(TINY, CPU, **asked, data_bytes=0) == 2  # 9 % stay free with 2 images, 7 % with 4
    assert attempts.fitting(TINY, CPU, **asked, data_bytes=total // 100 + 1) == 1
    averaged = replace(TINY, ema=1.0)
    assert attempts.fitting(averaged, CPU, **asked, data_bytes=total // 100) == 1


def test_the_peak_is_what_torch_reserved_most_and_what_others_have_now(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (50, 100))  # 20 of others
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 30)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 70)
    assert devices.free_at_peak(torch.device("cuda")) == (10, 100)


@pytest.mark.parametrize("more", [{}, {"mixup": 0.8}, {"augment": "flip_crop+rand:9"}], ids=str)
def test_noise_passes_through_the_run_s_transforms(more):
    config = resolve({"size": "1M", "image": 16, "patch": 4, "batch_size": 100} | more, FACTS)
    split = attempts.noise(config, CPU, 100)
    assert split.images.dtype == torch.uint8 and split.images.shape == (64, 3, 16, 16)
    examples = split.paired(split.order(0), 0)
    inputs, targets = split.batch(examples, epoch=0)
    assert inputs.shape == (100, 3, 16, 16) and inputs.dtype == torch.float32
    assert (examples.dtype.names is not None) == bool(config.mixup) == hasattr(targets, "share")
    assert np.array_equal(np.sort(split.order(0)), np.arange(100))


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """Trials of a GPU that exists only in name, in which 64 images fit, or 256 compiled; each is noted."""
    found = []

    def fits(config, place, *, most, compile_, **_):
        found.append((compile_, most))
        return min(most, {"off": 64, "blocks": 256}[compile_])

    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.setattr(trials, "key_of", lambda config, place: {})
    monkeypatch.setattr(Place, "memory", lambda place: (0, 0))
    monkeypatch.setattr(attempts, "fitting", fits)
    return found


def run(function, *arguments, **options):
    return function(*arguments, **options)


def test_a_compiled_run_is_tried_compiled_from_two_sizes_above_the_one_that_fits_without(tried):
    config = resolve({}, FACTS)
    assert fitting.micro_batch(config, GPU, Need("sdpa"), how="off", say=print, run=run) == (64, False)
    assert fitting.micro_batch(config, GPU, Need("sdpa"), how="blocks", say=print, run=run) == (256, False)
    assert tried == [("off", 512), ("blocks", 256)]  # what was found once is remembered
    chosen = {"attention_path": "sdpa", "micro_batch_size": 64, "checkpointing": False}
    assert fitting.enlarged(config, GPU, chosen, Need("sdpa"), say=print, run=run)["micro_batch_size"] == 256
    assert fitting.enlarged(config, CPU, chosen, Need("sdpa"), say=print, run=run) == chosen


def test_a_rank_tries_its_share_of_the_batch(tried):
    config = resolve({}, FACTS)
    fitting.micro_batch(config, replace(GPU, ranks=4), Need("sdpa"), how="off", say=print, run=run)
    assert tried == [("off", 128)]


def test_compiling_that_was_asked_for_and_fails_is_an_error_and_by_choice_a_line(tried, monkeypatch):
    def fails(config, place, *, compile_, **_):
        if compile_ != "off":
            raise TypeError("no such instruction\nand more")
        return 64

    monkeypatch.setattr(attempts, "fitting", fails)
    config, said = resolve({}, FACTS), []
    with pytest.raises(InputError, match=r"--compile is unavailable here.*TypeError: no such instruction\). Omit it"):
        fitting.micro_batch(config, GPU, Need("sdpa"), how="blocks", say=print, run=run)
    chosen = {"attention_path": "sdpa", "micro_batch_size": 64, "checkpointing": False}
    assert fitting.enlarged(config, GPU, chosen, Need("sdpa"), say=said.append, run=run) == chosen
    assert "the micro-batch stays 64" in said[0]


@pytest.mark.parametrize("error", [ProcessEnded("the process ended with SIGABRT"), NoAnswer("no answer in 60 s")])
def test_a_trial_whose_process_ends_names_the_option_that_needs_no_trial(tried, error):
    def fails(*_, **__):
        raise error

    with pytest.raises(InputError, match=rf"failed on this device \({error}\)\. Choose a --micro-batch-size"):
        fitting.micro_batch(resolve({}, FACTS), GPU, Need("sdpa"), how="off", say=print, run=fails)


def test_compiling_that_was_asked_for_and_takes_too_long_is_an_error_that_asks_for_another_try(tried, monkeypatch):
    def slow(config, place, *, compile_, **_):
        if compile_ != "off":
            raise NoAnswer("no answer within 600 s")
        return 64

    monkeypatch.setattr(attempts, "fitting", slow)
    with pytest.raises(InputError, match=r"too long \(no answer within 600 s\)\. Run the same command again"):
        fitting.micro_batch(resolve({}, FACTS), GPU, Need("sdpa"), how="blocks", say=print, run=run)


def test_a_path_is_timed_with_as_many_images_as_its_activations_likely_allow(monkeypatch):
    config = resolve({}, FACTS)
    monkeypatch.setattr(Place, "room", lambda place: (20 << 30, 24 << 30))
    kept, freed = (fitting.likely(config, GPU, path) for path in ("plain", "sdpa"))
    assert 1 < kept < freed < 512
    assert fitting.likely(config, Place(torch.device("cuda"), "fp32"), "sdpa") < freed
