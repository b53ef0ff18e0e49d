"""The layers that models share: patches, shifted patches, fixed positions, DynamicTanh."""

import math

import pytest
import torch
from torch.nn import functional as F

from app.counts import vit
from app.models.layers import (
    NORMS,
    PATCHINGS,
    DynamicTanh,
    PatchEmbedding,
    ShiftedPatchEmbedding,
    as_product,
    sincos,
    with_shifts,
)


def test_what_the_tables_name_is_what_there_is():
    assert tuple(NORMS) == vit.NORMS and tuple(PATCHINGS) == vit.PATCHINGS


@pytest.mark.parametrize("shape", [(2, 3, 8, 12), (2, 1, 4, 4), (2, 3, 20)])
def test_patches_as_one_product_equal_the_convolution_and_its_gradients(shape):
    torch.manual_seed(0)
    layer = PatchEmbedding(patch=4, channels=shape[1], d_model=5, axes=len(shape) - 2).double()
    images, probe = torch.randn(shape).double().requires_grad_(), torch.randn(2, 1, 5).double()
    inputs = [images, *layer.parameters()]
    results = [[out, *torch.autograd.grad((out * probe).sum(), inputs)]
               for out in (layer(images), as_product(layer.projection, images))]  # fmt: skip
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(2, 3, 8, 12), (2, 3, 19)])
def test_patches_on_a_gpu_are_those_of_the_cpu(shape):
    layer, images = PatchEmbedding(patch=4, channels=3, d_model=5, axes=len(shape) - 2).double(), torch.randn(shape)
    expected = layer(images.double())
    torch.testing.assert_close(layer.cuda()(images.double().cuda()).cpu(), expected, rtol=1e-12, atol=1e-12)


def test_shifts_are_the_image_and_its_neighbours_by_one_pixel_with_zeros_beyond_the_edge():
    images = torch.rand(2, 3, 4, 5) + 1
    shifted = with_shifts(images).unflatten(1, (5, 3))  # (B, 5, C, H, W)
    assert torch.equal(shifted[:, 0], images)
    for which, (dy, dx) in enumerate([(0, -1), (0, 1), (-1, 0), (1, 0)], start=1):  # where a pixel comes from
        for y in range(4):
            for x in range(5):
                inside = 0 <= y + dy < 4 and 0 <= x + dx < 5
                expected = images[:, :, y + dy, x + dx] if inside else torch.zeros(2, 3)
                assert torch.equal(shifted[:, which, :, y, x], expected)


def test_a_shifted_patch_is_normalised_over_five_times_the_channels_and_projected():
    torch.manual_seed(0)
    layer = ShiftedPatchEmbedding(patch=2, channels=3, d_model=8)
    assert layer.norm.normalized_shape == (5 * 3 * 4,) and layer.projection.in_features == 5 * 3 * 4
    images = torch.randn(2, 3, 4, 6)
    whole = with_shifts(images)
    out = layer(images)
    assert out.shape == (2, 6, 8)
    for token in range(6):
        y, x = 2 * (token // 3), 2 * (token % 3)
        patch = F.layer_norm(whole[:, :, y : y + 2, x : x + 2].flatten(1), (60,), eps=1e-6)
        torch.testing.assert_close(out[:, token], layer.projection(patch), rtol=0, atol=1e-5)


def test_fixed_positions_are_sines_and_cosines_of_column_then_row():
    made = sincos(3, 2, d_model=16).unflatten(-1, (4, 4))  # (N, sin x cos x sin y cos y, D / 4)
    for y in range(3):
        for x in range(2):
            for i in range(4):
                across, down = (side * 10_000 ** (-i / 3) for side in (x, y))
                expected = [math.sin(across), math.cos(across), math.sin(down), math.cos(down)]
                torch.testing.assert_close(made[2 * y + x, :, i], torch.tensor(expected), rtol=0, atol=1e-6)
    assert len({tuple(row.tolist()) for row in made.flatten(1)}) == 6


def test_dynamic_tanh_equals_its_formula_and_starts_at_half():
    torch.manual_seed(0)
    layer, x = DynamicTanh(6), torch.randn(2, 3, 6)
    torch.testing.assert_close(layer(x), torch.tanh(x / 2))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    expected = [layer.weight[i] * math.tanh(layer.alpha.item() * x[0, 0, i]) + layer.bias[i] for i in range(6)]
    torch.testing.assert_close(layer(x)[0, 0], torch.stack(expected))
