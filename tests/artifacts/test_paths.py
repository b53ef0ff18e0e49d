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


def test_kept_weights_are_files_of_the_run_wherever_files_are_listed(tmp_path):
    files = RunFiles(tmp_path, "model_x")
    paths = [files.kept_at(2), files.kept_at(10), files.kept_at(1234)]
    assert [path.name[7:] for path in paths] == [f"_epoch{text}.safetensors" for text in ("002", "010", "1234")]
    assert files.kept() == {} and RunFiles(tmp_path / "none", "model_x").kept() == {}
    for path in reversed(paths):
        path.write_text(path.name)
    for other in ("model_x_epoch1.safetensors", "model_x_epoch0003.safetensors", "model_xy_epoch004.safetensors",
                  "model_x_epoch005.safetensors.txt", "model_x_epoch-06.safetensors"):  # fmt: skip
        (tmp_path / other).touch()
    assert files.kept() == dict(zip((2, 10, 1234), paths, strict=True))
    assert files.present() == paths and set(paths) <= {*files.all()} and set(paths) <= {*files.finished()}
    names = {path.name for path in paths[:1]}
    assert files.all(names)[-1] == paths[0] and paths[1] not in files.finished(names)
    assert [*files.sums()] == ["epoch002", "epoch010", "epoch1234"]
    assert files.named([*files.sums(), "later", "epoch1"]) == dict(zip(files.sums(), paths, strict=True))
    assert files.is_half_written(".model_x_epoch002.safetensors.12-34.aside")
    assert not files.is_half_written(".model_x_epoch2.safetensors.12-34.aside")
