"""The original systems' files: read and written to the byte, and written from finished runs."""

import json
import math
import random
import struct

import numpy as np
import pytest
from raw_records import put, raw
from report import PER_EPOCH, falling, made_up_run

from app.artifacts.predictions import Predictions
from app.artifacts.runs import Run, indexed
from app.config.run import RunConfig
from app.errors import Damaged, InputError
from app.report import events
from app.studies import cells, progress, rows
from app.studies.legacy import diffraction, lanl, writing, zoo
from app.system.durable import sha256

# in the form of the published files, with numbers that are made up
SUMMARY = (
    "epochs_index,train_loss,val_loss,epoch_time\n1,0.27039117431640625,0.25309130859375,6.5099864840507\n"
    "2,5.557811260223389e-05,1e-05,6.0\n3,0.1,12.0,7.1228211681048075\n"
)
TESTED = (
    ",batch,truth,prediction,loss\n0,1,1.2572198,1.2712247,0.0001961385\n1,1,0.93375045,-0.9359472,4.8256193e-06\n"
    "2,1,1.0,1.6777216e+07,5.1159077e-13\n3,1,0.5,0.5,0.0\n4,2,1.2e-05,1.23306485e-08,9.789858e-11\n"
)
LOG = (
    "Wed Oct 28 02:19:41 2020 Epoch 0, lr: 0.0001000, val loss: 149.25757, acc: 45.81000\n"
    "Sun Nov  1 12:00:00 2020 Epoch 11, lr: 0.0000000, val loss: 82.33000, acc: 100.00000\n"
)
SERIES = "172.1599087715149,82.33\n36.7,45.81\n"


def drawn(count, width, form):
    """Finite numbers above zero of any bits, each with its text."""
    bits = random.Random(0)
    while count:
        (value,) = struct.unpack(form, bits.randbytes(width))
        if math.isfinite(value) and value > 0:
            count -= 1
            yield value


def test_lanls_files_are_the_same_bytes_after_reading_and_writing():
    assert lanl.summary(lanl.read_summary(SUMMARY, "a.csv")) == SUMMARY
    assert lanl.tested(lanl.read_tested(TESTED, "a.csv")) == TESTED
    first = lanl.read_tested(TESTED, "a.csv")[1]
    assert (first.number, first.batch) == (1, 1) and first.prediction == np.float32(-0.9359472)


def test_every_float32_and_float64_is_printed_as_it_is_read():
    singles = [*map(np.float32, drawn(2000, 4, "<f"))]
    examples = [lanl.Example(n, n // 4 + 1, *singles[3 * n : 3 * n + 3]) for n in range(600)]
    assert lanl.read_tested(text := lanl.tested(examples), "a") == examples and "np." not in text
    assert lanl.tested(lanl.read_tested(text, "a")) == text
    doubles = [*drawn(1800, 8, "<d")]
    epochs = [lanl.Epoch(n + 1, *doubles[3 * n : 3 * n + 3]) for n in range(600)]
    assert lanl.read_summary(text := lanl.summary(epochs), "a") == epochs
    assert lanl.summary(lanl.read_summary(text, "a")) == text


@pytest.mark.parametrize(
    "text",
    ["", "\n", SUMMARY[:-1], SUMMARY.replace("\n", "\r\n"), SUMMARY + "4,1.0,2.0\n", SUMMARY + "x,1.0,2.0,3.0\n",
     SUMMARY + "4,1.0,two,3.0\n", SUMMARY + "\n", TESTED, SUMMARY + "4,1_0.0,2.0,3.0\n"],
)  # fmt: skip
def test_a_text_that_is_no_summary_of_lanls_is_refused(text):
    with pytest.raises(InputError, match=r"a\.csv"):
        lanl.read_summary(text, "a.csv")


def test_a_mean_is_the_float32_sum_divided_in_float64():
    assert lanl.mean(3244.694091796875, 12_000) == 0.27039117431640625  # of a sum that is a float32
    assert lanl.mean(0.1, 3) == float(np.float32(0.1)) / 3 != 0.1 / 3


def test_the_time_to_the_event_is_that_of_plot_history():
    chance = random.Random(1)
    for _ in range(300):
        losses = [chance.choice([5e-4, 2e-3]) for _ in range(chance.randint(1, 12))]
        event = events.time_to(losses, lanl.THRESHOLD)
        assert lanl.time_to_event(losses) == (event.reached, event.epoch)


def test_the_zoos_files_are_the_same_bytes_after_reading_and_writing():
    assert zoo.log_text(zoo.read_log(LOG, "a.txt")) == LOG
    assert zoo.csv_text(zoo.read_csv(SERIES, "a.csv")) == SERIES
    assert zoo.read_log(LOG, "a.txt")[0] == ("Wed Oct 28 02:19:41 2020", 0, 1e-4, 149.25757, 45.81)


@pytest.mark.parametrize("text", ["", "x\n", LOG[:-1], LOG + "\n", LOG.replace("acc", "val_acc")])
def test_a_text_that_is_no_log_of_the_zoo_is_refused(text):
    with pytest.raises(InputError, match=r"a\.txt"):
        zoo.read_log(text, "a.txt")


@pytest.mark.parametrize("text", ["", "1.0\n", "1.0\n2.0", "1.0,2.0\n3.0\n", "1.0\n2.0\n3.0\n", "1.0,\n2.0,\n"])
def test_a_text_that_is_no_csv_of_the_zoo_is_refused(text):
    with pytest.raises(InputError, match=r"a\.csv"):
        zoo.read_csv(text, "a.csv")


def test_a_tensor_of_accuracies_is_plain_and_others_are_refused(tmp_path):
    import torch

    path = tmp_path / diffraction.TENSOR
    diffraction.write_tensor(path, [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    found = diffraction.read_tensor(path)
    assert found.dtype == torch.float32 and found.shape == (3, 2) and found[2, 1].item() == pytest.approx(0.6)
    for other in (torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.int64), {"a": 1}):
        torch.save(other, path)
        with pytest.raises(InputError, match="is not a tensor of accuracies"):
            diffraction.read_tensor(path)
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="not a complete"):
        diffraction.read_tensor(path)


def test_a_log_line_of_the_trainer_cuts_percentages_to_integers():
    line = diffraction.line(2, 30, 0.999, 0.5, 1.0)
    assert line == "[Epoch 2/30] [Train Acc: 99%] [T1 Test Acc: 50%] [Top 3 acc: 100%]\n"


def finished(run, **files):
    """The run with the sums of its files, as `train` leaves it."""
    paths = {"log": run.files.log, "predictions": run.files.predictions}
    sums = {name: sha256(path) for name, path in paths.items() if path.exists()}
    put(run.files.record, raw(run) | {"files": sums} | files)
    return Run.load(run.files.record)


def study(folder, number=None, **settings):
    """The progress of all runs in a folder, as of a study's rows."""
    made = [
        cells.Cell(
            config=RunConfig.from_json(entry.config),
            given={},
            rows=(rows.Row(cells=settings, where=f"line {at}", number=None if number is None else number + at),),
        )
        for at, entry in enumerate(indexed(folder, print))
    ]
    return progress.of_cells(made, folder, print)


def under(step):
    return 2e-4 if step > PER_EPOCH else 0.5


def test_a_regression_is_written_as_lanls_study(tmp_path):
    run = finished(
        made_up_run(tmp_path / "runs", dataset="nested_cylinder", model="cnn", steps=40, loss=under, seed=200)
    )
    found, said, folder = study(tmp_path / "runs", 200, depth="3"), [], tmp_path / "legacy"
    writing.require("lanl", [each.cell for each in found])
    writing.write("lanl", found, folder, said.append)
    epochs = lanl.read_summary((folder / "study_200/study200_trainval_summary.csv").read_text(), "a")
    assert [epoch.epochs_index for epoch in epochs] == [1, 2, 3, 4]
    assert epochs[0].val_loss == lanl.mean(0.5 * 5000, 5000) and epochs[1].train_loss == pytest.approx(2e-4)
    assert epochs[0].epoch_time == pytest.approx(21 * 0.1 / 60)
    text = (folder / "study_200/study200_testset_results.csv").read_text()
    tested, stored = lanl.read_tested(text, "a"), Predictions.load(run.files.predictions)
    assert lanl.tested(tested) == text and len(tested) == len(stored.rows)
    assert [example.batch for example in tested[:9]] == [1, 1, 1, 1, 2, 2, 2, 2, 3]
    assert tested[5].truth == stored.labels[5] and tested[5].loss == (stored.logits[5, 0] - stored.labels[5]) ** 2
    head, line = (folder / "study_table.csv").read_text().splitlines()
    assert head == "studyIDX,DEPTH," + ",".join(lanl.TABLE)
    table = dict(zip(head.split(","), line.split(","), strict=True))
    assert (table["studyIDX"], table["DEPTH"], table["OCCURED"], table["TTE"]) == ("200", "3", "1", "4")
    assert float(table["TEST_AVG"]) == pytest.approx(run.record.test.mse) and table["CHKPT_TEST"] == ""
    assert any("best weights of 1 run were not tested" in text for text in said)


def test_the_best_weights_of_a_tested_run_are_written_too(tmp_path):
    run = finished(made_up_run(tmp_path / "runs", dataset="nested_cylinder", model="cnn", steps=10, seed=7))
    Predictions.load(run.files.predictions).save(run.files.best_predictions)
    writing.write("lanl", study(tmp_path / "runs", 7), tmp_path, lambda _: None)
    best, final = (tmp_path / f"study_07/study07_{name}testset_results.csv" for name in ("bestCHKPT_", ""))
    assert best.read_bytes() == final.read_bytes()
    head, line = (tmp_path / "study_table.csv").read_text().splitlines()
    table = dict(zip(head.split(","), line.split(","), strict=True))
    assert "DEPTH" not in table and table["CHKPT_TEST"] == table["TEST_AVG"] and table["BEST_CHKPT"] == "1"
    assert table["CHKPT_UNDER_THSHLD"] == str(float(table["CHKPT_TEST"]) < 1e-3)


def test_a_study_without_numbers_or_of_another_task_is_refused(tmp_path):
    made_up_run(tmp_path / "a", dataset="nested_cylinder", model="cnn", steps=10)
    made_up_run(tmp_path / "b", dataset="digits", steps=10)
    numbered, plain = study(tmp_path / "a", 5)[0].cell, study(tmp_path / "a")[0].cell
    with pytest.raises(InputError, match="studyIDX"):
        writing.require("lanl", [plain])
    with pytest.raises(InputError, match="two runs of study 5"):
        writing.require("lanl", [numbered, numbered])
    with pytest.raises(InputError, match="is for classification"):
        writing.require("zoo", [numbered])
    with pytest.raises(InputError, match="is for regression"):
        writing.require("lanl", [study(tmp_path / "b")[0].cell])
    with pytest.raises(InputError, match=r"unknown --legacy 'lanle'.*lanl"):
        writing.require("lanle", [plain])


def test_a_classification_is_written_as_the_zoos_log(tmp_path):
    places = [{"device": "a", "precision": "fp32", "from_step": step, "started": f"2026-11-20T10:{minute}:00.000+00:00"}
              for step, minute in ((0, 15), (10, 45))]  # fmt: skip
    run = made_up_run(tmp_path / "runs", dataset="cifar10", model="resnet18", steps=20, record={"places": places})
    run = finished(run)
    writing.write("zoo", study(tmp_path / "runs"), tmp_path, lambda _: None)
    stem = tmp_path / run.record.run_id / "log_res18_cifar10_patch4"
    lines = zoo.read_log(stem.with_suffix(".txt").read_text(), "a")
    series = zoo.read_csv(stem.with_suffix(".csv").read_text(), "a")
    assert [line.when for line in lines] == ["Fri Nov 20 10:15:02 2026", "Fri Nov 20 10:45:02 2026"]
    assert series.losses[1] == falling(20) * 5000 / 5000 * 50 and series.accuracies[0] == 100 / 5000
    assert [line.epoch for line in lines] == [0, 1] and lines[0].lr == 1e-4


def test_a_classification_is_written_as_the_trainers_outputs(tmp_path):
    run = made_up_run(tmp_path / "runs", dataset="digits", steps=20)
    logits = np.eye(10, dtype=np.float32)[[3, 1]] + np.linspace(0, 0.1, 10, dtype=np.float32)
    Predictions(np.arange(2), np.array([3, 0]), logits).save(run.files.predictions)
    text = run.files.log.read_text().replace('"correct": 1}', '"correct": 1, "correct_at_3": 2500}')
    run.files.log.write_text(text)
    tests = {"test": raw(run)["results"]["test"] | {"top3": 0.75}}
    run = finished(run, results=tests)
    writing.write("diffraction", study(tmp_path / "runs"), tmp_path, lambda _: None)
    here = tmp_path / run.record.run_id
    tensor = diffraction.read_tensor(here / diffraction.TENSOR)
    assert np.allclose(tensor, [[1 / 512] * 2, [1 / 5000] * 2, [0.5] * 2])
    assert (here / "log.txt").read_text().splitlines()[1] == (
        "[Epoch 2/2] [Train Acc: 0%] [T1 Test Acc: 0%] [Top 3 acc: 50%]"
    )
    found = json.loads((here / "analytics.json").read_text())
    assert [*found] == [*diffraction.ANALYTICS] and (found["epochs"], found["top3_test_accuracy"]) == (2, 0.75)
    assert found["top1_predictions"] == [3, 1] and found["top3_predictions"] == [[3, 9, 8], [1, 9, 8]]


def test_a_run_whose_log_was_changed_is_not_written(tmp_path):
    run = finished(made_up_run(tmp_path / "runs", dataset="digits", steps=10))
    run.files.log.write_text(run.files.log.read_text() + "\n")
    with pytest.raises(Damaged, match="damaged"):
        writing.write("zoo", study(tmp_path / "runs"), tmp_path, lambda _: None)
