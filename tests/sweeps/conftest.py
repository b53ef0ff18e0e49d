"""A sweep whose trainings are computed in memory: each epoch's loss is a formula of the trial's values."""

from types import SimpleNamespace

import pytest

from app.sweeps import curves, sweepfile
from app.sweeps.searching import Search
from app.sweeps.sweep import Sweep

from .pretended import Quiet, Study, Worker, World

GIVEN = {"dataset": "digits", "size": "100K", "d_model": 64, "model": "vit_classic", "epochs": 6}
FILE = """
method: {method}
metric: {{name: val_loss, goal: minimize}}
run_cap: {cap}
parameters:
  lr: {{distribution: q_log_uniform_values, min: 1.0e-4, max: 1.0e-1, q: 1.0e-4}}
  dropout: {{min: 0.0, max: 0.5}}
early_terminate: {{type: hyperband, min_iter: 1, eta: 2, strict: true}}
"""


@pytest.fixture
def world(monkeypatch):
    """An empty disk."""
    made = World()
    run_of = lambda files: next((made.runs[name][1] for name in made.runs if name in files.stem), [])  # noqa: E731
    monkeypatch.setattr(curves, "of_run", lambda files, metric: tuple(run_of(files)))
    monkeypatch.setattr(
        curves,
        "is_done",
        lambda files: any(name in files.stem and state == "done" for name, (state, _) in made.runs.items()),
    )
    monkeypatch.setattr(curves, "saved", lambda files, metric: tuple(run_of(files)))
    return made


@pytest.fixture
def sweep_of(tmp_path):
    """Returns the sweep of a file's text, in a new folder if a test names one."""

    def sweep_of(text, folder="here", seed=0, **given):
        path = tmp_path / "search.yaml"
        path.write_text(text)
        return Sweep(file=sweepfile.read(path), seed=seed, given=GIVEN | given, checkpoints=tmp_path / folder)

    return sweep_of


@pytest.fixture
def search(world, sweep_of):
    """Returns a search of a sweep in the world; it has the file's method and number of trials."""

    def search(method="bayes", cap=12, text=FILE, folder="here", seed=0):
        if method == "bayes":
            pytest.importorskip("optuna")
        sweep = sweep_of(text.format(method=method, cap=cap), folder, seed)
        return Search(sweep, Worker(Study(world, [])), Quiet(), cap)

    return search


@pytest.fixture
def complete(search, world):
    """Returns the lines of a complete search, and forgets its runs."""

    def complete(**how):
        made = search(folder="uninterrupted", **how)
        made.complete()
        trained, world.runs, world.trained = list(world.trained), {}, []
        return SimpleNamespace(text=made.sweep.path.read_text(), trained=trained)

    return complete
