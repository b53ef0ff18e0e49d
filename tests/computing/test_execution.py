"""How a run is computed: chosen once, kept, and said aloud where it changes."""

import gc
import weakref
from dataclasses import replace
from importlib import metadata

import pytest
import torch
from torch import nn

from app.computing import apart, attempts, choosing, execution, fitting, trials
from app.computing.execution import Execution, Wishes
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.errors import InputError, Stopped
from app.place import Place, choose
from app.system import devices, machine, memory

FACTS = DatasetFacts(name="cifar100", classes=100, native=32)
CPU = choose(device="cpu")
GPU = Place(torch.device("cuda"), "bf16")  # it exists only in name
SMALL = resolve({"size": "1M", "image": 32, "patch": 4}, FACTS)


def here(function, *arguments, **options):
    """A trial in this process."""
    return function(*arguments, **options)


def chosen(config, place=CPU, *, steps=1, say=lambda text: None, **wishes):
    return execution.choose(config, place, Wishes(**wishes), steps=steps, say=say)


def test_a_small_model_takes_its_batch_whole():
    assert chosen(SMALL).micro_batch_size == 512


def test_a_batch_that_does_not_fit_into_host_memory_is_halved_until_it_does(monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 24 * 2**30)
    micro = chosen(resolve({"size": "50M"}, FACTS)).micro_batch_size
    assert micro < 512 and 512 % micro == 0


def test_a_continued_run_computes_as_it_began_and_says_what_differs():
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=torch.get_num_threads()).to_json()
    said = []
    assert execution.again(stored, SMALL, CPU, Wishes(), said.append).to_json() == stored and not said
    changed = execution.again(stored, SMALL, CPU, Wishes(micro_batch_size=4), said.append)
    assert changed.micro_batch_size == 4 and "began with 8" in said[0]


def test_a_run_that_began_by_a_path_of_another_device_goes_on_by_one_of_this():
    stored = Execution(attention_path="fused", micro_batch_size=8, threads=torch.get_num_threads()).to_json()
    said = []
    assert execution.again(stored, SMALL, CPU, Wishes(), said.append).attention_path == chosen(SMALL).attention_path
    assert "resumes with plain, and its last bits may differ" in said[0]


def test_a_run_that_began_with_bf16_between_ranks_keeps_it_and_says_that_one_process_has_none():
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=torch.get_num_threads(), gradients="bf16")
    stored = stored.to_json()
    said, two = [], replace(CPU, ranks=2)
    assert execution.again(stored, SMALL, two, Wishes(), said.append).gradients == "bf16" and not said
    execution.require_effect("bf16", CPU, stored=stored)
    assert execution.again(stored, SMALL, CPU, Wishes(gradients="bf16"), said.append).gradients == "bf16"
    assert len(said) == 1 and "--gradients bf16, which has no effect with one process" in said[0]
    with pytest.raises(InputError, match="has no effect with one process"):
        execution.require_effect("bf16", CPU, stored=stored | {"gradients": "fp32"})


def test_the_attention_path_on_a_cpu_follows_from_the_number_of_tokens():
    assert chosen(SMALL).attention_path == "plain"
    assert chosen(resolve({}, FACTS)).attention_path == "tiled"
    assert chosen(resolve({"model": "vit_classic"}, FACTS)).attention_path == "sdpa"


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        ({"attention_path": "flash"}, "unknown attention path 'flash'"),
        ({"attention_path": "fused"}, "needs a CUDA device"),
        ({"micro_batch_size": 0}, "micro_batch_size=0 is out of range. Use a number from 1 to"),
    ],
)
def test_a_wish_that_cannot_be_had_is_a_sentence(wishes, what):
    with pytest.raises(InputError, match=what):
        chosen(SMALL, **wishes)


def test_an_attention_without_a_path_names_those_it_has():
    with pytest.raises(InputError, match=r"differential_v2 attention has no path .* plain, sdpa"):
        chosen(resolve({"size": "1100K", "image": 32, "patch": 4, "attention": "differential_v2"}, FACTS),
               attention_path="tiled")  # fmt: skip


def test_activations_are_made_again_where_few_images_would_fit(monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 4 * 2**30)
    said, large = [], resolve({"size": "50M"}, FACTS)
    found = chosen(large, say=said.append)
    assert found.checkpointing and found.micro_batch_size > 8 and "activation checkpointing is on" in said[-1]
    kept = chosen(large, checkpointing=False)
    assert not kept.checkpointing and kept.micro_batch_size < 8


def trial(seconds, preparation=0.0, losses=(4.6, 4.5)):
    return {"seconds": seconds, "preparation": preparation, "losses": list(losses)}


@pytest.mark.parametrize(
    ("compiled", "how"),
    [
        (trial(0.007, 60.0), "blocks"),  # saves hours, and costs minutes
        pytest.param(trial(0.00999, 9e9), "off", marks=pytest.mark.slow),  # saves less than it costs
        (trial(0.001, 1.0, losses=(4.6, 9.9)), "off"),  # another loss: not the same model
        pytest.param(None, "off", marks=pytest.mark.slow),  # no compiler
    ],
)
def test_blocks_are_compiled_where_a_long_run_gains_by_it(monkeypatch, compiled, how):
    def tried(config, place, way, **_):
        if way != "off" and compiled is None:
            raise RuntimeError("no compiler")
        return compiled if way != "off" else trial(0.01)

    monkeypatch.setattr(trials, "step_trial", tried)
    monkeypatch.setattr(trials, "remembered", lambda what, key, measure: measure())
    said, config = [], resolve({}, FACTS)
    assert chosen(config, steps=10_000, micro_batch_size=512, say=said.append).compile == how
    assert f"compile {how}" in said[-1] and (compiled or "is unavailable here (RuntimeError" in said[0])


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "how"), [(1, "blocks"), (2, "off")])
def test_compiling_pays_by_the_images_of_one_rank(monkeypatch, tmp_path, ranks, how):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    found = {"off": trial(0.010), "blocks": trial(0.007, 4000.0)}  # 15,360 s are gained, and three programs take 12,000
    monkeypatch.setattr(trials, "step_trial", lambda config, place, way, **_: found[way])
    several = replace(CPU, ranks=ranks)
    assert chosen(resolve({}, FACTS), several, steps=10_000, micro_batch_size=512).compile == how


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "tries"), [(RuntimeError("cannot lower"), 1), (torch.OutOfMemoryError("another process has it"), 2)]
)
def test_what_a_compiler_failed_with_is_tried_once_and_a_lack_of_memory_again(monkeypatch, tmp_path, failure, tries):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    tried = []

    def step_trial(config, place, how, **_):
        tried.append(how)
        if how == "off":
            return trial(0.01)
        raise failure

    monkeypatch.setattr(trials, "step_trial", step_trial)
    for _ in range(2):
        assert chosen(resolve({}, FACTS), steps=10_000, micro_batch_size=512).compile == "off"
    assert tried.count("blocks") == tries


@pytest.mark.slow
def test_a_compiled_model_that_was_tried_takes_no_memory_from_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    tried = []

    def step_trial(config, place, how, **_):
        model = nn.Linear(2, 2)
        model.compile()
        tried.append(weakref.ref(model))
        return trial(0.01)

    monkeypatch.setattr(trials, "step_trial", step_trial)
    gc.disable()
    try:
        chosen(resolve({}, FACTS), steps=10_000, micro_batch_size=512)
        assert [one() for one in tried] == [None, None]
    finally:
        gc.enable()


def test_a_short_run_is_not_compiled_and_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(trials, "step_trial", None)
    assert chosen(SMALL, steps=100).compile == "off"


def test_a_measurement_is_made_once_and_again_when_its_file_is_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    count = iter(range(9))
    keys = [{"image": (5, 4)}, {"image": (5, 4)}, {"image": 6}, {"image": (5, 4)}]
    assert [trials.remembered("paths", key, lambda: next(count)) for key in keys] == [0, 0, 1, 0]
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text()[:-9])
    assert trials.remembered("paths", keys[0], lambda: next(count)) == 2


def test_a_measurement_of_a_gpu_is_made_again_with_other_software(monkeypatch):
    monkeypatch.setattr(devices, "name", lambda device: "H200")
    monkeypatch.setattr(machine, "driver", lambda: "570.10")
    key = trials.key_of(SMALL, GPU)
    assert key["driver"] == "570.10" and key["cuda"] == torch.version.cuda and key["device"] == "H200"
    assert key["triton"] == metadata.version("triton") and "deterministic" not in key
    assert not {"driver", "cuda", "triton"} & trials.key_of(SMALL, CPU).keys()


@pytest.mark.parametrize("changed", [{"dropout": 0.3}, {"drop_path": 0.1}, {"residual_precision": "bf16"}], ids=str)
def test_a_measurement_is_made_again_with_settings_that_keep_more_or_less_memory(changed):
    assert trials.key_of(replace(SMALL, **changed), CPU) != trials.key_of(SMALL, CPU)


def test_the_fastest_path_is_found_by_timing(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    times, said = {"plain": 0.3, "sdpa": 0.1, "tiled": 0.2, "stored": None}, []

    def seconds(config, place, path, **_):
        if times[path] is None:
            raise torch.OutOfMemoryError
        return times[path]

    monkeypatch.setattr(trials, "path_seconds", seconds)
    assert choosing.fastest(SMALL, CPU, list(times), said.append, here) == ("sdpa", {"stored": "out of memory"})
    assert "stored" in said[0] and "out of memory" in said[0]
    assert "plain 300 ms, sdpa 100 ms" in said[1] and "stored" not in said[1]


def test_a_kernel_that_cannot_be_made_here_leaves_the_other_paths_and_is_told_each_time(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    said = []

    def seconds(config, place, path, **_):
        if path == "fused":
            raise RuntimeError("no Python.h\nof many lines")
        return {"plain": 0.2, "sdpa": 0.1}[path]

    monkeypatch.setattr(trials, "path_seconds", seconds)
    for _ in range(2):
        found = choosing.fastest(SMALL, CPU, ["plain", "sdpa", "fused"], said.append, here)
        assert found == ("sdpa", {"fused": "RuntimeError: no Python.h"})
    assert said[0] == said[2] and "fused" in said[0] and said[0].endswith("(RuntimeError: no Python.h)")


def test_blocks_that_cannot_be_compiled_are_timed_without_compiling(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    said = []

    def seconds(config, place, path, *, images, how):
        if how != "off":
            raise TypeError("no such compiler")
        return {"plain": 0.2, "sdpa": 0.1}[path]

    monkeypatch.setattr(trials, "path_seconds", seconds)
    assert choosing.fastest(SMALL, CPU, ["plain", "sdpa"], said.append, here, how="blocks") == ("sdpa", {})
    assert len(said) == 1 and "one block, forward and backward, takes plain 200 ms, sdpa 100 ms per image" in said[0]
    assert choosing.unavailable(SMALL, replace(CPU, device=torch.device("mps")), "plain", None) == ""  # remembered


def test_paths_that_all_run_out_of_memory_are_a_sentence_and_are_tried_again(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    full = {"plain", "sdpa"}

    def seconds(config, place, path, **_):
        if path in full:
            raise torch.OutOfMemoryError
        return 0.1

    monkeypatch.setattr(trials, "path_seconds", seconds)
    with pytest.raises(InputError, match=r"plain \(out of memory\), sdpa \(out of memory\).*--micro-batch-size"):
        choosing.fastest(SMALL, CPU, ["plain", "sdpa"], lambda _: None, here)
    full.remove("sdpa")
    assert choosing.fastest(SMALL, CPU, ["plain", "sdpa"], lambda _: None, here)[0] == "sdpa"


NO_PLAN = RuntimeError("cuDNN Frontend error: no plan")


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """A GPU that exists only in name: the failures of its attention paths, to be filled; all others take 0.1 s."""
    failures = {}

    def seconds(config, place, path, **_):
        if path in failures:
            raise failures[path]
        return 0.1

    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.setattr(trials, "path_seconds", seconds)
    monkeypatch.setattr(trials, "key_of", lambda config, place: {})
    monkeypatch.setattr(apart, "needs_process", lambda place: False)
    monkeypatch.setattr(fitting, "likely", lambda config, place, path: 512)
    monkeypatch.setattr(choosing, "candidates", lambda **_: ["plain", "sdpa", "fused"])
    return failures


@pytest.mark.parametrize(("wish", "order"), [
    (None, ["paths blocks", "fits off 512", "step off 64", "step blocks 64", "fits blocks 256"]),
    (True, ["paths blocks", "fits off 512", "fits blocks 256"]),
    (False, ["paths off", "fits off 512"]),
])  # fmt: skip
def test_choices_of_a_gpu_are_measured_in_the_order_in_which_they_depend_on_each_other(
    failing, monkeypatch, wish, order
):
    made = []

    def seconds(config, place, path, *, how, **_):
        made.extend([f"paths {how}"] if path == "plain" else [])
        return {"plain": 0.3, "sdpa": 0.1, "fused": 0.2}[path]

    def fits(config, place, *, attention_path, compile_, most, **_):
        made.append(f"fits {compile_} {most}")
        return {"off": 64, "blocks": 128}[compile_] if attention_path == "sdpa" else 1

    def step(config, place, how, *, micro_batch_size, validation, **_):
        made.append(f"step {how} {micro_batch_size}")
        return trial({"off": 0.01, "blocks": 0.005}[how]) | {"evaluation": 4.6 + validation / 10_000}

    monkeypatch.setattr(trials, "path_seconds", seconds)
    monkeypatch.setattr(attempts, "fitting", fits)
    monkeypatch.setattr(trials, "step_trial", step)
    monkeypatch.setattr(Place, "memory", lambda place: (0, 0))
    monkeypatch.setattr("app.computing.compilation.missing", lambda _: "")
    monkeypatch.setattr("app.computing.execution.missing", lambda _: "")
    found = chosen(resolve({}, FACTS), GPU, steps=100_000, compile=wish)
    assert made == order
    assert (found.attention_path, found.compile) == ("sdpa", "off" if wish is False else "blocks")
    assert found.micro_batch_size == (64 if wish is False else 128)


@pytest.mark.parametrize("path", ["plain", "sdpa", "fused"])
def test_any_path_that_fails_on_a_device_is_skipped_and_its_reason_is_printed_and_kept(failing, path):
    failing[path] = NO_PLAN
    said = []
    found = chosen(SMALL, GPU, say=said.append, micro_batch_size=8)
    reason = "RuntimeError: cuDNN Frontend error: no plan"
    assert found.attention_path != path and path in said[0] and reason in said[0]
    assert found.to_json()["paths_skipped"] == {path: reason}
    assert execution.again(found.to_json(), SMALL, GPU, Wishes(), said.append) == found


def test_no_path_left_is_an_error_that_names_each_with_its_reason(failing):
    failing.update(plain=torch.OutOfMemoryError("20 GiB"), sdpa=NO_PLAN, fused=FileNotFoundError("no folder"))
    with pytest.raises(InputError) as raised:
        chosen(SMALL, GPU, micro_batch_size=8)
    for part in ("plain (out of memory)", "sdpa (RuntimeError: cuDNN", "fused (FileNotFoundError: no folder)"):
        assert part in str(raised.value)


def test_a_failure_is_tried_again_for_the_next_run(failing):
    failing["sdpa"] = RuntimeError("another process broke the device")
    assert chosen(SMALL, GPU, micro_batch_size=8).paths_skipped
    del failing["sdpa"]
    assert "paths_skipped" not in chosen(SMALL, GPU, micro_batch_size=8).to_json()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Stopped("SIGTERM"), AssertionError("a bug of this program")])
def test_what_is_no_failure_of_a_path_passes_through_its_trial(failing, stop):
    failing["sdpa"] = stop
    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        chosen(SMALL, GPU, micro_batch_size=8)


def test_a_path_that_was_asked_for_and_fails_is_an_error_and_no_fallback(failing):
    failing["sdpa"] = NO_PLAN
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=1).to_json()
    wishes = {"attention_path": "sdpa", "micro_batch_size": 8}
    with pytest.raises(InputError, match=r"attention_path=sdpa.*no plan.*Use plain or fused, or omit"):
        chosen(SMALL, GPU, **wishes)
    with pytest.raises(InputError, match=r"attention_path=sdpa.*no plan"):
        execution.again(stored, SMALL, GPU, Wishes(**wishes), lambda _: None)


@pytest.mark.parametrize(
    "full", [torch.OutOfMemoryError("20 GiB"), RuntimeError("MPS backend out of memory (of 9 GB)")]
)
def test_a_path_that_was_asked_for_may_lack_memory_in_its_trial_for_a_smaller_micro_batch_may_fit(failing, full):
    failing["sdpa"] = full
    assert chosen(SMALL, GPU, attention_path="sdpa", micro_batch_size=1).attention_path == "sdpa"


def test_a_run_whose_path_fails_on_this_device_resumes_by_another(failing):
    failing["sdpa"] = NO_PLAN
    said = []
    stored = Execution(attention_path="sdpa", micro_batch_size=8, threads=1).to_json()
    found = execution.again(stored, SMALL, GPU, Wishes(), said.append)
    assert found.attention_path == "plain" and found.paths_skipped == {
        "sdpa": "RuntimeError: cuDNN Frontend error: no plan"
    }
    assert "resumes with plain" in said[-1]


def test_a_trial_measures_each_way_and_leaves_the_generator_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    config = resolve({"size": "1M", "image": 8, "patch": 4}, FACTS)
    torch.manual_seed(5)
    found = trials.step_trial(config, CPU, "off", attention_path="plain", checkpointing=True, micro_batch_size=2)
    assert found["seconds"] > 0 and found["losses"][-1] < found["losses"][0]
    assert trials.path_seconds(config, CPU, "tiled", images=2) > 0
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)


def test_a_device_that_is_not_there_is_a_sentence():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match="Use --device cpu"):
        choose(device="cuda")


def test_a_wish_to_compile_without_a_compiler_is_a_sentence_and_a_run_that_began_so_goes_on_without(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"no C\+\+ compiler is on PATH\. Install it, or omit --compile"):
        chosen(SMALL, compile=True)
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=1, compile="blocks").to_json()
    said = []
    assert execution.again(stored, SMALL, CPU, Wishes(), said.append).compile == "off"
    assert "no C++ compiler is on PATH. It resumes without" in said[0]


def test_cuda_graphs_are_left_behind_on_a_cpu():
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=1, compile="graphs").to_json()
    said = []
    assert execution.again(stored, SMALL, CPU, Wishes(), said.append).compile == "off" and "CUDA graphs" in said[0]


@pytest.mark.parametrize(
    ("wishes", "ranks"), [(Wishes(micro_batch_size=4), 1), (Wishes(checkpointing=True), 1), (Wishes(), 2)]
)
def test_a_run_in_cuda_graphs_goes_on_by_blocks_where_a_step_is_no_longer_one_pass(monkeypatch, wishes, ranks):
    monkeypatch.setattr(execution, "missing", lambda _: "")
    monkeypatch.setattr(choosing, "unavailable", lambda *_: "")  # tried on a device
    gpu = Place(torch.device("cuda"), "bf16", ranks=ranks)
    whole = Execution(attention_path="plain", micro_batch_size=SMALL.batch_size, threads=1, compile="graphs")
    stored = whole.to_json()
    said = []
    assert execution.again(stored, SMALL, gpu, wishes, said.append).compile == "blocks"
    assert "CUDA graphs, which need complete batches" in said[-1]
    alone = Place(torch.device("cuda"), "bf16")
    assert execution.again(stored, SMALL, alone, Wishes(), said.append).compile == "graphs"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"new": 1}, "unknown fields new"), ({"compile": "hmm"}, "Valid values: off, blocks, graphs")],
)
def test_choices_that_this_version_did_not_write_are_refused(wrong, sentence):
    stored = Execution(attention_path="plain", micro_batch_size=8, threads=1).to_json() | wrong
    with pytest.raises(InputError, match=sentence):
        execution.again(stored, SMALL, CPU, Wishes(), lambda text: None)


def test_choosing_leaves_the_number_of_threads_alone():
    torch.set_num_threads(2)
    assert chosen(resolve({"size": "1M", "image": 32, "patch": 4, "batch_size": 4}, FACTS)).threads == 1
    assert torch.get_num_threads() == 2 and chosen(resolve({}, FACTS)).threads == 2


def test_a_cpu_repeats_every_bit_without_deterministic_and_says_so_and_the_record_keeps_it():
    said = []
    found = chosen(SMALL, say=said.append, deterministic=True)
    assert found.deterministic and found.to_json()["deterministic"] and str(found).endswith("deterministic")
    assert "has no effect on a CPU, which repeats every bit" in said[0]
    assert "deterministic" not in chosen(SMALL).to_json()
    assert not torch.are_deterministic_algorithms_enabled()
    again = execution.again(found.to_json(), SMALL, CPU, Wishes(deterministic=False), said.append)
    assert not again.deterministic and "the run began with True" in said[-1]


def test_deterministic_is_refused_where_torch_does_not_promise_it():
    phone = Place(torch.device("mps"), "fp32")
    with pytest.raises(InputError, match=r"torch does not promise equal bits on mps\. Omit --deterministic"):
        chosen(SMALL, phone, deterministic=True)


def test_nothing_is_compiled_on_mps():
    with pytest.raises(InputError, match=r"an early prototype, so isoscale does not use it\. Omit --compile"):
        chosen(SMALL, Place(torch.device("mps"), "fp32"), compile=True)


def test_a_run_that_began_deterministic_resumes_so(monkeypatch):
    switched = []
    monkeypatch.setattr(Place, "repeat_bits", lambda _, on: switched.append(on))
    stored = chosen(SMALL, deterministic=True).to_json()
    for wishes in (Wishes(), Wishes(deterministic=False)):
        execution.again(stored, SMALL, CPU, wishes, lambda _: None)
    assert switched == [True, True, False]
