"""Where images are held: what has room, by what is free now."""

import numpy as np
import pytest
import torch

from app import memory
from app.place import Place

ARRAY = np.arange(3000, dtype=np.uint8)
PINNED = 4096  # torch pins powers of two


@pytest.fixture
def cuda(monkeypatch):
    """A CUDA device of which only the free bytes are known: what is sent there or pinned stays where it is."""

    def with_free(*, device, host, ranks=1):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (device, device))
        monkeypatch.setattr(memory, "free", lambda: host)
        monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
        return Place(torch.device("cuda"), "fp32", ranks=ranks)

    return with_free


@pytest.mark.parametrize(
    ("free", "where"),
    [
        ({"device": 2 * 3000 + 1, "host": 0}, "device"),
        ({"device": 2 * 3000, "host": 2 * PINNED + 1}, "pinned"),
        ({"device": 2 * 3000, "host": 2 * PINNED}, "mapped"),
        ({"device": 0, "host": 4 * 2 * PINNED, "ranks": 4}, "mapped"),
        ({"device": 0, "host": 4 * 2 * PINNED + 1, "ranks": 4}, "pinned"),
    ],
)
def test_images_are_held_in_the_fastest_memory_that_is_half_empty_after_it(cuda, free, where):
    tensor, chosen = cuda(**free).hold(ARRAY)
    assert chosen == where and np.array_equal(tensor.numpy(), ARRAY)
    assert (tensor.data_ptr() == torch.from_numpy(ARRAY).data_ptr()) == (where != "pinned")


def test_a_driver_that_refuses_to_pin_leaves_the_file_as_it_is(cuda, monkeypatch):
    place = cuda(device=0, host=1 << 40)

    def refuses(_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch.Tensor, "pin_memory", refuses)
    assert place.hold(ARRAY)[1] == "mapped"


def test_on_a_cpu_the_memory_mapped_file_is_read_as_it_is():
    tensor, chosen = Place(torch.device("cpu"), "fp32").hold(ARRAY)
    assert (chosen, tensor.data_ptr()) == ("memory-mapped", torch.from_numpy(ARRAY).data_ptr())
