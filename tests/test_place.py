"""A place: where images are held, how models lie in its memory, and how much of that was taken."""

import numpy as np
import pytest
import torch
from torch import nn

from app.errors import InputError
from app.place import Place, choose
from app.system import memory

CPU = choose(device="cpu")


@pytest.fixture(scope="module")
def resnet():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    return resnet18(num_classes=10).eval()


def test_a_convolutional_network_lies_channels_last_and_gives_the_same_outputs(resnet):
    images = torch.randn(2, 3, 64, 64)
    before, weights = resnet(images).detach(), {name: value.clone() for name, value in resnet.state_dict().items()}
    laid_out, seen = CPU.laid_out(resnet), []
    laid_out.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert torch.allclose(laid_out(images), before, atol=1e-5)
    assert all(inputs.is_contiguous(memory_format=torch.channels_last) for inputs in seen) and len(seen) == 1
    kernels = [value for value in laid_out.parameters() if value.dim() == 4]
    assert len(kernels) == 20 and all(one.is_contiguous(memory_format=torch.channels_last) for one in kernels)
    assert weights.keys() == laid_out.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in laid_out.state_dict().items())


def test_a_network_with_one_patch_embedding_is_left_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), nn.LayerNorm(4))
    strides = model[0].weight.stride()
    assert CPU.laid_out(model) is model and model[0].weight.stride() == strides and not model._forward_pre_hooks


@pytest.mark.parametrize(("channels", "stride", "last"), [(4, 2, False), (8, 2, True), (4, 1, True)])
def test_a_convolution_whose_gradient_overflows_channels_last_is_left_as_it_is(channels, stride, last):
    model = nn.Sequential(nn.Conv2d(3, channels, 3), nn.Conv2d(channels, 8, 1, stride, bias=False))
    laid_out = CPU.laid_out(model)
    assert bool(laid_out._forward_pre_hooks) is last
    images = torch.randn(4, 3, 10, 10)
    laid_out(images).square().sum().backward()
    found = laid_out[1].weight.grad.clone()
    exact = nn.Sequential(nn.Conv2d(3, channels, 3), nn.Conv2d(channels, 8, 1, stride, bias=False)).double()
    exact.load_state_dict(laid_out.state_dict())
    exact(images.double()).square().sum().backward()
    assert torch.allclose(found.double(), exact[1].weight.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_peak_of_memory_grows_with_what_is_held_and_does_not_fall():
    before = CPU.peak_bytes()
    held = torch.ones(before // 4)  # as many bytes again
    most = CPU.peak_bytes()
    del held
    assert most > 1.5 * before and CPU.peak_bytes() > 0.99 * most  # the kernel counts in batches of pages


def test_what_was_tried_before_a_run_is_none_of_its_peak(monkeypatch):
    counted = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", counted.append)
    for device in ("cpu", "cuda:1"):
        Place(torch.device(device), "fp32").forget_peak()
    assert counted == [torch.device("cuda:1")]


def test_one_process_has_all_there_is_without_asking_another():
    rows = torch.arange(6).reshape(3, 2)
    assert CPU.gather(rows) is rows


class OfToday:
    def __init__(self, module, broadcast_buffers=None, gradient_as_bucket_view=False, forward_sync_buffers=None):
        self.given = {"forward_sync_buffers": forward_sync_buffers, "broadcast_buffers": broadcast_buffers}

    def register_comm_hook(self, state, hook): ...


class BeforeTorch213(OfToday):
    def __init__(self, module, broadcast_buffers=True, gradient_as_bucket_view=False):
        super().__init__(module, broadcast_buffers)


@pytest.mark.parametrize(("ddp", "given"), [(OfToday, "forward_sync_buffers"), (BeforeTorch213, "broadcast_buffers")])
def test_ranks_keep_their_buffers_by_either_name_that_torch_has_for_it(monkeypatch, ddp, given):
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", ddp)
    spread = Place(torch.device("cpu"), "fp32", ranks=2).spread(nn.Linear(1, 1))
    assert {name for name, value in spread.given.items() if value is False} == {given}


def test_ranks_look_for_unused_parameters_of_a_model_that_has_some_only(monkeypatch):
    given = []
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", lambda _, **how: given.append(how) or OfToday(None))
    for partly_used in (False, True):
        Place(torch.device("cpu"), "fp32", ranks=2).spread(nn.Linear(1, 1), partly_used=partly_used)
    assert "find_unused_parameters" not in given[0] and given[1]["find_unused_parameters"] is True


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


@pytest.mark.parametrize(("total", "where"), [(2 * 3000 + 1, "device"), (2 * 3000, "mapped")])
def test_an_mps_device_holds_images_up_to_half_of_the_memory_that_it_shares(monkeypatch, total, where):
    monkeypatch.setattr("torch.mps.recommended_max_memory", lambda: total + 500)
    monkeypatch.setattr("torch.mps.driver_allocated_memory", lambda: 500)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    assert Place(torch.device("mps"), "fp32").hold(ARRAY)[1] == where


def test_a_driver_that_refuses_to_pin_leaves_the_file_as_it_is(cuda, monkeypatch):
    place = cuda(device=0, host=1 << 40)

    def refuses(_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch.Tensor, "pin_memory", refuses)
    assert place.hold(ARRAY)[1] == "mapped"


@pytest.mark.parametrize(("device", "rank", "current"), [("cuda:1", "", [1]), ("cuda", "1", [1]), ("cuda", "", [])])
def test_a_device_that_is_named_by_its_number_becomes_the_current_one(monkeypatch, device, rank, current):
    made = []
    monkeypatch.setattr(torch, "empty", lambda *_, device: made.append("tensor"))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: made.append(device.index))
    monkeypatch.setenv("LOCAL_RANK", rank)
    choose(device=device, precision="fp32")
    assert made == [*current, "tensor"]  # the other way round, the first GPU would hold a context too


def test_one_gpu_for_all_ranks_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match=r"device=cuda:0 is one GPU.* Use --device cuda"):
        choose(device="cuda:0")


@pytest.mark.parametrize("kept", [0, 3])
def test_memory_that_torch_keeps_of_an_earlier_measurement_is_not_taken(monkeypatch, kept):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: ((20 - kept) * gib, 24 * gib))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2 * gib)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: (2 + kept) * gib)
    assert Place(torch.device("cuda"), "bf16").memory() == (24 * gib, 4)


def test_on_a_cpu_the_memory_mapped_file_is_read_as_it_is():
    tensor, chosen = Place(torch.device("cpu"), "fp32").hold(ARRAY)
    assert (chosen, tensor.data_ptr()) == ("memory-mapped", torch.from_numpy(ARRAY).data_ptr())


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 0), "fp32"), ((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")]
)
def test_automatic_precision_is_bf16_only_where_the_gpu_has_units_for_it(monkeypatch, capability, precision):
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)  # emulation counts
    assert choose(device="cuda").precision == precision
    assert choose(device="cuda", precision="bf16").precision == "bf16"
