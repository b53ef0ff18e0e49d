"""Figures with several architectures: metrics by size and their differences, classes, disagreements, scaling fits."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from results import classified, finished, fitted

from app.data.store import cache
from app.errors import InputError
from app.report import classes, disagreements, exponents, fitlines, growth, inputs, selection, style
from app.report.canvas import Canvas
from app.report.series import pairs, series_of
from app.results.by_size import by_size
from app.results.metrics import METRICS

from . import made_up_run

MODELS = {"vit_classic": 0.7, "vit_differential": 0.55}
SVG = Canvas(formats=("svg",))
N = 200


@pytest.fixture(autouse=True)
def quick(monkeypatch, request):
    """Without the layout, which takes most of the time."""
    monkeypatch.setattr(style, "fit", lambda *_, **__: None)


def runs_of(folder, sizes=("1M",), seeds=2, models=MODELS, **asked):
    """Tested runs on digits: each size and model with a rate, which each seed exceeds a little."""
    random = np.random.default_rng(3)
    return [
        finished(folder, classified(random.random(N) < rate + 0.05 * at), dataset="digits", size=size, model=model,
                 seed=seed, **asked)
        for at, size in enumerate(sizes) for model, rate in models.items() for seed in range(seeds)
    ]  # fmt: skip


def text_of(made):
    return made.get_supxlabel().replace("\n", " ")


def drawn(runs, metric="top1"):
    series = series_of(runs)
    arms = [growth.arm_of(each) for each in series]
    return growth.figure(series, by_size(arms, METRICS[metric]))


def test_one_figure_has_every_architecture_every_seed_a_point_and_the_difference_below(tmp_path):
    runs = runs_of(tmp_path, ("1M", "10M"))
    made = drawn(runs)
    above, below = made.axes
    points = [value for line in above.lines if line.get_markerfacecolor() == "white" for value in line.get_ydata()]
    rates = [by_size([growth.arm_of(each)], METRICS["top1"]).means[0].results for each in series_of(runs)]
    assert sorted(points) == pytest.approx(sorted(100 * value for each in rates for value in each))
    assert "difference (points)" in below.get_ylabel() and len(below.containers) == 1
    assert "top-1 accuracy of each architecture minus that of Classic ViT" in text_of(made)
    assert "for new seeds and new test examples" in text_of(made) and "2 seeds (0, 1)" in text_of(made)


def test_architectures_of_one_size_are_drawn_next_to_each_other(tmp_path):
    above = drawn(runs_of(tmp_path)).axes[0]
    (one, other) = ({*line.get_xdata()} for line in above.lines if line.get_markerfacecolor() == "white")
    assert not one & other and max(one) < min(other)


@pytest.mark.parametrize(("sizes", "apart"), [(("1M", "1M"), False), (("1M", "2M"), True)])
def test_a_difference_between_architectures_of_different_sizes_is_said_to_be_one_of_size(tmp_path, sizes, apart):
    runs = [
        run for size, (model, rate) in zip(sizes, MODELS.items(), strict=True)
        for run in runs_of(tmp_path, sizes=(size,), models={model: rate})
    ]  # fmt: skip
    text = text_of(drawn(runs))
    assert ("minus that of Classic ViT at the same size" in text) == (not apart)
    assert ("has 1.99M parameters and Classic ViT 0.996M: their difference is also one of size" in text) == apart
    found = by_size([growth.arm_of(each) for each in series_of(runs)], METRICS["top1"]).to_json()["differences"]
    assert (found[0]["parameters"] > 1.05 * found[0]["minus_parameters"]) == apart


def test_a_figure_over_runs_only_says_so_and_a_regression_has_its_error(tmp_path):
    runs = runs_of(tmp_path / "a")
    runs[0].files.predictions.unlink()
    caption = text_of(drawn(runs))
    assert "t intervals over runs (Welch), because the predictions of some runs are not on this machine" in caption
    random = np.random.default_rng(1)
    values = [
        finished(tmp_path / "b", fitted(random.normal(size=60)), dataset="nested_cylinder", model=model, seed=seed)
        for model in ("cnn", "cnn_6") for seed in (0, 1)
    ]  # fmt: skip
    made = drawn(values, "log-mse")
    assert made.axes[0].get_ylabel() == "test log MSE" and "(lower is better)" in text_of(made)
    with pytest.raises(InputError, match="--metric top1 is for a classification"):
        growth.draw(values, tmp_path, metric="top1", canvas=SVG)


def test_an_architecture_alone_has_no_lower_panel_and_runs_without_results_are_named(tmp_path):
    runs = runs_of(tmp_path, models={"vit_classic": 0.6})
    assert len(drawn(runs).axes) == 1
    untested = made_up_run(tmp_path, dataset="digits", size="10M", top1=None, steps=1)
    said = []
    path, _ = growth.draw([*runs, untested], tmp_path, say=said.append, canvas=SVG)
    assert path.name == "scaling_digits.svg" and "Not evaluated: 1 run (10M)." in path.read_text("utf-8")
    assert said[0].startswith(f"skipped {selection.label(untested)}")


def test_classes_have_a_row_each_the_highest_first_and_marks_are_filled_in_the_look_of_the_better(tmp_path):
    one, other = series_of(runs_of(tmp_path))
    gap = {"examples": 20, "number": 0, "interval": (-0.1, 0.3)}
    gaps = [
        classes.ClassGap(name=name, difference=difference, adjusted=p, **gap)
        for name, difference, p in (("cat", 0.2, 0.01), ("dog", 0.1, 0.2), ("fox", -0.3, 0.04))
    ]
    made = classes.figure(one, other, gaps)
    axes = made.axes[1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "fox"]
    points = [line for line in axes.lines if line.get_marker() != "None"]
    assert [line.get_fillstyle() for line in points] == ["full", "none", "full"]
    assert [line.get_marker() for line in points] == [one.look["marker"], "o", other.look["marker"]]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([20, 10, -30])
    assert text_of(made).startswith("Exploratory, n = 60 ") and "2 of 3 classes with a p value are marked" in text_of(
        made
    )


@pytest.mark.parametrize(
    ("count", "width", "rows", "omitted"),
    [(100, 8.5, 100, 0), (100, 3.25, 50, 50), pytest.param(300, 8.5, 120, 180, marks=pytest.mark.slow)],
)
def test_of_many_classes_the_highest_and_the_lowest_are_drawn(tmp_path, count, width, rows, omitted):
    one, other = series_of(runs_of(tmp_path))
    gaps = [
        classes.ClassGap(number=c, name=f"c{c}", examples=9, difference=0.5 - c / count, interval=None, adjusted=None)
        for c in range(count)
    ]
    made = classes.figure(one, other, gaps, Canvas(width))
    names = [label.get_text() for axes in made.axes[1:] for label in axes.get_yticklabels()]
    assert len(names) == rows and names[0] == "c0" and names[-1] == f"c{count - 1}"
    assert (f"The {omitted} classes between" in text_of(made)) == bool(omitted)


def test_a_figure_of_differences_needs_two_architectures_at_one_size(tmp_path):
    runs = runs_of(tmp_path)
    assert [(a.key, b.key) for a, b in pairs(series_of(runs))] == [("vit_classic", "vit_differential")]
    for draw in (classes.draw, disagreements.draw):
        with pytest.raises(InputError, match="needs two architectures at one size, and the runs to draw are Classic"):
            draw(runs[:2], tmp_path)
    values = [finished(tmp_path, fitted(np.ones(9)), dataset="nested_cylinder", model=m) for m in ("cnn", "cnn_6")]
    for draw in (classes.draw, disagreements.draw):
        with pytest.raises(InputError, match="is a regression, which has no classes"):
            draw(values, tmp_path)


@pytest.fixture
def tests(tmp_path):
    """Two architectures with three runs each, which get certain rows of ten right, stored in another order."""
    right = np.zeros((2, 3, 10), bool)
    right[0, :, :3], right[0, :2, 3] = True, True  # 0 to 2: all of the first; 3: most
    right[1, :, 2], right[1, :, 9], right[1, :1, 0] = True, True, True  # 2: both; 9: only the second
    runs = [
        finished(tmp_path, classified(right[at, seed], rows=np.arange(10) + 50), dataset="digits", size="1M", model=m,
                 seed=seed)
        for at, m in enumerate(MODELS) for seed in range(3)
    ]  # fmt: skip
    return series_of(runs)


def test_a_disagreement_is_right_in_most_runs_of_one_and_wrong_in_most_of_the_other_the_clearest_first(tests):
    found = disagreements.Tests.of(*tests)
    assert found.rows[found.only(0)].tolist() == [51, 50, 53] and found.rows[found.only(1)].tolist() == [59]
    assert found.shares(0)[3] == pytest.approx(2 / 3)


def test_a_disagreement_shows_the_true_class_what_the_wrong_runs_predict_and_how_many_are_right(tests):
    found = disagreements.Tests.of(*tests)
    asked = []
    made = disagreements.figure(
        (tests[0], tests[1]), found, lambda rows: asked.append(rows) or np.zeros((len(rows), 1, 8, 8), np.uint8)
    )
    titles = [axes.get_title(loc="left") for axes in made.axes]
    assert [each.tolist() for each in asked] == [[51, 50, 53], [59]]
    assert "true: class 1\nwrong: class 2 (3)\nright: 3/3 and 0/3" in titles
    heads = [axes.get_legend().get_texts()[0].get_text() for axes in made.axes if axes.get_legend()]
    assert heads == ["only Classic ViT is right (3 of 10)", "only Differential ViT is right (1 of 10)"]
    assert "All runs of one are right and all of the other wrong on 1 and 1 examples." in text_of(made)


@pytest.mark.parametrize("shape", [(4, 3, 6, 6), (4, 1, 9, 3), (4, 2, 30)])
def test_images_fields_and_signals_are_drawn(tests, shape):
    values = np.ones(shape, np.uint8 if shape[1] == 3 else np.float32)
    made = disagreements.figure((tests[0], tests[1]), disagreements.Tests.of(*tests), lambda rows: values[: len(rows)])
    kinds = [bool(axes.images) for axes in made.axes if axes.axison]
    assert kinds == [len(shape) == 4] * 4


def test_without_the_cache_the_message_says_how_to_fill_it(tests, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "find", lambda *_: None)
    run = tests[0].runs[0]
    with pytest.raises(InputError, match=r"the images of digits .* are not in the cache of this machine\. Run `run"):
        inputs.of_rows(run, np.arange(3))
    with pytest.raises(InputError, match=f"evaluate --run {run.record.run_id} --again"):
        disagreements.draw([run for each in tests for run in each.runs], tmp_path)


SIZES = ("10M", "25M", "50M")


def falling(folder, exponents, sizes=SIZES, seeds=2, n=1500, **asked):
    """Runs on CIFAR-100 whose error is 0.4 at 10M and falls by an exponent."""
    random, ease = np.random.default_rng(11), np.random.default_rng(12).random(n)
    return [
        finished(folder, classified(0.5 * (ease + random.random(n)) > _quantile(0.4 * (float(size[:-1]) / 10) ** -b)),
                 size=size, model=model, seed=seed, **asked)
        for model, b in exponents.items() for size in sizes for seed in range(seeds)
    ]  # fmt: skip


def _quantile(share):
    """The value below which the mean of two uniform numbers is with this probability, up to one half."""
    return math.sqrt(share / 2)


def test_exponents_are_those_of_the_slopes_with_bands_and_a_json_twin(tmp_path):
    runs = falling(tmp_path, {"vit_classic": 0.2, "vit_differential": 0.5})
    paths = exponents.draw(runs, tmp_path / "figures", canvas=SVG)
    assert [path.name for path in paths] == ["scaling_fit_cifar100.svg", "scaling_fit_cifar100.json"]
    told = json.loads(paths[1].read_text())
    for family, b in zip(told["families"], (0.2, 0.5), strict=True):
        low, high = family["line"]["exponent"]["interval"]
        assert low < b < high and high - low < 0.4 and family["line"]["local"] and family["with_floor"] is None
        assert "a floor needs at least 4 sizes over a factor of 10" in family["no_floor"]
        assert [each["run_id"] for each in family["runs"]] == [
            run.record.run_id for run in runs if selection.model_title(run.config) == family["architecture"]
        ]
    assert told["equal_exponents_p"] < 0.01 and told["differences"][0]["examples"]["interval"][0] > 0
    assert "local slope over 9.75M to 50M" in paths[0].read_text("utf-8")


def test_lines_have_the_dashes_of_their_architecture_and_are_pale_beyond_the_sizes(tmp_path):
    runs = falling(tmp_path, {"vit_classic": 0.3, "vit_differential": 0.4}, seeds=2)
    made = exponents.figure(*exponents.fitted(runs))
    axes = made.axes[0]
    found = {}
    for line in axes.lines:
        if len(line.get_xdata()) > 9:
            found.setdefault((line.get_color(), line.get_linestyle()), []).append(line)
    assert [*found] == [("#0072B2", "-"), ("#D55E00", "--")]
    for lines in found.values():
        inside, *outside = lines
        assert inside.get_alpha() is None and [each.get_alpha() for each in outside] == [fitlines._OUTSIDE] * 2
    assert (min(inside.get_xdata()), max(inside.get_xdata())) == pytest.approx((9.76, 50.1), rel=0.01)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert any(child.get_ylabel() == "accuracy (%)" for child in axes.child_axes)
    assert "Only the depth grows with the size." in text_of(made) and "Error of sizes that are left out" in text_of(
        made
    )


def test_a_fit_with_a_floor_has_a_hatched_band_that_the_numbers_contain(tmp_path):
    sizes = ("5M", "10M", "25M", "100M")
    runs = falling(tmp_path, {"vit_classic": 0.5}, sizes=sizes, n=4000)
    _, found, means = exponents.fitted(runs)
    axes = exponents.figure(*exponents.fitted(runs)).axes[0]
    assert [bool(band.get_hatch()) for band in axes.collections if band.get_alpha()] == [False, True]
    curve = exponents.to_json(found, means)["families"][0]["with_floor"]["curve"]
    assert len(curve) == 25 and all(0 < at["low"] < at["error"] < at["high"] for at in curve)


def test_too_few_sizes_are_refused_and_a_family_without_enough_is_named(tmp_path):
    runs = falling(tmp_path, {"vit_classic": 0.3}, seeds=2)
    two = [run for run in runs if run.config.size != "50M"]
    with pytest.raises(InputError, match=r"needs at least 3 sizes and 4 runs\. There are 2 sizes and 4"):
        exponents.fitted(two)
    other = falling(tmp_path, {"vit_differential": 0.3}, sizes=("10M",), seeds=2)
    found = exponents.fitted([*runs, *other])[1]
    assert [*found.refused] == ["Differential ViT"] and found.equal is None and len(found.families) == 1


def test_a_fit_without_predictions_is_over_runs_of_this_test_set(tmp_path):
    runs = falling(tmp_path, {"vit_classic": 0.3}, seeds=2)
    runs[0].files.predictions.unlink()
    for run in runs:
        run.record.test.top1 = 1 - 0.4 * (float(run.config.size[:-1]) / 10) ** -0.3 * (1 + 0.01 * run.config.seed)
    series, found, means = exponents.fitted(runs)
    assert found.target == "test-set" and found.families[0].line.b.value == pytest.approx(0.3, abs=0.02)
    assert "over runs on this test set only, because the predictions" in text_of(exponents.figure(series, found, means))


def test_an_error_of_zero_has_no_fit(tmp_path):
    runs = falling(tmp_path, {"vit_classic": 9.0}, seeds=2)
    with pytest.raises(InputError, match="a run has no error on any example, and its logarithm is infinite"):
        exponents.fitted(runs)
