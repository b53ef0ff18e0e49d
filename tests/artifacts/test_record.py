"""A run's record: read back as it was written, or refused with a sentence that says what is missing."""

import copy
import dataclasses
import json
import unicodedata

import pytest
from msgspec.structs import replace
from raw_records import put, raw
from report import made_up_run

from app.artifacts import parts, record
from app.artifacts.runs import Run
from app.artifacts.which import FINAL
from app.cli import evaluate
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import Damaged, Explained, InputError
from app.sharing import card
from app.system.durable import sha256
from app.tables.datasets import DATASETS

CONFIG = resolve({"model": "vit_classic"}, dataset_facts(DATASETS["digits"]))
RECORD = {"run_id": CONFIG.run_id, "status": "done", "config": CONFIG.to_json(), "started": "2026-11-21T10:00:00"}


@pytest.fixture
def made(tmp_path):
    """A finished run at its place below the folder."""
    return made_up_run(tmp_path, dataset="digits", steps=1)


def keys(value, before=()):
    """Every key of an object and of the objects within, as a path."""
    for name, inner in value.items():
        yield (*before, name)
        yield from keys(inner, (*before, name)) if isinstance(inner, dict) else ()


def changed(record, path, *value):
    """The record without the key at a path, or with another value there."""
    record = copy.deepcopy(record)
    *parents, last = path
    inner = record
    for name in parents:
        inner = inner[name]
    del inner[last]
    if value:
        inner[last] = value[0]
    return record


def used(run):
    """What cards and `evaluate` make of a record."""
    card.run_card(run, "hf://tester/runs/a")
    evaluate._text(run, FINAL)


@pytest.mark.parametrize(
    "value", [pytest.param((), marks=pytest.mark.slow), (None,), ("text",), ([],), ({},), (7,)], ids=repr
)
def test_a_record_without_a_key_or_with_another_value_is_refused_or_still_serves(run, value):
    refused, served, whole = set(), set(), raw(run)
    for path in keys(whole):
        put(run.files.record, changed(whole, path, *value))
        try:
            found = record.read(run.files.record)
        except Explained as error:
            assert str(run.files.record) in str(error)
            refused.add(path)
            continue
        served.add(path)
        if found.done and found.tested:
            used(Run(run.files, found))
    assert (("flops_per_image",) in served) == (value not in [("text",), ([],), ({},)])
    assert {("schedule",), ("data", "rows"), ("results", "test", "top1_interval"), ("best",)} <= refused


@pytest.mark.parametrize(
    "path", ["data.rows.val", "places", "execution.threads", "results.test.top1_interval", "model", "best", "files"]
)
def test_a_key_that_is_missing_is_named_with_its_place(run, path):
    put(run.files.record, changed(raw(run), path.split(".")))
    with pytest.raises(Damaged, match=rf"damaged \(it has no {path}, which this version writes.*--fresh"):
        record.read(run.files.record)


def test_a_value_of_another_type_is_named_with_its_place(run):
    put(run.files.record, changed(raw(run), ("data", "rows", "val"), "forty"))
    with pytest.raises(Damaged, match=r"Expected `int`, got `str` - at `\$\.data\.rows\.val`"):
        record.read(run.files.record)


@pytest.mark.parametrize("threads", [0, -1, 4097, 10**6, 10**18, 1.5, True])
def test_threads_that_no_machine_has_are_a_damaged_record(run, threads):
    put(run.files.record, changed(raw(run), ("execution", "threads"), threads))
    with pytest.raises(Damaged, match=r"\$\.execution\.threads"):
        record.read(run.files.record)
    put(run.files.record, changed(raw(run), ("execution", "threads"), 4096))
    assert record.read(run.files.record).execution.threads == 4096


@pytest.mark.parametrize("path", [("status",), ("results",), ("data", "rows", "train"), ("config", "dataset")])
def test_half_a_letter_in_place_of_a_value_is_a_damaged_record(run, path):
    put(run.files.record, changed(raw(run), path, "\ud800"))
    with pytest.raises(Damaged):
        record.read(run.files.record)


@pytest.mark.parametrize("size", [0, -8])
def test_a_micro_batch_of_no_example_is_a_damaged_record(run, size):
    put(run.files.record, changed(raw(run), ("execution", "micro_batch_size"), size))
    with pytest.raises(Damaged, match=r"\$\.execution\.micro_batch_size"):
        record.read(run.files.record)


def test_an_unfinished_run_needs_no_results(run):
    begun = {name: value for name, value in raw(run).items() if name not in ("best", "seconds", "results")}
    put(run.files.record, begun | {"status": "running"})
    assert not record.read(run.files.record).tested
    put(run.files.record, changed(raw(run), ("results", "test")))
    assert record.read(run.files.record).results == parts.Results()  # `evaluate` makes them


def test_what_is_not_measured_is_not_in_the_file(run):
    assert not {"energy_kwh", "dollars", "failure"} & json.loads(run.files.record.read_text()).keys()
    record.write(run.files.record, replace(run.record, energy_kwh=0.25, dollars=1))
    found = record.read(run.files.record)
    assert (found.energy_kwh, found.dollars) == (0.25, 1)


def test_a_failed_run_says_its_kind_and_a_sentence_and_no_other_does(run):
    why = parts.Failure(kind="disk full", sentence="no space left in checkpoints")
    record.write(run.files.record, replace(run.record, status="failed", failure=why))
    assert record.read(run.files.record).failure == why
    for wrong in ({"status": "failed"}, {"failure": record.plain(why)}, {"status": "missing"}):
        put(run.files.record, raw(run) | wrong)
        with pytest.raises(Damaged, match="is damaged"):
            record.read(run.files.record)


def test_what_a_later_version_adds_is_kept_when_the_record_is_written_again(run):
    later = raw(run) | {"carbon": {"grams": 3}, "none": None}
    later["places"][0]["ram"] = 7
    later["results"]["test"]["calibration"] = [0.5]
    put(run.files.record, later)
    record.write(run.files.record, replace(record.read(run.files.record), dollars=2))
    assert raw(Run.load(run.files.record)) == later | {"dollars": 2}


def test_a_record_is_written_again_in_the_same_bytes(run):
    before = run.files.record.read_bytes()
    record.write(run.files.record, record.read(run.files.record))
    assert run.files.record.read_bytes() == before


def test_a_record_is_read_back_as_written_with_lists_of_numbers_on_one_line(made):
    extra = {"many": [[1, 2], [3, -4]], "interval": [0.5, 1e-9], "names": ["[ 1, 2 ]", "[\n3\n]", "ä"], "none": []}
    put(made.files.record, raw(made) | extra)
    found = record.read(made.files.record)
    assert record.plain(found) == raw(made) | extra
    record.write(made.files.record, found)
    assert record.read(made.files.record) == found
    text = made.files.record.read_text()
    assert "[0.5, 1e-09]" in text and "[3, -4]" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is damaged .*--fresh"),
        ("\xff", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "is not a run record"),
        (json.dumps({"format": 1, "status": "done", "config": CONFIG.to_json()}), "is not a run record"),
        (json.dumps(RECORD | {"format": 1, "status": None}), "is not a run record"),
        (json.dumps(RECORD | {"format": 2}), "has format 2, and this version reads 1"),
        (json.dumps(RECORD | {"format": 1, "config": CONFIG.to_json() | {"heads": 5}}), "damaged .*heads=5"),
        (json.dumps(RECORD | {"format": 1}), r"damaged \(it has no model.*--fresh"),
    ],
    ids=range(9),
)
def test_a_record_that_is_none_is_named_with_what_to_do(tmp_path, content, says):
    (tmp_path / "r.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(Explained, match=f"r.json.*{says}"):
        record.read(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("field", "value"), [("run_id", "0fffffff"), ("model", "vit_differential"), ("size", "2M"), ("dataset", "bach")]
)
def test_a_record_that_is_not_named_by_its_own_config_is_refused(made, field, value):
    put(made.files.record, raw(made) | {field: value})
    with pytest.raises(Damaged, match=rf"is damaged \({field} is {value}, but .*--fresh"):
        record.read(made.files.record)


def test_a_record_under_another_name_is_to_be_renamed(made):
    renamed = made.files.record.rename(made.files.folder / f"{made.files.stem} (1).json")
    with pytest.raises(InputError, match=rf"\(1\)\.json is .* another name. Rename it to {made.files.stem}\.json"):
        record.read(renamed)


def test_a_name_with_an_umlaut_in_two_characters_is_the_same_name(tmp_path, made):
    config = dataclasses.replace(made.config, dataset="local/k\u00e4se")
    path = tmp_path / f"{unicodedata.normalize('NFD', config.stem)}.json"
    fields = {"run_id": config.run_id, "dataset": config.dataset, "config": config.to_json()}
    put(path, raw(made) | fields)
    assert record.read(path).dataset == config.dataset


def test_a_number_that_was_changed_by_hand_is_refused(made):
    path = made.files.record
    path.write_text(path.read_text().replace('"top1": 0.3', '"top1": 0.4'))
    with pytest.raises(Damaged, match=r"damaged \(it is not as it was written\). .*--fresh"):
        record.read(path)


def test_a_record_that_names_other_classes_than_it_has_is_damaged(made):
    put(made.files.record, changed(raw(made), ("data", "class_names"), ["one", "two"]))
    with pytest.raises(Damaged, match="names 2 classes, but its config has 10"):
        record.read(made.files.record)


@pytest.mark.parametrize("path", [("seconds", "training"), ("best", "val_loss"), ("results", "test", "top1")])
def test_a_number_that_is_no_float_is_damaged(made, path):
    put(made.files.record, changed(raw(made), path, 10**400))
    with pytest.raises(Damaged, match="is damaged"):
        record.read(made.files.record)


@pytest.mark.parametrize("name", ["onnx", "stem", "present", "__class__"])
def test_a_file_that_only_a_later_version_knows_is_not_compared(made, name):
    made.files.log.write_text("the log\n")
    sums = {"log": sha256(made.files.log), name: "0" * 64}
    put(made.files.record, raw(made) | {"files": sums})
    found = Run.load(made.files.record)
    found.require_whole()
    assert found.record.files == sums
    made.files.log.write_text("another\n")
    with pytest.raises(Damaged, match=r"_training\.log is damaged"):
        found.require_whole()
