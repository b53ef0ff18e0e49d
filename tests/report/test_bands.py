"""Figures of curves of several architectures and seeds: loss per batch, accuracy per epoch."""

from __future__ import annotations

import numpy as np
import pytest

from app import log
from app.errors import InputError
from app.report import accuracy, bands, overlay, selection, style
from app.report.canvas import Canvas
from app.report.series import panels_of, series_of

from . import falling, made_up_run

MODELS = ("vit_classic", "vit_differential")


def runs_of(folder, sizes=("10M",), seeds=(0, 1), **asked):
    """A run per model, size and seed, whose loss is higher by the seed."""
    return [
        made_up_run(folder, model=model, size=size, seed=seed, steps=20, loss=lambda s, b=seed: falling(s) + b, **asked)
        for model in MODELS for size in sizes for seed in seeds
    ]  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    """Without the layout, which takes most of the time."""
    monkeypatch.setattr(style, "fit", lambda *_: None)


def test_a_series_has_the_seeds_of_one_architecture_at_one_size_and_architectures_have_places(tmp_path):
    found = series_of(runs_of(tmp_path, ("25M", "10M")))
    assert [(each.key, each.size, each.place, len(each.runs)) for each in found] == [
        ("vit_classic", "10M", 0, 2), ("vit_classic", "25M", 0, 2),
        ("vit_differential", "10M", 1, 2), ("vit_differential", "25M", 1, 2),
    ]  # fmt: skip
    assert [*panels_of(found)] == ["10M", "25M"] and [*panels_of(found[:3])] == [*panels_of(found[:2])] == [""]


def test_named_runs_with_other_settings_are_other_series_whose_names_say_so(tmp_path):
    runs = [made_up_run(tmp_path, steps=10, **asked) for asked in ({}, {"lr": 0.001}, {"seed": 3})]
    found = series_of(runs)
    assert [(each.architecture, len(each.runs)) for each in found] == [
        ("Classic ViT, lr 0.0001", 2), ("Classic ViT, lr 0.001", 1)
    ]  # fmt: skip
    assert found[0].look != found[1].look


def test_the_mean_is_over_seeds_and_the_band_from_the_lowest_to_the_highest_where_all_have_values(tmp_path, quick):
    runs = runs_of(tmp_path)
    axes = overlay.figures(runs)["train"].axes[1]
    thin, mean = axes.lines[:2], axes.lines[2]
    assert np.allclose(mean.get_ydata(), np.mean([line.get_ydata() for line in thin], 0))
    (band, _) = axes.collections
    assert np.isclose(band.get_datalim(axes.transData).height, max(thin[1].get_ydata()) - min(thin[0].get_ydata()))
    x, values = bands.Strand(series_of(runs)[0], ((np.arange(4.0), np.ones(4)), (np.arange(3.0), np.zeros(3)))).seeds
    assert x.tolist() == [0, 1, 2] and values.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_architectures_differ_in_colour_marker_and_dashes_in_each_panel_of_a_size(tmp_path, quick):
    made = overlay.figures(runs_of(tmp_path, ("10M", "25M")))["val"]
    legend, *panels = made.axes
    assert [axes.get_title(loc="left") for axes in panels] == ["10M", "25M"]
    for axes in panels:
        looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axes.lines[2:6:3]]
        assert all(one != other for one, other in zip(*looks, strict=True))
    entries = [text.get_text() for text in legend.get_legend().get_texts()]
    assert entries[:2] == ["Classic ViT", "Differential ViT"] and "uniform guess, ln 100 = 4.61" in entries


def test_one_size_has_one_panel_and_a_legend_with_parameters_seeds_and_ends(tmp_path, quick):
    made = overlay.figures(runs_of(tmp_path))["train"]
    entry = made.axes[0].get_legend().get_texts()[0].get_text().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    assert entry.startswith("Classic ViT 10M: 9.75 M parameters, 2 seeds, ends at ") and " to " in entry
    caption = made.get_supxlabel().replace("\n", " ")
    assert "n = 45,000 training and 5,000 validation images" in caption and "A thin line is one seed." in caption


def test_one_figure_per_split_has_all_architectures(tmp_path, monkeypatch, quick):
    stems = []
    monkeypatch.setattr(style, "save", lambda _, stem, __: stems.append(stem.name) or [stem])
    overlay.draw(runs_of(tmp_path), tmp_path)
    accuracy.draw(runs_of(tmp_path), tmp_path)
    assert stems == ["loss_train_cifar100", "loss_val_cifar100", "accuracy_cifar100"]


def test_accuracy_is_that_of_the_complete_validation_split_in_percent(tmp_path, quick):
    runs = runs_of(tmp_path)
    rows = [row for row in log.read(runs[0].files.log)[1] if row["split"] == "val_full"]
    line = accuracy.figure(runs).axes[1].lines[0]
    assert line.get_ydata().tolist() == [100 * row["correct"] / row["examples"] for row in rows]
    assert line.get_xdata().tolist() == [1, 2]


def test_accuracy_of_a_regression_and_of_a_run_without_an_epoch_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"predicts a value, which has no accuracy\. Draw its loss with `plot history`"
    ):
        accuracy.figure([made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", steps=10)])
    with pytest.raises(InputError, match="has no complete epoch yet"):
        accuracy.figure([made_up_run(tmp_path, steps=3)])


def test_a_long_run_is_drawn_with_few_points_and_its_last_one():
    x, y = bands._thinned(np.arange(10_000.0), np.arange(10_000.0) ** 2)
    assert len(x) == 600 and x[-1] == 9_999 and y[-1] == 9_999**2 and x[0] == 0


def test_text_is_text_in_an_svg(tmp_path, quick):
    runs = selection.comparable(runs_of(tmp_path), named=None, say=print)["cifar100"]
    path = accuracy.draw(runs, tmp_path, canvas=Canvas(formats=("svg",)))[0]
    assert ">Validation accuracy on CIFAR-100</text>" in path.read_text("utf-8")
