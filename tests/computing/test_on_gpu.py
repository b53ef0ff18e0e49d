"""On a CUDA device: trials in another process, the programs they leave, and the memory that they leave free."""

import os

import pytest
import torch

from app.computing import apart, attempts, choosing, execution, fitting, trials
from app.computing.execution import Wishes
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.models import build
from app.models.compiling import compiled
from app.place import choose
from app.system import neighbours
from app.system.timing import elapsed, median_seconds

pytestmark = pytest.mark.gpu
FACTS = DatasetFacts(name="cifar100", classes=100, native=32)
SMALL = {"size": "1M", "image": 32, "patch": 4, "batch_size": 64, "dropout": 0.1}


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    return choose(device="cuda")


def broken(device):
    torch.ones(1, device=device)[torch.tensor([5], device=device)].sum().item()


def doubled(device):
    return os.getpid(), (2 * torch.ones(1, device=device)).item()


def test_an_error_of_the_device_in_a_trial_leaves_this_process_and_the_next_trial_intact(here):
    with apart.trials_on(resolve(SMALL, FACTS), here, print) as run:
        before = run(doubled, here.device)
        with pytest.raises(RuntimeError, match="CUDA error"):
            run(broken, here.device)
        assert doubled(here.device)[1] == 2.0
        after = run(doubled, here.device)
    assert after[1] == 2.0 and len({before[0], after[0], os.getpid()}) == 3


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_paths_are_timed_with_and_without_compiling(here, model):
    config, said = resolve(SMALL | {"model": model}, FACTS), []
    with apart.trials_on(config, here, said.append) as run:
        found = [choosing.path(config, here, said.append, run, how=how) for how in ("off", "blocks")]
    for path, skipped in found:
        assert path in ("plain", "sdpa", "fused") and not {"plain", path} & skipped.keys()
    assert not any("this process" in line for line in said)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_the_programs_that_a_trial_compiled_are_loaded_by_the_run(here, model):
    config = resolve(SMALL | {"model": model}, FACTS)
    how = {"attention_path": "sdpa", "checkpointing": False}
    with apart.trials_on(config, here, print) as run:
        run(trials.step_trial, config, here, "blocks", **how, micro_batch_size=64, validation=32)
    model = here.laid_out(build(config, **how).to(here.device))
    model = compiled(model, "blocks", cache=trials.compiled_programs())
    torch._dynamo.utils.counters.clear()
    with here.autocast():
        model.train()(torch.randn(64, 3, 32, 32, device=here.device)).sum().backward()
    with torch.no_grad(), here.autocast():
        model.eval()(torch.randn(32, 3, 32, 32, device=here.device))
    counted = torch._dynamo.utils.counters["inductor"]
    assert counted["fxgraph_cache_miss"] == 0 and counted["fxgraph_cache_hit"] > 0


@pytest.fixture
def share(here, monkeypatch):
    """A place that may use 12 GiB of the device, or half of a smaller one, so that other processes keep the rest."""
    torch.cuda.empty_cache()
    runs = max(2, torch.cuda.mem_get_info(here.device)[1] // (12 << 30))
    monkeypatch.setenv(neighbours.VARIABLE, f"{runs} {runs}")
    yield choose(device="cuda")
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_memory_that_is_taken_makes_the_micro_batch_smaller_and_what_was_found_fits(share):
    config = resolve({"size": "10M", "image": 64, "patch": 4, "batch_size": 512}, FACTS)
    need, how = fitting.Need("sdpa"), {"how": "off", "say": print}
    taken = torch.empty(share.room()[1] // 2, dtype=torch.uint8, device=share.device)
    with apart.trials_on(config, share, print) as run:
        size, checkpointing = fitting.micro_batch(config, share, need, run=run, **how)
    assert len(taken) and size < 512
    chosen = execution.Execution(
        attention_path="sdpa", micro_batch_size=size, threads=1, checkpointing=checkpointing
    )  # fmt: skip
    attempts.rehearse(config, share, chosen)


def test_a_compiled_run_is_chosen_in_other_processes_from_end_to_end(here):
    config, said = resolve(SMALL, FACTS), []
    found = execution.choose(config, here, Wishes(compile=True), steps=1, say=said.append)
    assert found.compile == "blocks" and found.micro_batch_size == 64
    assert not any("this process" in line for line in said)
    assert execution.choose(config, here, Wishes(compile=True), steps=1, say=print) == found


def test_events_time_products_that_run_back_to_back(here):
    product = torch.ones(512, 512, device=here.device).square
    assert elapsed(product, here.device, 10) > 0 and median_seconds(product, here.device) > 0
