"""docs/files.md describes every key that a run writes into its record and its log, and no other."""

import dataclasses
import json
import re
from pathlib import Path

import msgspec
import pytest
from data.measured import fields

from app.artifacts import checkpoint, parts, states
from app.artifacts.paths import RunFiles
from app.artifacts.predictions import Predictions
from app.artifacts.record import Record
from app.artifacts.runs import find_runs
from app.config.run import RunConfig
from app.log import read
from app.tables.reading import FieldReading, SignalReading

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "files.md").read_text()
SMALL = {
    "parameters": parts.Parameters, "schedule": parts.Schedule, "best": parts.Best, "seconds": parts.Seconds,
    "failure": parts.Failure, "code": parts.Code, "init": parts.Init, "kept": parts.KeptWeights,
}  # fmt: skip
WITHIN_DATA = {"rows": parts.Rows, "inputs": parts.Inputs, "pixels": parts.Pixels, "label_noise": parts.LabelNoise}
PLACES = {"places": parts.Place, "execution": parts.Execution}
RESULTS = {name for kind in (parts.Rates, parts.Errors) for name in kind.__struct_fields__}
FIELDS = (
    "train --dataset nested_cylinder --data fields --design fields/design.csv --crop 0:40,0:12 --epochs 2 "
    "--train-batches 2 --val-batches 1 --batch-size 3 --threads 1 --model cnn"
)


def section(heading):
    """The text below a heading, to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, flags=re.M | re.S)
    assert found, heading
    return found[1]


def table(heading):
    """The cells of a section's tables, row by row; the key's backticks stay."""
    lines = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def keys(heading):
    """The keys in the first column of a section's tables, each once."""
    found = [key for row in table(heading) for key in re.findall(r"`([^`]+)`", row[0])]
    assert len(found) == len(set(found)), heading
    return set(found)


def dotted(kinds):
    """The fields of some parts of a record, behind their part's name."""
    return {f"{name}.{field}" for name, kind in kinds.items() for field in kind.__struct_fields__}


def of_data(values):
    """The keys of a record's data, those of its parts behind their part's name."""
    within = {f"{name}.{key}" for name in WITHIN_DATA.keys() & values.keys() for key in values[name]}
    return within | (values.keys() - WITHIN_DATA.keys())


def test_the_page_has_every_key_that_the_program_knows_and_no_other():
    known = {field.encode_name for field in msgspec.structs.fields(Record)} - {"(unknown)"}
    assert keys("Keys of the record") == known | {"seal"}
    assert keys("Keys of config") == {field.name for field in dataclasses.fields(RunConfig)}
    assert keys("Small parts of the record") == dotted(SMALL)
    data = {*parts.DataRecord.__struct_fields__} - WITHIN_DATA.keys()
    assert keys("Keys of data") == data | dotted(WITHIN_DATA)
    assert keys("Keys of places and execution") == dotted(PLACES)
    assert keys("Keys of results") == RESULTS | dotted({"temperatures": parts.Temperature})
    readings = {field.name for kind in (FieldReading, SignalReading) for field in dataclasses.fields(kind)}
    assert readings <= set(re.findall(r"`(\w+)`", section("Keys of data")))


def test_the_page_has_every_key_of_weights_and_of_a_state(run):
    described = keys("Weights and state")
    facts = {f"facts.{name}" for name in states.Facts.__struct_fields__}
    state = {*states.Manifest.__struct_fields__, "seal"} - {"facts"}
    assert described == facts | state | set(checkpoint.metadata(run.files.weights))


def require_described(run):
    """The record and the log in a run's files have keys of the page only."""
    record = json.loads(run.files.record.read_text())
    assert set(record) <= keys("Keys of the record") and set(record["config"]) <= keys("Keys of config")
    small = {f"{name}.{key}" for name in SMALL.keys() & record.keys() for key in record[name]}
    assert {"parameters.total", "best.epoch", "seconds.test"} <= small <= keys("Small parts of the record")
    assert of_data(record["data"]) <= keys("Keys of data")
    held = {f"places.{key}" for place in record["places"] for key in place}
    held |= {f"execution.{key}" for key in record["execution"]}
    assert held <= keys("Keys of places and execution")
    assert set(record["results"]["test"]) <= keys("Keys of results")
    assert all(f"`{name}`" in section("Keys of the record") for name in record["files"])
    header, rows = read(run.files.log)
    assert set(header) <= keys("Keys of the header")
    for row in rows:
        kind = "differential attention" if run.config.attention == "differential" else ""
        assert set(row) == columns(row["split"], {"", run.config.task, kind}), row["split"]


def columns(split, kinds):
    """The keys of a log row as the page has them for a split, and for a run of these kinds."""
    if split == "val_ema":
        return columns("val_full", kinds) - {"peak_bytes", "lambdas"}
    found = set()
    for names, where, _ in table("Keys of a row"):
        splits, _, only = where.partition(", ")
        if splits in ("all", split) and only in kinds:
            found |= set(re.findall(r"`([^`]+)`", names))
    return found


def test_every_key_of_a_classification_is_described(run):
    require_described(run)


def test_every_key_of_a_regression_is_described(call, work):
    fields(work / "fields")
    trained = call(FIELDS)
    assert trained.code == 0, trained.err
    require_described(find_runs(work / "checkpoints")[0])


def test_every_key_of_a_run_with_weighted_classes_and_mixed_examples_is_described(call):
    asked = "--model resnet18 --width 4 --epochs 1 --class-weights balanced --limit-train 64 --batch-size 32"
    asked += " --threads 1 --mixup 0.5 --ema 1 --label-noise symmetric:0.4 --distractors 2 --test-distractors 2"
    asked += " --corrupt-train contrast:1"
    assert call(f"train --dataset digits {asked} --checkpoints weighted").code == 0
    weighted = find_runs(Path("weighted"))[0]
    require_described(weighted)
    assert {"class_weights", "losses", "mixing", "train_counts", "label_noise"} <= set(read(weighted.files.log)[0])
    assert weighted.record.data.label_noise.rule == "symmetric:0.4"


@pytest.mark.parametrize("name", ["record", "weights", "best", "log", "predictions", "best_predictions",
                                  "kept_predictions", "splits", "loss_png", "confusion_svg", "truth_png"])  # fmt: skip
def test_every_file_of_a_run_is_described(name):
    ending = getattr(RunFiles(Path(), ""), name).name
    assert any(f"`{ending}`" in line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")), ending


def test_every_column_of_the_predictions_is_described(run):
    import pyarrow.parquet as pq

    described = {key for row in table("Predictions and splits") for key in re.findall(r"`([^`]+)`", row[0])}
    assert set(pq.read_schema(run.files.predictions).names) <= described
    assert Predictions.load(run.files.predictions).paths is None and {"path", "name", "target"} <= described
    assert set(pq.read_schema(run.files.splits).names) == {"split", "row"}
