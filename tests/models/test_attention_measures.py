"""Numbers of attention maps: hand-made maps give hand-computed numbers, and exact checks pass for every kind."""

import math

import pytest
import torch
from torch import nn

from app.counts.vit import ATTENTIONS
from app.data.transforms import canvases, distractors
from app.errors import InputError
from app.models.attention import measures
from app.models.attention.lambdas import lambdas_of, scaled_lambda
from app.models.attention.layer import Maps
from app.models.attention.seen import largest_difference, seen
from app.models.vit import ViT

FIRST = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]]], dtype=torch.float64)  # one image, one head, two tokens
SECOND = torch.tensor([[[[0.25, 0.75], [0.0, 1.0]]]], dtype=torch.float64)


def near(found, wanted):
    assert found.tolist() == pytest.approx(wanted, abs=1e-6)


def model_of(kind):
    torch.manual_seed(1)
    model = ViT(image=16, patch=4, channels=3, classes=5, d_model=48, depth=3, heads=2, attention=kind)
    for parameter in model.parameters():  # maps far from uniform
        nn.init.normal_(parameter, std=0.3)
    return model


def test_hand_made_maps_of_a_subtraction_have_hand_computed_numbers():
    maps = Maps(FIRST, SECOND, torch.tensor(0.8, dtype=torch.float64))  # D: 0.3 -0.1, 1 -0.8
    found = measures.numbers(maps)
    near(found["row_sum"], [0.2])
    near(found["lambda"], [0.8])
    near(found["negative_mass"], [(0.1 / 0.4 + 0.8 / 1.8) / 2])
    near(found["cancelled_mass"], [(0.2 + 0.5 + 0.0 + 0.0) / 2])
    near(found["similarity"], [(0.5 / math.sqrt(0.5 * 0.625) + 0.0) / 2])
    entropies = [-sum(p * math.log(p) for p in row) for row in ((0.75, 0.25), (1 / 1.8, 0.8 / 1.8))]
    near(found["entropy"], [sum(entropies) / 2 / math.log(2)])
    near(found["effective_keys"], [sum(map(math.exp, entropies)) / 2])
    assert "head_distance" not in found


def test_the_distance_of_heads_is_0_for_copies_and_1_for_heads_that_read_different_tokens():
    copies = Maps(FIRST.repeat(1, 3, 1, 1))
    apart = Maps(torch.stack([torch.eye(2), torch.eye(2).flip(1)])[None])
    near(measures.numbers(copies)["head_distance"], [0.0])
    near(measures.numbers(apart)["head_distance"], [1.0])
    assert not {"lambda", "negative_mass", "similarity"} & measures.numbers(copies).keys()


def test_outlier_tokens_are_those_above_four_medians_and_receive_their_share_of_attention():
    hidden = torch.ones(1, 5, 4)
    hidden[0, 0] = 100.0  # the cls token, which does not count
    hidden[0, 3] = 8.0
    received = torch.tensor([0.1, 0.2, 0.1, 0.4, 0.2]).expand(1, 2, 5, 5)
    found = measures.of_tokens(hidden, Maps(received), slice(1, None))
    near(found["outlier_tokens"], [0.25])
    near(found["token_norm_ratio"], [8.0])
    near(found["outlier_attention"], [0.4])


def test_activations_are_relative_to_their_median():
    values = torch.arange(1.0, 2002.0)[None] * -1  # median 1001
    found = measures.of_activations("hidden", values)
    near(found["hidden_max"], [2001 / 1001])
    near(found["hidden_q999"], [1999 / 1001])


def test_the_signal_share_of_a_hand_made_row_follows_patches_and_cells():
    cells = canvases.patch_cells((2, 2))  # a cell's edge is within a patch: 2/3 and 1/3 of it
    near(cells.sum(1), [1.0] * 4)
    near(cells[0], [4 / 9, 2 / 9, 0, 2 / 9, 1 / 9, 0, 0, 0, 0])
    weights = torch.tensor([[0.4, 0.1, 0.2, 0.3]], dtype=torch.float64)
    at = torch.tensor([[0, 8]])  # the target top left, a distractor bottom right
    share = measures.on_cells(weights, cells, at[:, 0], canvases.occupied(at))
    near(share, [0.4 / 0.7])
    alone = measures.on_cells(weights, cells, at[:, 0], canvases.occupied(at[:, :1]))
    near(alone, [1.0])


def test_the_share_on_a_patched_image_of_a_hand_made_row_is_what_no_patch_covers():
    at = torch.tensor([[0, 3], [0, 1]])  # of 4 x 4 cells: two corners; the top left and its neighbour
    visible = distractors.visible(at, (8, 8), (2, 2))
    near(visible.flatten(), [3 / 4, 3 / 4, 1, 1, 1 / 2, 1, 1, 1])
    weights = torch.tensor([[0.4, 0.1, 0.2, 0.1], [0.4, 0.0, 0.1, 0.0]], dtype=torch.float64)
    near(measures.on_image(weights, visible), [(0.3 + 0.075 + 0.3) / 0.8, (0.2 + 0.1) / 0.5])
    near(measures.on_image(torch.ones(2, 4), visible), [1 - 2 / 16] * 2)  # a map without a preference
    near(measures.on_image(torch.zeros(2, 4), visible), [0.0, 0.0])


def test_a_token_that_a_patch_covers_in_part_counts_by_its_area_and_a_token_of_a_cell_counts_as_one():
    at = torch.tensor([[0]])
    near(distractors.visible(at, (8, 12), (8, 12)).view(8, 12)[0], [0.0] * 3 + [1.0] * 9)
    near(distractors.visible(at, (8, 8), (3, 3))[0], [1 - 4 / (8 / 3) ** 2] + [1.0] * 8)
    near(distractors.visible(at[:, :0], (8, 8), (3, 3))[0], [1.0] * 9)  # no patch


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_exact_checks_pass_for_random_weights_of_every_kind(kind):
    model, images = model_of(kind), torch.randn(2, 3, 16, 16)
    logits, layers = seen(model, images)
    with torch.no_grad():
        torch.testing.assert_close(logits, model.eval()(images), rtol=0, atol=0)
    for layer in layers:
        assert measures.sum_error(layer.maps) < 1e-5
        found = measures.numbers(layer.maps)
        assert {len(each) for each in found.values()} == {2}
        if "lambda" in found:
            assert (found["cancelled_mass"] <= found["lambda"].clamp_min(0) + 1e-6).all()
        assert 0 < float(found["entropy"].max()) <= 1 + 1e-6 and torch.isfinite(layer.scores).all()
        maps = 1 if layer.maps.second is None else 2
        masked = 17 if ATTENTIONS[kind].masked else 0
        if kind in ("classic", "differential", "differential_v2", "lsa"):
            assert layer.scores.shape == (2, maps * 2 * (17 * 17 - masked))
    assert largest_difference(model, images) < 1e-5


def test_a_scaled_lambda_changes_the_map_within_its_context_only():
    model, images = model_of("differential"), torch.randn(1, 3, 16, 16)
    usual = lambdas_of(model)
    with scaled_lambda(model, 0.0):
        assert not lambdas_of(model).any()
        maps = next(seen(model, images)[1]).maps
        torch.testing.assert_close(maps.combined, maps.first, rtol=0, atol=0)
    assert torch.equal(lambdas_of(model), usual) and "lambda_full" not in vars(model.blocks[0].attention)
    assert lambdas_of(model_of("classic")) is None and lambdas_of(model_of("differential_v2")) is None


def test_a_model_without_attention_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="a Sequential has no attention maps"):
        seen(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.randn(1, 3, 8, 8))
