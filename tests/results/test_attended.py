"""Numbers of attention, compared between architectures: also the share on images with patches."""

import numpy as np
import pytest

from app.artifacts.attention_rows import Numbers, Part
from app.results import attended, subtracted

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
    assert attended.counts(one[0], "patched") == (0, 1, 2) and not attended.counts(one[0], "canvas")


def test_runs_without_patched_images_are_compared_on_test_images_only():
    one, other = parts_of(0.1, 1), {part: its for part, its in parts_of(0.0, 2).items() if part.inputs == "test"}
    assert {each.inputs for each in attended.differences([one], [other])} == {"test"}


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_number_that_varies_over_images_by_rounding_has_no_interval_and_is_no_member_of_the_family(seeds):
    def arm(first, mean):
        arms = [parts_of(0.0, first + seed, counts=()) for seed in range(seeds)]
        for seed, parts in enumerate(arms):
            rounding = np.random.default_rng(seed).uniform(-1, 1, (4, 80)) * 2e-7
            for layer in (0, 1):
                values = {"row_sum": 1 - mean + rounding[0], "lambda": mean + seed / 10 + rounding[1]}
                values |= {"cancelled_mass": mean + rounding[2], "outlier_tokens": np.zeros(80)}
                parts[Part("final", "test", layer)].values.update(values)
        return arms

    found = attended.differences(arm(1, 0.2), arm(8, 0.6))
    tested = {each.name for each in found if each.adjusted is not None}
    assert tested == {each.name for each in found if each.interval} == {"entropy"}
    alone = attended.differences(*([parts_of(0, seed, counts=()) for seed in range(at, at + seeds)] for at in (1, 8)))
    assert [each.adjusted for each in found if each.name == "entropy"] == [each.adjusted for each in alone]
    (gap,) = [each for each in found if each.name == "lambda" and each.layer == 1]
    assert gap.difference == pytest.approx(-0.4, abs=1e-6) and not gap.marked


def test_row_sums_are_a_check_without_a_p_value_also_where_they_vary():
    arms = [[parts_of(0.0, seed, counts=())] for seed in (1, 2)]
    for number, (parts,) in enumerate(arms):
        for layer in (0, 1):
            parts[Part("final", "test", layer)].values["row_sum"] = np.random.default_rng(number).uniform(0, 1, 80)
    found = [each for each in attended.differences(*arms) if each.name == "row_sum"]
    assert len(found) == 3 and all(each.interval is None and each.adjusted is None for each in found)


def test_a_quantile_that_is_the_maximum_in_all_runs_is_not_a_second_row():
    arms = [[parts_of(0.0, seed, counts=())] for seed in (1, 2)]
    for number, (parts,) in enumerate(arms):
        for layer in (0, 1):
            its = parts[Part("final", "test", layer)].values
            its["logit_max"] = its["hidden_max"] = np.random.default_rng(number).uniform(2, 3, 80)
            its |= {"logit_q999": its["logit_max"].copy(), "hidden_q999": its["hidden_max"] - number / 10}
    found = [each.name for each in attended.differences(*arms) if each.layer == 1]
    assert found == ["entropy", "logit_max", "hidden_max", "hidden_q999"]


def test_the_interval_of_a_share_ends_at_a_difference_of_one():
    arms = [[parts_of(0.0, seed, counts=(1,))] for seed in (1, 2)]
    for (parts,), right in zip(arms, (np.ones(80), (ROWS == 0) * 1.0), strict=True):
        parts.update({part: its.of(ROWS[:4]) for part, its in parts.items()})
        parts[Part("final", "patched1", -1)] = Numbers(ROWS[:4], {"correct": right[:4]})
    (gap,) = [each for each in attended.differences(*arms) if each.name == "correct"]
    assert gap.difference == 0.75 and gap.interval == (pytest.approx(-0.0456, abs=1e-3), 1)


@pytest.mark.parametrize(("kind", "seeds"), [("patched", 3), ("canvas", 3), ("patched", 1)])
def test_what_subtracting_adds_has_an_interval_and_a_slope_from_one_distractor_on(kind, seeds):
    def of(seed, count):
        draws = np.random.default_rng([seed, count])
        gap = (0.02 + 0.01 * count + draws.normal(0, 0.005, 80)) * (count > 0)
        first = 1 - count / 16 + draws.normal(0, 0.2, 80)  # between images, in D and in A1 alike
        return {layer: Numbers(ROWS, {"share": first + gap * (layer + 0.5), "share_first": first}) for layer in (0, 1)}

    runs = [
        {Part("final", f"{kind}{count}", layer): its for count in range(5) for layer, its in of(seed, count).items()}
        for seed in range(seeds)
    ]
    (found,) = subtracted.subtracted("vit", ["1a"], runs)
    assert (found.kind, found.distractors, found.n) == (kind, 4, 80)
    assert found.difference == pytest.approx(0.06, abs=0.002) and found.slope == pytest.approx(0.01, abs=0.001)
    for value, (low, high) in ((found.difference, found.interval), (found.slope, found.slope_interval)):
        assert low < value < high < low + 0.01
    assert found.to_json()["inputs"] == f"{kind}4"
    without = [{part: Numbers(ROWS, {"share": its.values["share"]}) for part, its in run.items()} for run in runs]
    assert subtracted.subtracted("classic", ["1a"], without) == []


def test_canvases_are_compared_with_the_most_distractors_that_all_runs_have():
    arms = [[parts_of(0.1, seed)] for seed in (1, 2)]
    for (parts,) in arms:
        more = {part._replace(inputs=part.inputs.replace("patched", "canvas")): its for part, its in parts.items()}
        parts |= {part: its for part, its in more.items() if part.inputs.startswith("canvas")}
    found = [(each.inputs, each.name) for each in attended.differences(*arms) if each.inputs.startswith("canvas")]
    assert found == [("canvas2", "share")] * 3 + [("canvas2", "correct")]
