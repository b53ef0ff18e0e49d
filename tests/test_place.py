"""A place: how models lie in its memory, and how much of that was held."""

import pytest
import torch
from torch import nn

from app.place import choose

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


def test_the_peak_of_memory_grows_with_what_is_held_and_does_not_fall():
    before = CPU.peak_bytes()
    held = torch.ones(before // 4)  # as many bytes again
    most = CPU.peak_bytes()
    del held
    assert most > 1.5 * before and CPU.peak_bytes() >= most


def test_one_process_has_all_there_is_without_asking_another():
    rows = torch.arange(6).reshape(3, 2)
    assert CPU.gather(rows) is rows
