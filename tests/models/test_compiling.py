"""Models are compiled as they are measured, whatever computes beside them and however many examples a batch has."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from app.computing import trials
from app.config.facts import DatasetFacts
from app.config.run import resolve
from app.models import build, compiling, drop_path
from app.models.attention.seen import seen
from app.models.compiling import Sizes, compiled
from app.models.t2t import T2TViT
from app.models.transformer import begun, step
from app.models.vit import ViT
from app.place import choose
from tests.experiment.runs import train

SHAPE = {"image": 8, "patch": 4, "channels": 3, "classes": 10, "d_model": 256, "heads": 4}
FACTS = DatasetFacts(name="cifar10", classes=10, native=8)
TWICE = """import sys, torch
from pathlib import Path
from torch import nn
from app.models.attention.norm import unit_rms
from app.models.compiling import compiled
class Norm(nn.Module):
    def forward(self, x):
        return unit_rms(x, 1e-5)
model = nn.Module()
model.blocks = nn.ModuleList([Norm()])
compiled(model, "blocks", cache=Path(sys.argv[1]))
model.blocks[0](torch.randn(2, 8, requires_grad=True)).sum().backward()
found = torch._dynamo.utils.counters["aot_autograd"]
print(found["autograd_cache_miss"], found["autograd_cache_hit"], found["autograd_cache_bypass"])
"""


@pytest.fixture
def alone_among_ranks():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.fixture
def programs(monkeypatch):
    """The programs that are made of a model's parts, none of which is generated."""
    made, inductor = [], torch.compile

    def noted(graph, _):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda part, **how: inductor(part, backend=noted, **how))
    torch._dynamo.reset()
    return made


@pytest.mark.slow
def test_between_ranks_all_blocks_are_one_program_next_to_two_others(alone_among_ranks, programs, tmp_path):
    model = compiled(ViT(**SHAPE, depth=2), "blocks", cache=tmp_path)
    spread = nn.parallel.DistributedDataParallel(model)  # a block of 3 MB, and a first bucket of 1 MB
    spread(torch.randn(2, 3, 8, 8)).sum().backward()
    assert len(programs) == 3


def gradients(model, images, *, precision="fp32"):
    """The logits and the gradients of a step with the same draws of dropout."""
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        logits = model(images)
    return [logits, *torch.autograd.grad(logits.float().square().sum(), model.parameters())]


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "stream"), [(1, "fp32"), (5, "fp32"), (2, "bf16")])
def test_parts_of_a_model_of_any_depth_are_three_programs_with_the_bits_of_eager_mode(
    depth, stream, programs, tmp_path
):
    shape = SHAPE | {"d_model": 16, "depth": depth, "attention": "differential", "dropout": 0.1}
    shape |= {"residual_precision": stream}
    eager, images = ViT(**shape), torch.randn(2, 3, 8, 8)
    parts = compiled(copy.deepcopy(eager), "blocks", cache=tmp_path)
    found = [gradients(model, images, precision="bf16") for model in (eager, parts)]
    assert all(map(torch.equal, *found)) and len(programs) == 3
    assert list(parts.state_dict()) == list(eager.state_dict())


@pytest.mark.slow
def test_what_times_a_path_computes_a_block_and_the_next_norm_by_a_program_of_the_run(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path))
    config = resolve({"model": "vit_differential", "d_model": 16, "image": 8, "patch": 4}, FACTS)
    trials.path_seconds(config, choose(device="cpu"), "plain", images=2, how="blocks")
    assert len(programs) == 1
    model = compiled(build(config, attention_path="plain"), "blocks", cache=tmp_path)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert len(programs) == 3


@pytest.mark.slow
def test_the_tokens_to_token_module_is_part_of_the_program_that_begins_a_model(programs, tmp_path):
    shape = {"image": 32, "channels": 3, "classes": 7, "d_model": 16, "depth": 2, "heads": 2}
    eager, images = T2TViT(**shape), torch.randn(2, 3, 32, 32)
    parts = compiled(copy.deepcopy(eager), "blocks", cache=tmp_path)
    assert all(map(torch.equal, gradients(eager, images), gradients(parts, images))) and len(programs) == 3


@pytest.mark.slow
def test_with_checkpointing_only_blocks_are_compiled_so_that_one_tensor_is_kept_per_block(programs, tmp_path):
    eager, images = ViT(**SHAPE | {"d_model": 16}, depth=2, checkpointing=True), torch.randn(2, 3, 8, 8)
    blocks = compiled(copy.deepcopy(eager), "blocks", cache=tmp_path)
    assert all(map(torch.equal, gradients(eager, images), gradients(blocks, images))) and len(programs) == 1


@pytest.mark.parametrize(("norm", "pooling"), [("layer", "cls"), ("dyt", "mean")])
def test_a_block_whose_input_is_normed_already_and_the_next_norm_equal_the_model_in_float64(monkeypatch, norm, pooling):
    monkeypatch.setattr(torch, "compile", lambda part, **_: part)
    shape = SHAPE | {"d_model": 16, "depth": 3, "norm": norm, "pooling": pooling}
    plain, images = ViT(**shape).double(), torch.randn(2, 3, 8, 8).double()
    parts = compiled(copy.deepcopy(plain), "blocks", cache=Path())
    assert parts.forward is not plain.forward
    for one, other in zip(gradients(plain, images), gradients(parts, images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("enabled", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_norm_that_a_program_hands_on_has_the_precision_in_which_the_next_one_reads_it(enabled, dtype):
    for stream, its in (("fp32", torch.float32), ("bf16", dtype)):
        model = ViT(**SHAPE | {"d_model": 16}, depth=1, residual_precision=stream)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            x, normed = begun(model, torch.ones(2, 3, 8, 8))
            after = step(model.blocks[0], model.norm, x, normed)
        assert [each.dtype for each in (x, normed, *after)] == [its, dtype] * 2


def test_maps_and_hidden_states_of_a_compiled_model_are_those_of_the_model(tmp_path):
    shape = SHAPE | {"d_model": 16, "depth": 2, "attention": "differential"}
    model, images = ViT(**shape).double(), torch.randn(2, 3, 8, 8).double()
    found = [seen(each, images)[1] for each in (model, compiled(copy.deepcopy(model), "blocks", cache=tmp_path))]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one.hidden, other.hidden, rtol=0, atol=0)
        torch.testing.assert_close(one.maps.combined, other.maps.combined, rtol=0, atol=0)


@pytest.mark.slow
def test_a_part_is_one_program_of_training_and_one_of_evaluation_for_batches_of_any_size(programs, tmp_path):
    shape = SHAPE | {"d_model": 16, "depth": 2, "attention": "differential", "dropout": 0.1}
    model = compiled(ViT(**shape), "blocks", cache=tmp_path, sizes=Sizes(training=5, evaluation=3))
    for batch in (5, 2, 1):
        model(torch.randn(batch, 3, 8, 8)).sum().backward()
    assert len(programs) == 3
    model.eval()
    with torch.no_grad():
        assert [len(model(torch.randn(batch, 3, 8, 8))) for batch in (3, 1, 8)] == [3, 1, 8]
    assert len(programs) == 6


@pytest.mark.slow
def test_a_compiled_run_has_two_programs_of_each_part_whatever_its_rows(programs, tmp_path, shared_cache, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(shared_cache))
    options = {"compile": True, "threads": 1, "micro_batch_size": 7}
    rows = {"limit_train": 23, "limit_val": 9, "limit_test": 13, "batch_size": 16, "val_batch_size": 4}
    run = train(tmp_path, options=options, epochs=1, **rows)
    assert run.done and run.record.execution.compile == "blocks" and len(programs) == 6


@pytest.mark.parametrize("examples", [1, 3, 5])
def test_a_batch_that_is_filled_up_has_the_outputs_and_gradients_of_its_examples(tmp_path, monkeypatch, examples):
    monkeypatch.setattr(torch, "compile", lambda part, **_: part)
    torch.manual_seed(0)
    shape = SHAPE | {"d_model": 16, "depth": 2, "drop_path": 0.5}
    plain, images = ViT(**shape).double(), torch.randn(examples, 3, 8, 8).double()
    sized = ViT(**shape).double()
    sized.load_state_dict(plain.state_dict())
    sized = compiled(sized, "blocks", cache=tmp_path, sizes=Sizes(training=5, evaluation=2))
    for model in (plain, sized):
        for module in drop_path.paths(model):
            module.factors = torch.tensor([2.0, 0.0, 2.0, 2.0, 0.0])[:examples]
        model(images).square().sum().backward()
    for one, other in zip(plain.parameters(), sized.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(plain.eval()(images), sized.eval()(images), rtol=1e-12, atol=1e-14)


def test_a_filled_up_batch_keeps_its_memory_format():
    images = torch.arange(3 * 4 * 2 * 2.0).view(3, 4, 2, 2).contiguous(memory_format=torch.channels_last)
    found = compiling._filled_up(images, 8)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, images[[0, 1, 2, 0, 1, 2, 0, 1]]) and compiling._filled_up(images, 3) is images


def test_compiled_programs_of_operators_with_other_code_are_kept_apart(monkeypatch):
    found = []
    for operators in (("fused.py",), ("tiled.py",), ("fused.py", "tiled.py")):
        monkeypatch.setattr(compiling, "_OPERATORS", operators)
        found.append(compiling._of_our_operators())
    assert len({*found}) == 3


@pytest.mark.long
@pytest.mark.slow
def test_a_second_process_finds_the_compiled_programs_of_the_first(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR")}
    said = [
        subprocess.run([sys.executable, "-c", TWICE, str(tmp_path)], check=True, capture_output=True, text=True,
                       timeout=300, env=environment).stdout.split()[-3:]
        for _ in range(2)
    ]  # fmt: skip
    assert said == [["1", "0", "0"], ["0", "1", "0"]]  # misses, hits, and what the cache refuses
