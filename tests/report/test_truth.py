"""The figure of truth against prediction, and what else of a regression is drawn or refused."""

import pytest

from app.artifacts.which import FINAL
from app.cli import evaluate
from app.errors import InputError
from app.report import confusion, loss, scaling, testing, truth
from app.sharing import card, entry, table

from . import made_up_run


@pytest.fixture
def run(tmp_path):
    return made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", steps=20)


def test_truth_is_drawn_against_prediction_with_errors_intervals_and_n(run):
    paths = truth.draw_run(run)
    assert paths == [run.files.truth_png, run.files.truth_svg] and testing.picture(run) == paths[0]
    errors = run.record.results.test
    assert errors.resampled == "names" and errors.n == 100
    told = " ".join(truth._facts(run))
    assert "n = 100 test examples. RMSE 0.03" in told and "groups of one name" in told and "59,345 parameters" in told


def test_a_figure_that_is_there_is_not_drawn_again(run):
    testing.draw_once(run)
    run.files.truth_png.write_bytes(b"mine")
    testing.draw_once(run)
    assert run.files.truth_png.read_bytes() == b"mine"


def test_the_loss_of_numbers_is_a_squared_error_without_a_uniform_guess(run, tmp_path):
    svg = loss.draw_run(run)[1]
    assert svg.exists() and loss.selection.loss_title(run.config).startswith("mean squared error")


def test_other_tasks_and_runs_without_a_test_are_refused_with_what_to_do(run, tmp_path):
    with pytest.raises(InputError, match=r"predicts classes. Its figure is .*_confusion\.png"):
        truth.draw_run(made_up_run(tmp_path, dataset="bach", steps=1))
    with pytest.raises(InputError, match=r"predicts a number. Its errors are in another figure"):
        scaling.draw([run], tmp_path)
    bare = made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", steps=1, seed=4, top1=None)
    with pytest.raises(InputError, match=r"has no test results. Run `run\.py evaluate --run"):
        truth.draw_run(bare)
    with pytest.raises(InputError, match="has no test results"):
        confusion.draw_run(bare)


def test_terminal_card_and_index_name_errors_and_no_accuracy(run):
    text, whole = evaluate._text(run, FINAL), card.run_card(run, "hf://tester/runs/a")
    for told in (text, whole):
        assert "RMSE" in told and "R2" in told and "accuracy" not in told
    assert "bootstrap interval" in text and "standard deviation of the targets" in text
    made = entry.index_entry(run)
    types = [metric["type"] for result in made["results"] for metric in result["metrics"]]
    assert types == ["rmse", "mae", "r_squared"] and made["results"][0]["task"]["type"] == "image-regression"
    index = table.index_card("tester/runs", [made], {made["name"]: "cnn/a"})
    assert "| RMSE 0.03" in index and "pipeline_tag" not in index and "1700x500 px" in whole


def test_lower_errors_stand_first_in_the_index(tmp_path):
    runs = [
        made_up_run(tmp_path, dataset="nested_cylinder", model=model, steps=1, epochs=9)
        for model in ("cnn", "t2t_lanl")
    ]
    entries = [entry.index_entry(run) for run in runs]
    entries[0]["results"][0]["metrics"][0]["value"] = 9.0
    text = table.index_card("tester/runs", entries, {made["name"]: made["name"] for made in entries})
    assert text.index(f"[{runs[1].record.run_id}]") < text.index(f"[{runs[0].record.run_id}]")
