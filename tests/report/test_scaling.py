"""Figures of test accuracy against parameters."""

from __future__ import annotations

import math

import pytest

from app.errors import InputError
from app.report import scaling, style

from . import made_up_run


def evaluated(tmp_path, accuracies, **asked):
    """A run per size with that test accuracy."""
    return [made_up_run(tmp_path, size=size, top1=top1, steps=1, **asked) for size, top1 in accuracies.items()]


def text_of(path):
    """The words of a figure: matplotlib writes each drawn line of text as a comment of the SVG."""
    return path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_each_architecture_has_a_scaling_figure_in_two_formats(tmp_path):
    runs = [
        run for model in ("vit_classic", "vit_differential") for run in evaluated(tmp_path, {"10M": 0.3}, model=model)
    ]
    names = [path.name for path in scaling.draw(runs, tmp_path / "figures")]
    stems = ("scaling_vit_classic_cifar100", "scaling_vit_differential_cifar100")
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]


def test_a_line_is_fitted_with_three_sizes_and_not_with_two(tmp_path):
    runs = evaluated(tmp_path, {"10M": 0.30, "25M": 0.33, "50M": 0.35})
    assert "percentage points per doubling" in text_of(scaling.draw(runs, tmp_path / "three")[1])
    two = text_of(scaling.draw(runs[:2], tmp_path / "two")[1])
    assert "no fit: it needs 3 sizes, and there are 2" in two
    assert "per doubling" not in two


def test_the_slope_is_the_gain_per_doubling(tmp_path):
    runs = evaluated(tmp_path, {"10M": 0, "25M": 0, "50M": 0})
    points = [
        scaling.Point(run, millions, 20 + 3 * math.log2(millions), 0, 100)
        for run, millions in zip(runs, (10, 20, 40), strict=True)
    ]
    line = scaling.fitted(points)
    assert line.per_doubling == pytest.approx(3)
    assert line(10) == pytest.approx(points[0].accuracy)


def test_two_seeds_of_two_sizes_are_still_two_sizes(tmp_path):
    runs = [run for seed in (0, 1) for run in evaluated(tmp_path, {"10M": 0.3, "25M": 0.4}, seed=seed)]
    assert scaling.fitted([scaling.Point.of(run) for run in runs]) is None


def test_a_run_without_results_is_left_out_and_told(tmp_path):
    runs = evaluated(tmp_path, {"10M": 0.3, "25M": None})
    said = []
    svg = text_of(scaling.draw(runs, tmp_path / "figures", say=said.append)[1])
    assert f"evaluate --run {runs[1].record.run_id}" in said[0]
    assert "Not evaluated: 25M." in svg


def test_seeds_of_a_size_have_their_mean_and_a_bar_from_the_lowest_to_the_highest(tmp_path):
    runs = [made_up_run(tmp_path, seed=seed, top1=top1, steps=1) for seed, top1 in enumerate((0.30, 0.36))]
    middle = scaling.Kind("10M", 0, [scaling.Point.of(run) for run in runs]).middle
    assert (middle.accuracy, middle.low, middle.high) == pytest.approx((33, 30, 36))
    svg = text_of(scaling.draw(runs, tmp_path / "figures")[1])
    assert "10M: 33.0 %" in svg and "2 seeds (0, 1)" in svg and "Wilson" not in svg


def test_no_results_at_all_is_an_error_that_names_the_command(tmp_path):
    with pytest.raises(InputError, match=r"run\.py evaluate --run"):
        scaling.draw(evaluated(tmp_path, {"10M": None}), tmp_path)


def test_n_seeds_and_the_datasets_warning_stand_in_the_figure(tmp_path):
    svg = text_of(scaling.draw(evaluated(tmp_path, {"10M": 0.7}, dataset="bach"), tmp_path / "figures")[1])
    assert "n = 400 test images, 1 seed (seed 0)" in svg
    assert "Warning: BACH has 400 labelled images" in svg


def test_a_size_with_a_point_keeps_its_name_in_the_file(tmp_path):
    run = made_up_run(tmp_path, size="10.5M", d_model=192, heads=3, steps=1)
    assert scaling.draw([run], tmp_path / "figures")[0].name == "scaling_vit_classic_cifar100.png"


@pytest.mark.parametrize(
    ("accuracies", "shape"),
    [
        ({"10M": 0.35, "25M": 0.33, "50M": 0.30}, {}),
        ({"10.125M": 0.36, "11.125M": 0.34, "30.125M": 0.30}, {"d_model": 192, "heads": 3}),
        ({"2.5M": 0.36, "7.5M": 0.34, "9.5M": 0.30}, {"d_model": 192, "heads": 3}),
        ({"10M": 0.3}, {}),
    ],
)
def test_no_label_touches_an_axis_or_leaves_the_figure(tmp_path, accuracies, shape):
    points = [scaling.Point.of(run) for run in evaluated(tmp_path, accuracies, **shape)]
    kinds = [scaling.Kind(point.run.config.size, place, [point]) for place, point in enumerate(points)]
    with style.house_style():
        figure = scaling._figure(kinds, points, [])
        figure.draw_without_rendering()
    (axes,) = figure.axes
    inch = figure.dpi
    for label in axes.texts:
        box = label.get_window_extent()
        assert axes.bbox.x0 + 0.25 * inch < box.x0 and box.x1 < figure.bbox.x1 - 0.25 * inch
        assert axes.bbox.y0 < box.y0 and box.y1 < axes.bbox.y1
