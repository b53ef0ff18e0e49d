"""How a run is computed: chosen once, kept, and said aloud where it changes."""

import os
from dataclasses import replace

import pytest
import torch

from app.config import DatasetFacts, resolve
from app.errors import InputError
from app.experiment import execution
from app.place import choose, fitting_micro_batch

FACTS = DatasetFacts(name="cifar100", classes=100, native=32)
CPU = choose(device="cpu")


def test_a_small_model_takes_its_batch_whole():
    assert execution.choose(resolve({"size": "1M", "image": 32, "patch": 4}, FACTS), CPU).micro_batch_size == 512


def test_a_batch_that_does_not_fit_into_host_memory_is_halved_until_it_does(monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 24 * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    micro = execution.choose(resolve({"size": "50M"}, FACTS), CPU).micro_batch_size
    assert micro < 512 and 512 % micro == 0


def test_trying_on_a_device_halves_the_batch_until_memory_suffices():
    tried = []

    def attempt(size):
        tried.append(size)
        if size > 100:
            raise torch.OutOfMemoryError

    assert fitting_micro_batch(512, attempt) == 64 and tried == [512, 256, 128, 64]


def test_a_device_too_small_for_one_image_is_a_sentence():
    def attempt(size):
        raise torch.OutOfMemoryError

    with pytest.raises(InputError, match="not even one image"):
        fitting_micro_batch(4, attempt)


def test_a_continued_run_computes_as_it_began_and_says_what_differs():
    stored, said = {"attention_path": "plain", "micro_batch_size": 8, "threads": torch.get_num_threads()}, []
    assert execution.again(stored, CPU, said.append).to_json() == stored | {"gradients": "fp32"} and not said
    changed = execution.again(stored, CPU, said.append, micro_batch_size=4)
    assert changed.micro_batch_size == 4 and "began with 8" in said[0]


def test_a_run_that_began_with_bf16_between_ranks_keeps_it_and_says_that_one_process_has_none():
    stored = {"attention_path": "plain", "micro_batch_size": 8, "threads": torch.get_num_threads(), "gradients": "bf16"}
    said, two = [], replace(CPU, ranks=2)
    assert execution.again(stored, two, said.append).gradients == "bf16" and not said
    execution.require_effect("bf16", CPU, stored=stored)
    assert execution.again(stored, CPU, said.append, gradients="bf16").gradients == "bf16"
    assert len(said) == 1 and "--gradients bf16, which has no effect with one process" in said[0]
    with pytest.raises(InputError, match="has no effect with one process"):
        execution.require_effect("bf16", CPU, stored=stored | {"gradients": "fp32"})


def test_the_attention_path_on_a_cpu_follows_from_the_number_of_tokens():
    small, large = resolve({"size": "1M", "image": 32, "patch": 4}, FACTS), resolve({}, FACTS)
    assert [execution.choose(config, CPU).attention_path for config in (small, large)] == ["plain", "sdpa"]


def test_a_device_that_is_not_there_is_a_sentence():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match="try --device cpu"):
        choose(device="cuda")
