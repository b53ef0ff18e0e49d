"""benchmarks/curves.py: rows of its tables on one tiny shape, and the threads of each model's turn."""

import torch

from app import place
from app.bench.rounds import Pace
from app.computing.execution import Wishes
from benchmarks import curves

CPU = place.choose(device="cpu")
TINY = {"image": 8, "patch": 4, "d_model": 32, "heads": 4, "depth": 1, "batch_size": 1}


def test_a_row_states_the_threads_that_a_run_would_take_and_leaves_those_of_the_process():
    torch.set_num_threads(2)
    quick = Pace(rounds=1, seconds=0.0, say=lambda _: None)
    head, row = "\n".join(curves.steps({5: TINY}, CPU, quick, "tokens", Wishes())).split("\n|---")
    assert head == "| tokens | classic, ms | differential, ms | ratio (quartiles) | path | threads |"
    assert row.splitlines()[1].startswith("| 5 | ") and row.endswith("| plain | 1 and 1 |")
    assert torch.get_num_threads() == 2


def test_a_shape_of_a_curve_is_just_what_was_asked_for():
    for model in curves.MODELS:
        config = curves.at_shape(model, TINY, CPU)
        assert {name: getattr(config, name) for name in TINY if name != "heads"} == {
            name: value for name, value in TINY.items() if name != "heads"
        }
        assert config.heads == (4 if model == "vit_classic" else 2)


def test_a_row_of_the_input_states_where_images_are_held(monkeypatch):
    for name, few in {"ROWS": (64,), "BATCH": 8}.items():
        monkeypatch.setattr(curves, name, few)
    _, held = curves.inputs(CPU, 1)
    assert held.startswith("| 64 | 0 | memory-mapped | ")
