"""The table of a study's results: one row per run, what its record says, in types that a spreadsheet reads."""

import csv

import pyarrow.parquet as pq
import pytest
from report import made_up_run
from test_cells import Quiet

from app.config.run import RunConfig
from app.studies import axes, cells, progress, results, rows
from app.studies.folder import StudyFiles

SECONDS = {"training": 90.0, "waiting": 1.0, "validation": 8.0, "test": 2.0, "lost": 5.5}
ASKED = {"dataset": "digits", "size": "1M", "model": "vit_classic", "tag": "asked"}
ABOUT = {
    "tag": "a, \"b\"", "flops_per_image": 123.0, "seconds": SECONDS, "energy_kwh": 0.25, "dollars": 0.5,
    "places": [{"device": "a", "precision": "fp32", "seconds": seconds} for seconds in (60.0, 48.25)],
}  # fmt: skip


@pytest.fixture
def found(tmp_path):
    """The progress of a classification with results, one that failed, a regression, and one that is missing."""
    failed = {"failure": {"kind": "diverged", "sentence": "the loss is nan"}}
    made_up_run(tmp_path, dataset="digits", size="1M", seed=0, steps=1, record=ABOUT)
    made_up_run(tmp_path, dataset="digits", size="1M", seed=1, steps=1, status="failed", top1=None, record=failed)
    made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", seed=0, steps=1)
    found = rows.of_axes(axes.of_options(["seed=0-2"]), ASKED)
    known = progress.of_cells(cells.resolved(found, Quiet(), checkpoints=tmp_path), tmp_path, print)
    regression = progress.indexed(tmp_path, print)
    (entry,) = [each for each in regression if each.dataset == "nested_cylinder"]
    cell = cells.Cell(
        config=RunConfig.from_json(entry.config), given={}, rows=(rows.Row(cells={}, where="", number=7),)
    )
    return [*known, *progress.of_cells([cell], tmp_path, print)]


@pytest.fixture
def written(found, tmp_path):
    """The rows of the CSV by column, as texts, and the parquet table."""
    files = StudyFiles.of(tmp_path, tmp_path / "grid.csv", [])
    results.write(files, found, pytest.fail)
    with files.results_csv.open(newline="") as file:
        return list(csv.DictReader(file)), pq.read_table(files.results_parquet)


def test_a_row_has_settings_counts_costs_and_metrics(written):
    row = written[0][0]
    wanted = {
        "state": "done", "failure": "", "tag": 'a, "b"', "model": "vit_classic", "size": "1M", "seed": "0",
        "lr": "0.001",
        "image": "8", "skip_unreadable": "false", "clip_norm": "", "flops_per_image": "123.0", "seconds_lost": "5.5",
        "seconds_training": "90.0", "seconds_occupied": "108.2", "energy_kwh": "0.25", "dollars": "0.5", "n": "1000",
        "top1": "0.3", "top1_low": "0.29", "top1_high": "0.31", "top5": "0.3", "loss": "2.0", "rmse": "",
        "best_epoch": "1", "best_val_loss": "1.0", "best_top1": "", "task": "classification",
        "loss_function": "cross_entropy",
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_no_setting_and_result_share_a_column(found):
    settings = {*results._SETTINGS}
    assert len(results.columns()) == len({*results.columns()} | settings - {"loss"})
    row = results.row_of(found[2])  # a missing run has its settings only
    assert {name for name in settings if row[results._COLUMN[name]] is None} == {
        name for name in settings if getattr(found[2].cell.config, name) is None
    }
    assert row["loss"] is None and row["loss_function"] == "cross_entropy"


def test_a_run_that_failed_or_is_missing_has_its_settings_and_no_results(written):
    failed, missing = written[0][1:3]
    assert (failed["state"], failed["failure"], failed["top1"]) == ("failed", "diverged", "")
    assert failed["tag"] == ""  # as its record says; the study asks for a tag of runs that it begins
    assert (missing["state"], missing["tag"], missing["seed"], missing["parameters"]) == ("missing", "asked", "2", "")


def test_a_regression_has_its_errors_with_intervals_and_the_number_of_its_row(written):
    row = written[0][3]
    assert row["top1"] == "" and row["number"] == "7" and row["image"] == "1700x500"
    assert float(row["rmse_low"]) <= float(row["rmse"]) <= float(row["rmse_high"])
    assert float(row["r2_low"]) <= float(row["r2"]) <= float(row["r2_high"])


def test_parquet_has_the_same_cells_with_types(written):
    texts, table = written
    assert table.column_names == [*texts[0]] == [*results.columns()]
    for text, row in zip(texts, table.to_pylist(), strict=True):
        for name, kind in results.columns().items():
            assert row[name] is None or type(row[name]) is kind, name
            shown = {None: "", True: "true", False: "false"}.get(row[name], row[name])
            assert text[name] == str(shown) or float(text[name]) == row[name], name


def test_the_table_is_read_by_pandas(written, found, tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "studies" / "grid" / "results.csv")
    assert table["top1"].dtype == float and table["seed"].dtype == int and len(table) == len(found)


def test_a_folder_that_cannot_be_written_is_reported_or_passed_over_in_silence(found, tmp_path):
    (tmp_path / "studies").write_text("no folder")
    said = []
    results.write(StudyFiles.of(tmp_path, None, ["a"]), found)
    results.write(StudyFiles.of(tmp_path, None, ["a"]), found, said.append)
    assert len(said) == 1 and "could not be written" in said[0]


def test_what_a_study_took_is_the_sum_over_its_runs(found):
    took = results.totals(found)
    assert took["seconds_training"] == 90 + 1 + 1 and took["seconds_occupied"] == 108.2 and took["dollars"] == 0.5
    assert "took 2 min so far (training 2 min, test 2 s, lost 6 s)" in results.spent(
        found
    ) and "0.50 USD" in results.spent(found)
    assert results.spent(found[2:3]) == ""


def test_a_study_that_took_time_before_its_first_step_is_reported_without_empty_brackets(found, monkeypatch):
    monkeypatch.setattr(results, "totals", lambda _: {"seconds_occupied": 7.0})
    assert results.spent(found) == "the runs of the study took 7 s so far"


def test_a_switch_is_true_or_false_in_a_csv():
    row = dict.fromkeys(results.columns()) | {"qkv_bias": True, "mirror": False}
    ((head, line),) = [results._as_csv([row]).splitlines()]
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert (cells["qkv_bias"], cells["mirror"], cells["stem_pool"]) == ("true", "false", "")
