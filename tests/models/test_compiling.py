"""Blocks are compiled as they are measured, whatever computes beside them."""

import pytest
import torch
from torch import distributed, nn

from app.models.compiling import compiled
from app.models.vit import ViT


@pytest.fixture
def alone_among_ranks():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.slow
def test_between_ranks_a_block_is_one_program_for_all(alone_among_ranks, monkeypatch, tmp_path):
    programs, compiling = [], nn.Module.compile

    def noted(graph, _):
        programs.append(graph)
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", lambda block, **how: compiling(block, backend=noted, **how))
    shape = {"image": 8, "patch": 4, "channels": 3, "classes": 10, "d_model": 256, "heads": 4}
    model = compiled(ViT(**shape, depth=2), "blocks", cache=tmp_path)
    spread = nn.parallel.DistributedDataParallel(model)  # a block of 3 MB, and a first bucket of 1 MB
    spread(torch.randn(2, 3, 8, 8)).sum().backward()
    assert len(programs) == 1
