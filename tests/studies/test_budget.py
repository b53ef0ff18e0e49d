"""The budget of a study: what its runs took by their records limits the next training."""

import pytest
from report import made_up_run
from test_cells import Quiet

from app.errors import InputError, Stopped
from app.experiment import stopping
from app.studies import axes, cells, progress, rows
from app.studies.budget import Budget
from app.studies.study import Study
from app.studies.worker import Worker

ASKED = {"dataset": "digits", "size": "1M", "model": "vit_classic", "usd_per_hour": 6.0}


@pytest.fixture
def worker(tmp_path):
    """Returns a worker of two runs, of which the first took half an hour and 3 USD and is stopped."""
    about = {"places": [{"device": "a", "precision": "fp32", "seconds": 1800.0, "usd_per_hour": 6.0}], "dollars": 3.0}
    made_up_run(tmp_path, dataset="digits", size="1M", seed=0, steps=1, status="stopped", top1=None, record=about)

    def worker(asked=ASKED, max_minutes=None, **limits):
        found = cells.resolved(rows.of_axes(axes.of_options(["seed=0-1"]), asked), Quiet(), checkpoints=tmp_path)
        study = Study.of(tmp_path, None, found, upload=False, say=pytest.fail)
        return Worker(study, lambda _: None, max_minutes=max_minutes, budget=Budget(**limits), mixed_versions=True)

    return worker


@pytest.mark.parametrize(
    ("limits", "minutes"),
    [({"hours": 2}, 90), ({"usd": 4}, 10), ({"usd": 4, "hours": 2}, 10), ({"usd": 60, "hours": 0.75}, 15),
     ({"usd": 60, "hours": 9, "max_minutes": 7}, 7)],
)  # fmt: skip
def test_a_training_gets_what_is_left_of_every_limit(worker, limits, minutes):
    made = worker(**limits)
    option, value = made._limit(made.study.cells[1])
    assert option == "--max-minutes" and float(value) == pytest.approx(minutes, abs=0.01)


@pytest.mark.parametrize(
    ("limits", "option"),
    [({"hours": 2}, "--max-hours"), ({"usd": 4, "hours": 2}, "--max-usd"),
     ({"hours": 9, "max_minutes": 7}, "--max-minutes")],
)  # fmt: skip
def test_a_training_names_the_option_of_its_study_that_ends_it(worker, limits, option, monkeypatch):
    made = worker(**limits)
    made._limit(made.study.cells[1])
    for name, value in stopping.variable(made._limited_by).items():
        monkeypatch.setenv(name, value)
    with stopping.stop_requests(deadline=0) as asked:
        assert asked() == stopping.Reason(f"by {option}", in_time=True)


def test_a_training_without_a_study_names_its_own_option(monkeypatch):
    monkeypatch.delenv("ISOSCALE_LIMIT", raising=False)
    with stopping.stop_requests(deadline=0) as asked:
        assert asked() == stopping.Reason("by --max-minutes", in_time=True)


def test_there_is_no_limit_by_default(worker):
    assert worker()._limit(worker().study.cells[0]) == []


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"hours": 0.5}, r"--max-hours: its runs took 0\.50 h of 0\.50 h"),
     ({"usd": 2.5}, r"--max-usd: its runs took 3\.00 USD of 2\.50 USD")],
)  # fmt: skip
def test_a_study_stops_where_its_budget_is_spent_and_says_how_much_that_is(worker, limits, says):
    made = worker(**limits)
    with pytest.raises(Stopped, match=says) as stopped:
        made.complete()
    assert stopped.value.saved and stopped.value.complete


def test_dollars_need_a_price(worker):
    free = {name: value for name, value in ASKED.items() if name != "usd_per_hour"}
    Budget(usd=1).require(worker().study.cells)
    Budget(hours=1).require(worker(free).study.cells)
    for asked in (free, free | {"usd_per_hour": 0.0}):
        with pytest.raises(InputError, match="Add --usd-per-hour"):
            Budget(usd=1).require(worker(asked).study.cells)


def test_what_an_earlier_command_took_counts(worker):
    made = worker(usd=60)
    assert len(progress.of_cells(made.study.cells, made.study.checkpoints, pytest.fail)) == 2
    assert float(made._limit(made.study.cells[0])[1]) == pytest.approx(57 / 6 * 60, abs=0.01)


def test_what_other_runs_took_counts_and_a_command_that_does_not_know_them_gets_the_rest(worker):
    made = worker(hours=2, usd=9)
    shared = made.budget.shared(made.progress())
    assert shared.options() == {"max_hours": pytest.approx(1.5), "max_usd": pytest.approx(6)}
    minutes = dict(map(reversed, shared.left(made.study.cells[1], made.progress())))
    assert minutes == {"--max-hours": pytest.approx(60), "--max-usd": pytest.approx(30)}
    with pytest.raises(Stopped, match=r"1\.00 h of 0\.90 h"):
        Budget(hours=0.9).shared(made.progress()).left(made.study.cells[1], made.progress())
    assert Budget(hours=0.1).shared(made.progress()).options() == {"max_hours": 0, "max_usd": None}


@pytest.mark.parametrize(
    ("limits", "option"), [({"hours": float("inf")}, "--max-hours"), ({"usd": float("nan")}, "--max-usd")]
)
def test_a_limit_that_is_not_finite_is_refused(limits, option):
    with pytest.raises(InputError, match=f"{option} (inf|nan) is not an amount"):
        Budget(**limits)
