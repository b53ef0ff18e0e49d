"""Figures of the loss per batch."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import InputError
from app.report import loss
from app.report.batches import Curve, Frame, rows_of, smoothed, window_for

from . import falling, made_up_run


@pytest.mark.slow
def test_the_study_has_four_loss_figures_in_two_formats(tmp_path):
    cells = [(m, s) for m in ("vit_classic", "vit_differential") for s in ("10M", "25M")]
    runs = [made_up_run(tmp_path, model=model, size=size, steps=20) for model, size in cells]
    paths = loss.draw(runs, tmp_path / "figures")
    stems = [
        f"loss_{split}_{model}_cifar100" for split in ("train", "val") for model in ("vit_classic", "vit_differential")
    ]
    assert [path.name for path in paths] == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_a_run_has_its_own_loss_figure_beside_its_record(tmp_path, monkeypatch):
    run = made_up_run(tmp_path, steps=20)
    full = {"split": "val_full", "epoch": 1, "step": 20, "loss": 3.0, "examples": 40}
    rows, finish, labels = rows_of(run), loss._finish, []
    monkeypatch.setattr(loss, "rows_of", lambda run: [*rows, full, full | {"split": "val_ema", "loss": 2.5}])
    monkeypatch.setattr(loss, "_finish", lambda axes, *rest: labels.extend(axes.get_lines()) or finish(axes, *rest))
    assert loss.draw_run(run) == [run.files.loss_png, run.files.loss_svg]
    assert "validation of the averaged weights, all 40, lowest 2.50 after epoch 1" in [at.get_label() for at in labels]
    assert run.files.loss_png.read_bytes().startswith(b"\x89PNG")


def test_identical_logs_give_identical_bytes(tmp_path):
    contents = []
    for name in ("one", "other"):
        run = made_up_run(tmp_path / name, steps=20)
        contents.append([path.read_bytes() for path in loss.draw_run(run)])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("batches", [1, 2, 3, 4, 5, 60])
def test_smoothing_keeps_a_constant_and_the_length(batches):
    assert smoothed(np.full(batches, 2.5), 5) == pytest.approx(np.full(batches, 2.5))


def test_smoothing_keeps_a_straight_line_up_to_both_ends():
    line = np.linspace(4.6, 1.0, 300)
    assert smoothed(line, 31) == pytest.approx(line)


def test_smoothing_takes_the_mean_of_the_window_around_a_batch():
    noise = np.random.default_rng(0).normal(size=100)
    assert smoothed(noise, 11)[50] == pytest.approx(noise[45:56].mean())


def test_windows_are_odd_and_two_percent_of_the_run():
    assert [window_for(batches) for batches in (1, 60, 500, 4400)] == [5, 5, 11, 89]


def curve(tmp_path, function, steps=400):
    """The training curve of a run whose loss is a function of the step."""
    run = made_up_run(tmp_path, steps=steps, loss=function)
    return Curve.of(run, rows_of(run), "train")


def test_the_frame_is_not_crushed_by_a_spike_at_the_start(tmp_path):
    frame = Frame.of([curve(tmp_path, lambda step: falling(step) + 50 * (step < 4))])
    assert frame.high < 6
    assert not frame.logarithmic


def test_the_frame_holds_every_batch_of_an_ordinary_run(tmp_path):
    ordinary = curve(tmp_path, falling)
    frame = Frame.of([ordinary])
    assert frame.low < ordinary.losses.min()
    assert frame.high > ordinary.losses.max()


def test_a_loss_that_falls_a_hundredfold_is_read_on_a_logarithmic_axis(tmp_path):
    frame = Frame.of([curve(tmp_path, lambda step: 4.6 * 0.01 ** (step / 400))])
    assert frame.logarithmic
    assert 0 < frame.low < 0.046


def test_seeds_of_a_size_share_a_colour_and_an_entry_and_named_runs_say_what_differs(tmp_path, monkeypatch):
    asked = [{"seed": 0}, {"seed": 1}, {"seed": 0, "lr": 0.001}]
    runs = [made_up_run(tmp_path, steps=20, **each) for each in asked]
    figures = []
    monkeypatch.setattr(loss.style, "save", lambda figure, *_: figures.append(figure) or [])
    monkeypatch.setattr(loss.style, "fit", lambda *_: None)  # the layout takes most of the time
    loss.draw(runs, tmp_path)
    (axes,) = figures[0].axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 20 and line.get_linestyle() != "None"]
    colours = [line.get_color() for line in lines]
    assert len(lines) == 3 and len(set(colours)) == 2
    entries = [text.get_text().replace("\n", " ") for text in axes.get_legend().get_texts()]
    assert [entry.split(":")[0] for entry in entries[:2]] == ["10M, lr 0.0001", "10M, lr 0.001"]
    assert "2 seeds" in entries[0] and "Each seed is a thin line" in figures[0].get_supxlabel().replace("\n", " ")


def test_a_log_without_rows_is_named(tmp_path):
    with pytest.raises(InputError, match=r"_training\.log has no train row"):
        loss.draw_run(made_up_run(tmp_path, steps=0))
