"""`predict`: the classes of images without labels are those of the run's own test, in two files that say the same."""

import csv
import json
import os
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data import measured, pictures
from PIL import Image
from sklearn.datasets import load_digits

from app.artifacts import table
from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs
from app.experiment import predicting


@pytest.fixture
def digits(run, work):
    """The run's own test images as files, and their rows in its predictions."""
    found = Predictions.load(run.files.predictions)
    images = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    for place, row in enumerate(found.rows):
        folder = work / "new" / ("a", "b/c")[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(folder / f"{row:04}.png")
    return found


def rows_of(path):
    """The header and the rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def softmax(logits):
    wide = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    return wide / wide.sum(1, keepdims=True)


def test_the_probabilities_are_those_of_the_run_s_own_test_and_both_files_say_the_same(call, run, digits, work):
    done = call("predict checkpoints new --out found.csv --batch-size 7 --json")
    told = json.loads(done.out)
    assert done.code == 0 and told["n"] == len(digits.rows) and told["skipped"] == []
    header, rows = rows_of(work / "found.csv")
    assert header == ["path", "class", "probability", *"0123456789"]
    at = {row: place for place, row in enumerate(digits.rows.tolist())}
    expected = softmax(digits.logits)
    for path, name, highest, *each in rows:
        wanted = expected[at[int(path[-8:-4])]]
        assert np.allclose(np.array(each, float), wanted, atol=1e-5) and name == str(wanted.argmax())
        assert float(highest) == max(map(float, each)) and path.startswith("new/")
    binary = pq.read_table(work / "found.parquet").to_pydict()
    assert [binary[column] for column in header[:2]] == [[row[i] for row in rows] for i in (0, 1)]
    assert all(np.float32(text) == value for text, value in zip([row[3] for row in rows], binary["0"], strict=True))
    assert sum(told["classes"].values()) == told["n"] and told["run_id"] == run.record.run_id


def test_a_run_is_named_by_its_id_its_path_or_one_of_its_files(call, run, digits, work):
    stem = run.files.folder / run.files.stem
    texts = []
    for name in (run.record.run_id, run.record.run_id[:5], stem, run.files.weights, run.files.folder):
        assert call(f"predict {name} new --out out/{len(texts)}").code == 0
        texts.append((work / "out" / f"{len(texts)}.csv").read_text())
    assert len(set(texts)) == 1
    assert (
        "no run at nothing" in call("predict nothing new").err and "begins with 'ffff'" in call("predict ffff new").err
    )


def test_files_that_cannot_be_read_are_named_counted_and_skipped(call, run, digits, work):
    (work / "new" / "a" / "broken.png").write_bytes(pictures.encoded(pictures.noise(0))[:60])
    (work / "new" / "empty.jpg").write_bytes(b"")
    (work / "new" / "dead.png").symlink_to("nowhere.png")
    os.mkfifo(work / "new" / "pipe.png")
    (work / "new" / "notes.txt").write_text("not an image")
    (work / "new" / ".hidden.png").write_bytes(b"")
    done = call("predict checkpoints new --out found")
    assert done.code == 0 and "skipped 4 files" in done.err and "skipped: 4 files" in done.out
    assert all(name in done.err for name in ("broken.png", "empty.jpg", "dead.png", "pipe.png"))
    assert "1 file without the name of an image" in done.out and ".hidden" not in done.err
    assert len(rows_of(work / "found.csv")[1]) == len(digits.rows)
    told = json.loads(call("predict checkpoints new --out found --json").out)
    assert len(told["skipped"]) == 4 and all(each["reason"] for each in told["skipped"])


def test_where_none_can_be_read_the_command_fails_and_leaves_what_was_there(call, run, work):
    (work / "new").mkdir()
    (work / "new" / "x.png").write_bytes(b"junk")
    (work / "found.csv").write_text(earlier := "path,class,probability\n")
    done = call("predict checkpoints new --out found")
    assert done.code == 2 and "the only file cannot be read: new/x.png" in done.err
    assert (work / "found.csv").read_text() == earlier and not (work / "found.parquet").exists()
    assert [path.name for path in work.iterdir() if path.name.startswith(".found")] == []


def test_an_error_on_the_way_leaves_no_half_of_a_file(call, run, digits, work, monkeypatch):
    computed = predicting._probabilities
    calls = []

    def failing(*given):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the machine is gone")
        return computed(*given)

    monkeypatch.setattr(predicting, "_probabilities", failing)
    monkeypatch.setattr(table, "_VALUES", 1)  # every batch is written at once
    assert call("predict checkpoints new --out found --batch-size 5").code == 1
    assert not [path for path in work.iterdir() if "found" in path.name]


def test_files_and_lists_are_read_in_their_order_and_each_once(call, run, digits, work):
    first, second = sorted((work / "new").rglob("*.png"))[:2]
    (work / "new" / "list.txt").write_text(f"{second.relative_to(work / 'new')}\n\n{first.relative_to(work / 'new')}\n")
    for given in ("new/list.txt", f"{second.relative_to(work)} {first.relative_to(work)} new/list.txt"):
        assert call(f"predict checkpoints {given} --out found").code == 0
        assert [row[0] for row in rows_of(work / "found.csv")[1]] == [
            str(each.relative_to(work)) for each in (second, first)
        ]
    lost = call("predict checkpoints new/lost.png")
    assert lost.code == 2 and "the file or folder new/lost.png does not exist" in lost.err
    (work / "none").mkdir()
    assert "no image in none" in call("predict checkpoints none").err


def test_a_folder_that_links_to_itself_is_walked_once(call, run, digits, work):
    (work / "new" / "a" / "back").symlink_to(work / "new")
    assert call("predict checkpoints new --out found").code == 0
    assert len(rows_of(work / "found.csv")[1]) == len(digits.rows)


def test_the_best_weights_are_taken_where_they_are_asked_for(call, run, digits, work):
    shutil.copy(run.files.weights, kept := work / "kept")
    best = bytearray(kept.read_bytes())
    best[-4:] = b"\0\0\xa0A"  # 20.0 as the last number
    run.files.best.write_bytes(best)
    refused = call("predict checkpoints new --best --out found")
    assert refused.code == 4 and "damaged" in refused.err  # so it is this file that is read
    assert call("predict checkpoints new --out found").code == 0


def test_the_output_is_named_by_run_and_folder_and_replaces_no_file_of_the_run(call, run, digits, work):
    assert call("predict checkpoints new").code == 0
    assert (work / f"predictions_{run.record.run_id}_new.csv").exists()
    (work / "there").mkdir()
    assert call("predict checkpoints new --out there").code == 0
    assert (work / "there" / f"predictions_{run.record.run_id}_new.parquet").exists()
    before = run.files.predictions.read_bytes()
    again = call("predict checkpoints new --out there")
    assert again.code == 0 and again.out.count(f"there/predictions_{run.record.run_id}_new.") == 2
    assert "(earlier predictions were replaced)" in again.out and re.search(r": class \d: \d+, class \d", again.out)
    (work / "mine.csv").write_text("name,score\nAda,1\n")
    mine = call("predict checkpoints new --out mine.csv")
    assert mine.code == 2 and "mine.csv exists, and `predict` did not write it" in mine.err
    assert (work / "mine.csv").read_text() == "name,score\nAda,1\n" and not (work / "mine.parquet").exists()
    refused = call(f"predict checkpoints new --out {run.files.predictions}")
    assert refused.code == 2 and "a file of the run" in refused.err and run.files.predictions.read_bytes() == before


def test_an_image_whose_outputs_are_no_numbers_has_no_class(call, run, digits, work, monkeypatch):
    computed = predicting._probabilities

    def holed(*given):
        found = computed(*given)
        found[0, 3] = np.nan
        return found

    monkeypatch.setattr(predicting, "_probabilities", holed)
    told = json.loads(call("predict checkpoints new --out found --batch-size 100 --json").out)
    assert told["n"] == len(digits.rows) - 1 and "not numbers" in told["skipped"][0]["reason"]


def test_an_unfinished_run_and_runs_on_other_data_are_refused(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    measured.fields(work / "f", simulations=10)
    measured.patterns(work / "p" / "a.pt")
    assert call("train --dataset nested_cylinder --data f --field rho --crop 0:40,0:12 --model cnn --depth 1 "
                "--epochs 1 --train-batches 1 --val-batches 1 --threads 1 --checkpoints fields").code == 0  # fmt: skip
    assert call("train --dataset diffraction --data p --model resnet1d --size 100K --epochs 1 --batch-size 16 "
                "--threads 1 --checkpoints signals").code == 0  # fmt: skip
    for folder in ("fields", "signals"):
        refused = call(f"predict {find_runs(work / folder)[0].files.folder} f")
        assert refused.code == 2 and f"was trained on {folder}, but `predict` reads images" in refused.err


@pytest.mark.parametrize(
    "names", [["path", "class"], ["class", "class (class)", "probability"], ["a,b", 'c"d', "e\nf"]]
)
def test_every_class_has_a_column_of_its_own_whatever_it_is_called(tmp_path, names):
    found = table.columns(names)
    assert len({*found, "path", "class", "probability"}) == len(names) + 3
    values = np.full((2, len(names)), 1 / len(names), np.float32)
    with table.written(tmp_path / "x.csv", tmp_path / "x.parquet", names) as rows:
        rows.add(["a.png", 'b,"\n.png'], names[:2], values)
    header, lines = rows_of(tmp_path / "x.csv")
    assert header == ["path", "class", "probability", *found] == pq.read_table(tmp_path / "x.parquet").column_names
    assert [line[:2] for line in lines] == [["a.png", names[0]], ['b,"\n.png', names[1]]]
    assert pa.types.is_float32(pq.read_table(tmp_path / "x.parquet").schema.field(3).type)


def test_a_file_whose_name_is_no_text_is_written_with_escapes(call, run, digits, work):
    path = os.fsencode(work / "new" / "a") + b"/\xff.png"
    shutil.copy(next((work / "new").rglob("*.png")), path)
    assert call("predict checkpoints new/a --out found").code == 0
    assert any(row[0] == r"new/a/\xff.png" for row in rows_of(work / "found.csv")[1])
