"""Numbers of attention, compared between architectures: also the share on images with patches."""

import numpy as np
import pytest

from app.artifacts.attention_rows import Numbers, Part
from app.results import attended

ROWS = np.arange(80)


def parts_of(gain, seed, counts=(0, 1, 2)):
    """Numbers of test images and of images with patches in two layers; `gain` is added to the share with patches."""
    draws, found = np.random.default_rng(seed), {}
    for layer in (0, 1):
        found[Part("final", "test", layer)] = Numbers(ROWS, {"entropy": draws.normal(0.5, 0.1, 80)})
        for count in counts:
            share = 1 - count / 16 + count * gain * layer + draws.normal(0, 0.01, 80)
            found[Part("final", f"patched{count}", layer)] = Numbers(ROWS, {"share": share, "share_first": share})
    for count in counts:
        values = {"correct": draws.integers(0, 2, 80) * 1.0, "uniform": np.full(80, 1 - count / 16)}
        found[Part("final", f"patched{count}", -1)] = Numbers(ROWS, values)
    return found


def test_the_share_with_the_most_common_patches_is_compared_by_layer_and_the_accuracy_once():
    one = [parts_of(0.1, seed) for seed in (1, 2)]
    other = [parts_of(0.0, seed, counts=(0, 1, 2, 3)) for seed in (3, 4)]
    found = {(each.inputs, each.name, each.layer): each for each in attended.differences(one, other)}
    assert {key[:2] for key in found} == {("test", "entropy"), ("patched2", "share"), ("patched2", "correct")}
    gaps = {layer: found["patched2", "share", layer] for layer in (-1, 0, 1)}
    assert gaps[1].difference == pytest.approx(0.2, abs=0.01) and gaps[1].marked
    assert gaps[-1].difference == pytest.approx(0.1, abs=0.01) and abs(gaps[0].difference) < 0.01
    assert [each for each in found if each[1] == "correct"] == [("patched2", "correct", -1)]
    assert gaps[1].to_json()["inputs"] == "patched2"
    assert attended.patched(one[0]) == (0, 1, 2) and not attended.patched({Part("final", "test", 0): None})


def test_runs_without_patched_images_are_compared_on_test_images_only():
    one, other = parts_of(0.1, 1), {part: its for part, its in parts_of(0.0, 2).items() if part.inputs == "test"}
    assert {each.inputs for each in attended.differences([one], [other])} == {"test"}
