"""Histories over seeds and the time to a threshold: which runs, which numbers, which files."""

import pytest
from matplotlib.figure import Figure

from app.errors import InputError
from app.report import curves, history
from app.report.events import Event
from app.report.selection import repeated

from . import made_up_run


def under(step):
    """A loss that comes under 0.1 in the second epoch of ten steps and stays there."""
    return 0.05 if step > 10 else 1.0


@pytest.fixture
def runs(tmp_path):
    made = [
        made_up_run(
            tmp_path, dataset="nested_cylinder", model=model, steps=40, loss=loss, seed=seed, epochs=epochs, top1=1
        )
        for model, epochs in (("cnn", 4), ("cnn_6", 5))
        for seed, loss in ((1, under), (2, lambda _: 1.0))
    ]
    told = []
    found = repeated(made, named=None, say=told.append)
    assert told == [] and list(found) == ["nested_cylinder"]
    return found["nested_cylinder"]


def test_every_seed_of_every_model_is_taken_whatever_its_epochs(runs):
    assert [(run.config.model, run.config.seed) for run in runs] == [
        ("cnn", 1), ("cnn", 2), ("cnn_6", 1), ("cnn_6", 2),
    ]  # fmt: skip


def test_a_history_holds_means_over_epochs_and_the_event(runs):
    found = [history.History.of(run, 0.1) for run in runs[:2]]
    assert found[0].train.tolist() == pytest.approx([1, 0.05, 0.05, 0.05]) and len(found[0].val) == 4
    assert [each.event for each in found] == [Event(4, reached=True), Event(4, reached=False)]


def test_a_mean_over_an_epoch_is_over_its_examples():
    rows = [{"epoch": 1, "loss": 1.0, "examples": 3}, {"epoch": 1, "loss": 2.0, "examples": 1},
            {"epoch": 2, "loss": 4.0, "examples": 2}]  # fmt: skip
    assert curves.means(rows) == {1: 1.25, 2: 4.0}


@pytest.mark.slow
def test_each_model_all_of_them_and_the_event_are_drawn(runs, tmp_path):
    paths = history.draw(runs, tmp_path / "out", threshold=0.1, top=None, zoom=None)
    names = ["history_cnn", "history_cnn_6", "history_all", "event"]
    assert [path.name for path in paths] == [f"{n}_nested_cylinder.{k}" for n in names for k in ("png", "svg")]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_one_epoch_has_one_whole_number_on_the_axis(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(history.style, "save", lambda figure, *_: figures.append(figure) or [])
    monkeypatch.setattr(history.style, "fit", lambda *_: None)  # the layout takes most of the time
    run = made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", steps=10, epochs=1, top1=1)
    history.draw([run], tmp_path, threshold=0.1, top=None, zoom=None)
    axes = figures[0].axes[-1]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_axes_end_where_lanl_s_do_on_their_data_and_as_asked(runs):
    found = [history.History.of(run, 0.1) for run in runs[:1]]
    assert history._ends(found, 1e-3, None, None) == (0.4, pytest.approx(0.075))
    assert history._ends(found, 0.3, None, None) == (0.6, 0.6)  # the threshold lies inside
    assert history._ends(found, 1e-3, 2.0, 0.5) == (2.0, 0.5)


def test_colours_are_one_per_run_of_one_model_and_one_per_model_of_several(runs):
    found = [history.History.of(run, 0.1) for run in runs]
    assert len(set(history._colours(found[:2], history.groups(found[:2])))) == 2
    assert len(set(history._colours(found, history.groups(found)))) == 2


def test_a_classification_needs_a_threshold_and_a_run_without_an_epoch_is_told(tmp_path):
    run = made_up_run(tmp_path, steps=3)
    with pytest.raises(
        InputError, match=r"has no default for the loss to reach. Give one with --threshold, such as 0.5"
    ):
        history.draw([run], tmp_path, threshold=None, top=None, zoom=None)
    with pytest.raises(InputError, match=r"has no complete epoch yet. Train for at least one epoch"):
        history.draw([run], tmp_path, threshold=1.0, top=None, zoom=None)


def test_a_curve_ends_at_the_event_of_a_regression_and_is_complete_of_a_classification(runs, tmp_path, monkeypatch):
    classes = made_up_run(tmp_path / "c", loss=under, steps=60, epochs=6)
    regression, classification = (history.History.of(run, 0.1) for run in (runs[0], classes))
    assert (regression.event.epoch, regression.drawn) == (4, 4) and (
        classification.event.epoch,
        classification.drawn,
    ) == (4, 6)
    axes = Figure().subplots()
    history._draw_history(axes, classification, "val", "black", 1.0)
    curve, point = axes.lines
    assert len(curve.get_xdata()) == 6 and point.get_xdata().tolist() == [4] and point.get_marker() == "o"
    assert "A point marks the third" in " ".join(history._facts([classification], 0.1, (2.0, 0.2)))


def test_an_unfinished_run_is_left_out_and_said(tmp_path):
    made = [made_up_run(tmp_path, steps=10, seed=seed, status=status) for seed, status in ((1, "done"), (2, "running"))]
    told = []
    assert len(repeated(made, named=None, say=told.append)["cifar100"]) == 1 and "not finished" in told[0]


PUBLISHED = curves.Published("CNN_Models", "study200", [0.5, 5e-4, 5e-4, 5e-4], [0.5, 5e-4, 5e-4, 5e-4])


def test_a_published_run_is_a_group_next_to_runs(runs):
    mine, other = history.History.of(runs[0], 1e-3), history.History.of_published(PUBLISHED, 1e-3)
    assert [*history.groups([mine, other])] == [mine.group, "CNN_Models (published)"]
    assert (other.name, other.event, other.run) == ("study200", Event(4, reached=True), None)
    text = " ".join(history._facts([mine, other], 1e-3, (0.4, 0.1)))
    assert "1 run, one curve per run, 1 seed (seed 1)." in text and "1 published run, one curve per file." in text
    assert history._ends([other], 1e-3, None, None) == (0.4, 0.025)  # as for runs on their dataset


@pytest.mark.slow
def test_published_runs_are_drawn_alone_and_with_runs(runs, tmp_path):
    alone = history.draw([], tmp_path / "a", threshold=None, top=None, zoom=None, published=[PUBLISHED])
    assert [path.name for path in alone[::2]] == ["history_CNN_Models-published_nested_cylinder.png",
                                                  "event_nested_cylinder.png"]  # fmt: skip
    both = history.draw(runs[:1], tmp_path / "b", threshold=None, top=None, zoom=None, published=[PUBLISHED])
    assert [path.name.split("_nested")[0] for path in both[::2]] == [
        "history_cnn", "history_CNN_Models-published", "history_all", "event",
    ]  # fmt: skip
