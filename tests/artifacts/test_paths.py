"""The files of a run: their names, and the record that is read back as it was written or refused with a sentence."""

import json
from pathlib import Path

import pytest

from app.artifacts.paths import RunFiles, find_runs, read_record, write_record
from app.config import dataset_facts, resolve
from app.errors import InputError
from app.tables.datasets import DATASETS

CONFIG = resolve({"model": "vit_classic"}, dataset_facts(DATASETS["digits"]))
RECORD = {"run_id": CONFIG.run_id, "status": "done", "config": CONFIG.to_json(), "started": "2026-11-21T10:00:00"}


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


def test_a_record_is_read_back_as_written_with_lists_of_numbers_on_one_line(tmp_path):
    extra = {"confusion": [[1, 2], [3, -4]], "interval": [0.5, 1e-9], "names": ["[ 1, 2 ]", "[\n3\n]", "ä"], "none": []}
    write_record(tmp_path / "r.json", RECORD | extra)
    assert read_record(tmp_path / "r.json") == RECORD | extra | {"format": 1}
    text = (tmp_path / "r.json").read_text()
    assert "[0.5, 1e-09]" in text and "[3, -4]" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is damaged .*--fresh"),
        ("\xff", "is damaged"),
        ("[]", "is not a run record"),
        (json.dumps({"format": 1, "status": "done", "config": CONFIG.to_json()}), "is not a run record"),
        (json.dumps(RECORD | {"format": 1, "status": None}), "is not a run record"),
        (json.dumps(RECORD | {"format": 2}), "has format 2, this version reads 1"),
        (json.dumps(RECORD | {"format": 1, "config": CONFIG.to_json() | {"heads": 5}}), "damaged .*heads=5"),
    ],
)
def test_a_record_that_is_none_is_named_with_what_to_do(tmp_path, content, says):
    (tmp_path / "r.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=f"r.json.*{says}"):
        read_record(tmp_path / "r.json")


def test_runs_are_found_at_any_depth_oldest_first(tmp_path):
    for folder, second in (("b", 1), ("a", 2), ("c/d", 0)):
        write_record(tmp_path / folder / "model_x.json", RECORD | {"started": f"2026-11-21T10:00:0{second}"})
    assert [run.files.folder.name for run in find_runs(tmp_path)] == ["d", "b", "a"]
    assert find_runs(tmp_path / "nowhere") == []
