"""The files of a run: their names, and the record that is read back as it was written or refused with a sentence."""

import dataclasses
import json
import unicodedata
from pathlib import Path

import pytest
from report import made_up_run

from app.artifacts.paths import RunFiles, find_runs, read_record, write_record
from app.config.run import dataset_facts, resolve
from app.errors import Damaged, Explained, InputError
from app.tables.datasets import DATASETS

CONFIG = resolve({"model": "vit_classic"}, dataset_facts(DATASETS["digits"]))
RECORD = {"run_id": CONFIG.run_id, "status": "done", "config": CONFIG.to_json(), "started": "2026-11-21T10:00:00"}


@pytest.fixture
def made(tmp_path):
    """A finished run at its place below the folder."""
    return made_up_run(tmp_path, dataset="digits", steps=1)


def test_files_are_named_by_model_id_size_and_dataset():
    files = RunFiles.of(Path("runs"), CONFIG)
    assert files.record == Path(f"runs/vit_classic/model_{CONFIG.run_id}_1M_digits.json")
    assert files.best.name == f"model_{CONFIG.run_id}_1M_digits_best.safetensors"
    with pytest.raises(AttributeError):
        _ = files.nothing


def test_only_finished_files_that_exist_count_as_present(tmp_path):
    files = RunFiles(tmp_path, "model_x")
    for path in (files.weights, files.log, files.lock):
        path.touch()
    files.state.mkdir()
    assert files.present() == [files.weights, files.log]


def test_a_record_is_read_back_as_written_with_lists_of_numbers_on_one_line(made):
    extra = {"many": [[1, 2], [3, -4]], "interval": [0.5, 1e-9], "names": ["[ 1, 2 ]", "[\n3\n]", "ä"], "none": []}
    write_record(made.files.record, made.record | extra)
    assert read_record(made.files.record) == made.record | extra
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
        (json.dumps(RECORD | {"format": 2}), "has format 2, this version reads 1"),
        (json.dumps(RECORD | {"format": 1, "config": CONFIG.to_json() | {"heads": 5}}), "damaged .*heads=5"),
        (json.dumps(RECORD | {"format": 1}), r"damaged \(it lacks model as .*--fresh"),
    ],
    ids=range(9),
)
def test_a_record_that_is_none_is_named_with_what_to_do(tmp_path, content, says):
    (tmp_path / "r.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(Explained, match=f"r.json.*{says}"):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("field", "value"), [("run_id", "0fffffff"), ("model", "vit_differential"), ("size", "2M"), ("dataset", "bach")]
)
def test_a_record_that_is_not_named_by_its_own_config_is_refused(made, field, value):
    write_record(made.files.record, made.record | {field: value})
    with pytest.raises(Damaged, match=rf"is damaged \({field} is {value}, its config's .*--fresh"):
        read_record(made.files.record)


def test_a_record_under_another_name_is_to_be_renamed(made):
    renamed = made.files.record.rename(made.files.folder / f"{made.files.stem} (1).json")
    with pytest.raises(InputError, match=rf"\(1\)\.json is .* another name; rename it to {made.files.stem}\.json"):
        read_record(renamed)


def test_a_name_with_an_umlaut_in_two_characters_is_the_same_name(tmp_path, made):
    config = dataclasses.replace(made.config, dataset="local/k\u00e4se")
    path = tmp_path / f"{unicodedata.normalize('NFD', config.stem)}.json"
    fields = {"run_id": config.run_id, "dataset": config.dataset, "config": config.to_json()}
    write_record(path, made.record | fields)
    assert read_record(path)["dataset"] == config.dataset


def test_runs_are_found_at_any_depth_oldest_first(tmp_path):
    for folder, minute in (("b", 1), ("a", 2), ("c/d", 0)):
        made_up_run(tmp_path / folder, seed=minute, minute=minute, steps=1)
    assert [run.files.folder.parent.name for run in find_runs(tmp_path)] == ["d", "b", "a"]
    assert find_runs(tmp_path / "nowhere") == []


def copied(run, folder, **fields):
    """A copy of a run's record with other fields."""
    path = folder / run.files.record.name
    write_record(path, run.record | fields)
    return path


def test_copies_of_a_run_are_one_the_finished_one_then_the_one_in_its_place_then_the_newest(tmp_path, made):
    own = made.files.record
    below = copied(made, own.parent / made.files.stem, finished="2026-11-22")
    newest = copied(made, tmp_path / "away", finished="2026-11-23")
    copied(made, tmp_path / ".partial", finished="2026-11-24")
    assert [run.files.record for run in find_runs(tmp_path)] == [own]
    assert [run.files.record for run in find_runs(own.parent)] == [own]
    write_record(own, made.record | {"status": "running"})
    assert [run.files.record for run in find_runs(tmp_path)] == [newest]
    assert [run.files.record for run in find_runs(own.parent)] == [below]
    newest.unlink()
    below.unlink()
    assert [run.done for run in find_runs(tmp_path)] == [False]


def test_a_record_that_cannot_be_read_is_told_once_and_passed_over(tmp_path, made):
    other = made_up_run(tmp_path, dataset="digits", seed=1, steps=1)
    other.files.record.write_text("{")
    said = []
    assert [run.files for run in find_runs(tmp_path, said.append)] == [made.files]
    assert len(said) == 1 and said[0].startswith(f"passed over: the run record {other.files.record} is damaged")
    with pytest.raises(Damaged, match="is damaged"):
        find_runs(tmp_path)
