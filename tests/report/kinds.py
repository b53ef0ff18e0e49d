"""Every kind of figure, drawn from runs made up for tests on a canvas of any width, without a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from results import classified, finished
from results.test_noise import PRIMARY, planted

from app.artifacts.runs import Run, find_runs
from app.report import (
    accuracy,
    classes,
    confusion,
    disagreements,
    exponents,
    field,
    growth,
    history,
    loss,
    noise,
    overlay,
    patterns,
    scaling,
    style,
    truth,
)
from app.report.canvas import Canvas
from app.report.series import series_of
from app.tables.symmetry import BRAVAIS

from . import made_up_run

PLOTTED = ("loss", "scaling", "history", "field", "patterns")  # by `plot`, on any canvas
COMPARED = (
    "overlay",
    "accuracy",
    "growth",
    "classes",
    "disagreements",
    "exponents",
    "noise",
)  # of several architectures
OF_A_RUN = ("own loss", "few classes", "many classes", "truth")  # by `train` and `evaluate`, on the usual one


def figures(kind: str, folder: Path, monkeypatch: Any, canvas: Canvas) -> list[Figure]:
    """Draw a kind of figure; return what would have been saved."""
    found: list[Figure] = []
    folder.mkdir(exist_ok=True)

    def keep(figure: Figure, stem: Path, canvas: Canvas = canvas) -> list[Path]:
        with style.house_style(canvas):
            figure.draw_without_rendering()
        found.append(figure)
        return [stem]

    monkeypatch.setattr(style, "save", keep)
    globals()[f"_{kind.replace(' ', '_')}"](folder, canvas)
    assert found
    return found


def _loss(folder: Path, canvas: Canvas) -> None:
    runs = [made_up_run(folder, model="vit_differential", size=size, steps=60) for size in ("10M", "25M", "50M")]
    loss.draw(runs, folder, canvas=canvas)


def _scaling(folder: Path, canvas: Canvas) -> None:
    sizes = {"10M": 0.30, "25M": 0.335, "50M": 0.35}
    runs = [made_up_run(folder, size=size, top1=top1, steps=1) for size, top1 in sizes.items()]
    scaling.draw([*runs, made_up_run(folder, size="1M", top1=None, steps=1)], folder, canvas=canvas)


def _overlay(folder: Path, canvas: Canvas) -> None:
    overlay.draw(_seeds(folder), folder, canvas=canvas)


def _accuracy(folder: Path, canvas: Canvas) -> None:
    accuracy.draw(_seeds(folder)[:2], folder, canvas=canvas)


def _seeds(folder: Path, **asked: Any) -> list[Run]:
    """Runs of two models at two sizes, the first with two seeds."""
    cells = [(model, size, seed) for model in ("vit_classic", "vit_differential") for size in ("10M", "25M")
             for seed in ((0, 1) if model == "vit_classic" else (0,))]  # fmt: skip
    return [made_up_run(folder, model=model, size=size, seed=seed, steps=20, **asked) for model, size, seed in cells]


def _growth(folder: Path, canvas: Canvas) -> None:
    growth.draw(_tested(folder, ("1M", "10M")), folder, canvas=canvas)


def _classes(folder: Path, canvas: Canvas) -> None:
    classes.draw(_tested(folder, ("1M",)), folder, canvas=canvas)


def _disagreements(folder: Path, canvas: Canvas) -> None:
    one, other = series_of(_tested(folder, ("1M",)))
    found = disagreements.Tests.of(one, other)
    images = np.tile(np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8), (len(found.rows), 1, 1, 1))
    made = disagreements.figure((one, other), found, lambda rows: images[: len(rows)], canvas=canvas)
    style.save(made, folder, canvas)


def _noise(folder: Path, canvas: Canvas) -> None:
    planted(folder, {"vit_classic": 0.0, "vit_differential": 0.1}, seeds=2, n=60, names=(*PRIMARY, "fog"))
    noise.draw(find_runs(folder), folder, canvas=canvas)


def _exponents(folder: Path, canvas: Canvas) -> None:
    exponents.draw(_tested(folder, ("1M", "10M", "25M")), folder, canvas=canvas)


def _tested(folder: Path, sizes: tuple[str, ...]) -> list[Run]:
    """Runs of two models on digits with predictions, two seeds each."""
    random = np.random.default_rng(0)
    return [
        finished(
            folder, classified(random.random(300) < 0.6 + 0.1 * at), dataset="digits", size=size, model=model, seed=seed
        )
        for at, size in enumerate(sizes) for model in ("vit_classic", "vit_differential") for seed in (0, 1)
    ]  # fmt: skip


def _history(folder: Path, canvas: Canvas) -> None:
    runs = [
        made_up_run(folder, model=model, steps=40, seed=seed, size="10M")
        for model in ("vit_classic", "vit_differential")
        for seed in (0, 1)
    ]
    history.draw(runs, folder, threshold=3.0, top=None, zoom=None, canvas=canvas)


def _field(folder: Path, canvas: Canvas) -> None:
    for frame in (105, 125):
        rho = np.linspace(0, 14.5 + frame / 100, 2500 * 25).reshape(2500, 25)
        z, r = np.arange(2500) / 100, np.arange(25) / 10
        np.savez(folder / f"nc231213_Sn_id0001_pvi_idx{frame:05}.npz", rho=rho, Zcoord=z, Rcoord=r)
    field.draw(folder, field="rho", simulation=None, out=folder, canvas=canvas)


def _patterns(folder: Path, canvas: Canvas) -> None:
    run = made_up_run(folder, dataset="diffraction", model="resnet1d", steps=1)
    names = sorted(BRAVAIS, key=len)[-4:]
    found = [
        patterns.Pattern(
            1000 + row, np.abs(np.sin(np.arange(300.0) * (row + 1) / 9)), name, list(zip(names, shares, strict=False))
        )
        for row, (name, shares) in enumerate([(names[0], (0.9, 0.08, 0.02)), (names[2], (0.5, 0.4, 0.1))])
    ]
    canvas = canvas.of(patterns._WIDTH)
    with style.house_style(canvas):
        figure = patterns._figure(run, found, 3 + 0.5 * np.arange(300), canvas)
    style.save(figure, folder, canvas)


def _own_loss(folder: Path, canvas: Canvas) -> None:
    loss.draw_run(made_up_run(folder, steps=60))


def _few_classes(folder: Path, canvas: Canvas) -> None:
    confusion.draw_run(made_up_run(folder, dataset="digits", size="1M", top1=0.7, steps=1))


def _many_classes(folder: Path, canvas: Canvas) -> None:
    confusion.draw_run(made_up_run(folder, steps=1))


def _truth(folder: Path, canvas: Canvas) -> None:
    truth.draw_run(made_up_run(folder, dataset="nested_cylinder", model="cnn", steps=1))
