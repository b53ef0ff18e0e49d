"""Trials in another process: what it computes there is what this one would, and its failures end no run."""

import os
import shutil
import signal

import pytest
import torch

from app.computing import apart, choosing, compilation, fitting, trials
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.models import build
from app.models.compiling import compiled
from app.place import Place, choose
from app.system import float32
from app.system.child import NoAnswer

FACTS = DatasetFacts(name="cifar100", classes=100, native=32)
CPU = choose(device="cpu")
TINY = resolve({"size": "110K", "d_model": 64, "image": 8, "patch": 4, "batch_size": 8, "dropout": 0.1}, FACTS)
HOW = {"attention_path": "plain", "checkpointing": False, "micro_batch_size": 2}


@pytest.fixture
def forced(monkeypatch, tmp_path):
    """Trials of the CPU run in another process, as those of CUDA."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(apart, "needs_process", lambda place: True)


def setting():
    return os.getpid(), apart._Setting.here()


def aborting(config, place, path, **_):
    if path == "sdpa":
        os.kill(os.getpid(), signal.SIGABRT)
    return {"plain": 0.1, "tiled": 0.2}[path]


@pytest.mark.slow
def test_one_process_serves_trials_with_this_one_s_settings_until_a_path_aborts_it(forced, monkeypatch):
    torch.set_num_threads(2)
    here, said = trials.step_trial(TINY, CPU, "off", **HOW), []
    monkeypatch.setattr(trials, "path_seconds", aborting)
    monkeypatch.setattr(fitting, "likely", lambda *_: 2)
    with float32.kept(), apart.trials_on(TINY, CPU, said.append) as run:
        float32.allow_tf32(True)
        there, taken = run(setting)
        assert there != os.getpid() and taken == apart._Setting.here()._replace(tf32=False)  # as at the start
        assert run(trials.step_trial, TINY, CPU, "off", **HOW)["losses"] == here["losses"]
        assert run(setting)[0] == there
        found = choosing.fastest(TINY, CPU, ["sdpa", "plain", "tiled"], said.append, run)
    assert found == ("plain", {"sdpa": "ProcessEnded: its process ended by SIGABRT"})


class Unreachable:
    """A process that finds its device in exclusive use."""

    is_alive = True

    def __init__(self, make, *, quiet):
        self.make = make

    def ask(self, *_, seconds):
        self.make()

    def end(self):
        """Nothing runs."""


def test_a_device_that_no_other_process_may_use_is_tried_here(forced, monkeypatch):
    monkeypatch.setattr(apart, "Child", Unreachable)
    monkeypatch.setattr(apart.devices, "empty_cache", lambda _: None)
    said, nowhere = [], Place(torch.device("xpu"), "fp32")
    with float32.kept(), apart.trials_on(TINY, nowhere, said.append) as run:
        assert [run(setting)[0] for _ in range(2)] == [os.getpid()] * 2
    assert len(said) == 1 and "trials run in this process, because another cannot use xpu" in said[0]


def test_on_a_cpu_trials_run_in_this_process():
    with apart.trials_on(TINY, CPU, print) as run:
        assert run(setting)[0] == os.getpid()
    assert apart.needs_process(Place(torch.device("cuda"), "bf16"))


@pytest.mark.parametrize(
    ("error", "line", "tries"),
    [
        (NoAnswer("no answer within 600 s"), "no answer within 600 s, and the next command tries again", 2),
        (torch.AcceleratorError("CUDA error: illegal"), "AcceleratorError: CUDA error: illegal", 1),
    ],
    ids=["hangs", "breaks the device"],
)
def test_a_compile_trial_that_fails_is_one_line_and_remembered_unless_it_took_too_long(
    monkeypatch, tmp_path, error, line, tries
):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.setattr(compilation, "_is_long", lambda *_: True)

    def run(function, config, place, how, **_):
        if how != "off":
            tried.append(how)
            raise error
        return {"seconds": 1.0, "preparation": 0.0, "losses": [1.0]}

    said, tried = [], []
    for _ in range(2):
        assert compilation.choice(TINY, CPU, HOW, steps=10, say=said.append, run=run) == "off"
    assert said[0] == said[2] == f"compile blocks is unavailable here ({line})" and len(tried) == tries


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="a compiler is wanted")
def test_the_programs_that_a_trial_compiled_there_are_loaded_here(forced):
    with apart.trials_on(TINY, CPU, print) as run:
        run(trials.step_trial, TINY, CPU, "blocks", **HOW, validation=3)
    model = compiled(build(TINY, attention_path="plain"), "blocks", cache=trials.compiled_programs())
    torch._dynamo.utils.counters.clear()
    model.train()(torch.randn(2, 3, 8, 8)).sum().backward()
    with torch.no_grad():
        model.eval()(torch.randn(3, 3, 8, 8))
    counted = torch._dynamo.utils.counters["inductor"]
    assert counted["fxgraph_cache_miss"] == 0 and counted["fxgraph_cache_hit"] > 0
