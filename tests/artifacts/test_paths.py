"""The files of a run: their names, and which of them count as present."""

from pathlib import Path

import pytest

from app.artifacts.paths import RunFiles
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.tables.datasets import DATASETS

CONFIG = resolve({"model": "vit_classic"}, dataset_facts(DATASETS["digits"]))


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
