"""A run on files of one's own: trained by its command, moved, and measured on other files beside its own test."""

import json
import re
import shutil

from data import measured

PATTERNS = (
    "train --dataset diffraction --data p --model vit_classic --size 100K --d-model 64 --patch 8 --epochs 1 "
    "--batch-size 16 --threads 1"
)
FIELDS = (
    "train --dataset nested_cylinder --data f --field rho --crop 0:40,0:12 --model cnn --depth 1 --epochs 2 "
    "--train-batches 3 --val-batches 2 --threads 1"
)


def test_other_patterns_are_measured_beside_the_run_s_own_test_which_stays(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    measured.patterns(work / "p" / "a.pt")
    measured.patterns(work / "other" / "b.pt", 20, seed=5)
    measured.patterns(work / "longer.pt", 20, length=70)
    assert call(PATTERNS).code == 0
    own = json.loads(call("evaluate checkpoints --json").out)
    found = json.loads(call("evaluate checkpoints --on other --json").out)
    assert (found["split"], found["n"], found["path"], own["n"]) == ("elsewhere", 20, "other", 12)
    assert re.search(
        r"final weights, on 20 rows of other\ntest accuracy: ", call("evaluate checkpoints --on other").out
    )
    assert json.loads(call("evaluate checkpoints --json").out) == own
    longer = call("evaluate checkpoints --on longer.pt")
    assert longer.code == 2 and "has inputs of 70 samples, but this run expects 64 samples" in longer.err
    for options, why in (("--again", "--again applies to the run's test set"), ("--top-k 2", "--top-k applies to")):
        refused = call(f"evaluate checkpoints --on other {options}")
        assert refused.code == 2 and why in refused.err
    assert "--grid has an effect with --on only" in call("evaluate checkpoints --grid 3:0.05").err


def test_a_run_on_fields_goes_by_content_wherever_they_are_and_is_measured_on_other_simulations(
    call, work, tmp_path, monkeypatch
):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    measured.fields(work / "f", simulations=10)
    assert call(FIELDS).code == 0
    own = json.loads(call("evaluate checkpoints --json").out)
    (work / "f").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "cache")
    assert "the folder f does not exist" in call("evaluate checkpoints --again").err
    assert json.loads(call(f"evaluate checkpoints --again --data {tmp_path / 'moved'} --json").out) == own
    measured.fields(work / "g", simulations=4, seed=9)
    found = json.loads(call("evaluate checkpoints --on g --json").out)
    assert found["n"] == 8 and found["rmse"] > 0 and own["n"] == 4
    record = json.loads(next((work / "checkpoints").rglob("*.json")).read_text())
    assert next(iter(record["results"]["elsewhere"].values()))["rmse"] == found["rmse"]
    assert record["data"]["inputs"] == {"dtype": "float32", "shape": [1, 40, 24], "regression": True}


def test_files_of_one_s_own_are_asked_for_and_are_of_no_other_dataset(call):
    for line, why in (
        ("--dataset diffraction", "diffraction is read from your own files, and no path is given. Give it with --data"),
        ("--dataset digits --data p", "--data has no effect on the dataset digits, which contains images"),
        ("--dataset digits --range 10:80", "--range has no effect on the dataset digits, which contains images"),
        ("--dataset nested_cylinder --data p --image 64", "Select a part with --crop for fields"),
    ):
        refused = call(f"train {line}")
        assert refused.code == 2 and why in refused.err
