"""Transformers over signals: stretches, filled up with zeros, shifts, positions; and inputs that are no square."""

import math

import pytest
import torch
from torch.nn import functional as F

from app.counts.vit import check_patches, grid
from app.errors import InputError
from app.models.layers import PatchEmbedding, ShiftedPatchEmbedding, filled_up, sincos, with_shifts
from app.models.vit import ViT

SMALL = {"channels": 2, "classes": 3, "d_model": 16, "depth": 1, "heads": 2}


@pytest.mark.parametrize(("length", "whole"), [(40, 40), (41, 60), (59, 60), (60, 60)])
def test_a_signal_is_filled_up_with_zeros_behind_to_a_multiple_of_the_patch(length, whole):
    signals = torch.randn(2, 3, length)
    filled = filled_up(signals, 20)
    assert filled.shape == (2, 3, whole) and torch.equal(filled[..., :length], signals)
    assert not filled[..., length:].any() and grid((length,), 20) == (whole // 20,)


def test_a_token_is_a_projected_stretch_of_all_channels():
    made = PatchEmbedding(patch=5, channels=2, d_model=7, axes=1)
    signals = torch.randn(3, 2, 15)
    stretches = signals.unflatten(-1, (3, 5)).transpose(1, 2).flatten(2)  # (B, N, C p)
    expected = stretches @ made.projection.weight.flatten(1).T + made.projection.bias
    torch.testing.assert_close(made(signals), expected)


def test_shifts_of_a_signal_are_by_one_sample_to_both_sides():
    shifted = with_shifts(torch.tensor([[[1.0, 2.0, 3.0]]]), axes=1)
    assert shifted.tolist() == [[[1, 2, 3], [0, 1, 2], [2, 3, 0]]]


def test_shifted_stretches_are_normalised_and_projected():
    made = ShiftedPatchEmbedding(patch=4, channels=2, d_model=8, axes=1)
    signals = torch.randn(2, 2, 10)
    one = with_shifts(F.pad(signals, (0, 2)), axes=1)[:, :, 4:8].flatten(1)  # the second stretch of each
    torch.testing.assert_close(made(signals)[:, 1], made.projection(made.norm(one)))


def test_positions_of_a_signal_are_sines_and_cosines_of_one_coordinate():
    made = sincos(5, d_model=6)  # frequencies 1, 1/100, 1/10000
    angles = torch.tensor([3.0, 0.03, 0.0003])
    torch.testing.assert_close(made[3], torch.cat([angles.sin(), angles.cos()]))
    assert made.shape == (5, 6)


@pytest.mark.parametrize("attention", ["classic", "differential", "differential_v2", "lsa"])
@pytest.mark.parametrize("more", [{}, {"patching": "shifted"}, {"positions": "sincos", "pooling": "mean"}])
def test_every_attention_patching_and_position_takes_signals(attention, more):
    model = ViT(image=(101,), patch=10, attention=attention, **SMALL, **more).eval()
    signals = torch.randn(2, 2, 101)
    assert model(signals).shape == (2, 3)
    zeros = F.pad(signals, (0, 9))
    torch.testing.assert_close(ViT.forward(model, zeros), model(signals))
    assert model.positions.shape[1] == 11 + ("pooling" not in more)


def test_patches_of_a_high_image_lie_row_by_row():
    model = ViT(image=(8, 4), patch=4, **SMALL, positions="sincos", pooling="mean")
    torch.testing.assert_close(model.positions[0], sincos(2, 1, d_model=16))
    assert model(torch.randn(1, 2, 8, 4)).shape == (1, 3)


def test_patches_that_do_not_fit_are_refused_with_the_nearest():
    check_patches((64, 48), 16)
    check_patches((41,), 20)
    with pytest.raises(InputError, match=r"image=64x48 is not a multiple of patch=32. Use 16"):
        check_patches((64, 48), 32)
    with pytest.raises(InputError, match=r"patch=50 is longer than the signal of 41 samples. Use a smaller patch"):
        ViT(image=(41,), patch=50, **SMALL)
    assert math.prod(grid((64, 48), 16)) == 12
