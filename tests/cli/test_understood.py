"""The block of what was understood: in `train` before the first step, in `plan`, and by `datasets PATH`."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from data.pictures import encoded, noise, write_images, write_parquet

from app.artifacts.runs import find_runs

GOLDENS = Path(__file__).parents[1] / "goldens" / "data"
SMALL = "--size 100K --d-model 64 --image 16 --patch 4 --epochs 1 --batch-size 8 --threads 1 --device cpu"
KINDS = {
    "class folders": ("./pets", SMALL),
    "tables": ("./table", f"{SMALL} --limit-train 16"),
    "bundled": ("digits", "--size 100K --d-model 64 --epochs 1 --batch-size 32 --limit-train 64 --device cpu"),
    "signals": ("diffraction", "--data signals --model resnet1d --width 8 --epochs 1 --batch-size 8 --limit-train 24 "
                "--threads 1 --device cpu"),
    "fields": ("nested_cylinder", "--data fields --crop 0:40,0:12 --model cnn --features 4 --epochs 1 --batch-size 3 "
               "--train-batches 1 --val-batches 1 --threads 1 --device cpu"),
}  # fmt: skip
HEADS = ("train", "validation", "test", "inputs")


@pytest.fixture
def sets(work, tmp_path, monkeypatch):
    """A working folder with a small dataset of each kind, and an empty cache."""
    from goldens import scene

    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    write_images(work / "pets")
    shutil.copytree(GOLDENS / "signals", work / "signals")
    write_parquet(work / "table" / "train.parquet", [0, 1, -1] * 10)
    scene.fields(work / "fields")
    return work


def block(text):
    """The lines of the block by their heads; several of one head are joined."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("data: "))
    found = {}
    for line in lines[start + 1 :]:
        if not (match := re.match(r"  (\w+(?: out)?) {2,}(.*)", line)):
            break
        found.setdefault(match[1], []).append(match[2])
    return {head: "; ".join(texts) for head, texts in found.items()}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind in ("tables", "signals") else ()) for kind in KINDS]
)
def test_the_block_is_the_same_before_reading_and_before_the_first_step_for_every_kind(call, sets, kind):
    dataset, options = KINDS[kind]
    planned, trained = call(f"plan --dataset {dataset} {options}"), call(f"train --dataset {dataset} {options}")
    assert (planned.code, trained.code) == (0, 0), planned.err + trained.err
    before, after = block(planned.out), block(trained.err)
    assert set(HEADS) <= after.keys() and ("classes" in after) != ("target" in after)
    assert before.keys() == after.keys()
    assert {head: text for head, text in before.items() if head != "inputs"} == {
        head: text for head, text in after.items() if head != "inputs"
    }
    assert after["inputs"].startswith(before["inputs"])  # mean and deviation are known after reading
    rows = find_runs(sets / "checkpoints")[0].record.data.rows
    for head, count in (("train", rows.train), ("validation", rows.val), ("test", rows.test)):
        assert after[head].startswith(f"{count:,} row")
    lines = trained.err.splitlines()
    first_step = next(number for number, line in enumerate(lines) if line.startswith("run ") and "begins" in line)
    assert next(number for number, line in enumerate(lines) if line.startswith("data: ")) < first_step


@pytest.mark.parametrize("kind", KINDS)
def test_datasets_inspects_one_dataset_as_lines_and_as_json_and_trains_nothing(call, sets, kind):
    dataset, options = KINDS[kind]
    where = " ".join(re.findall(r"--(?:data|crop) \S+", options))
    told, machine = call(f"datasets {dataset} {where}"), call(f"datasets {dataset} {where} --json")
    assert (told.code, machine.code) == (0, 0), told.err + machine.err
    found = json.loads(machine.out)
    assert found["splits"].keys() == {"train", "val", "test"} and not list(sets.glob("checkpoints"))
    assert not list((sets.parent / "cache").glob("data/*/manifest.json"))
    shown = block(told.out)
    assert shown["train"].startswith(f"{found['splits']['train']['rows']:,} row")
    assert (found["target"] is None) != (found["class_names"] is None)


def test_what_is_left_out_is_in_the_block_of_every_command(call, sets):
    (sets / "pets" / "Thumbs.db").write_text("x")
    (sets / "pets" / "train" / "emu").mkdir()
    for line in (f"plan --dataset ./pets {SMALL}", f"train --dataset ./pets {SMALL}", "datasets ./pets"):
        ended = call(line)
        left = block(ended.out if not line.startswith("train") else ended.err)["left out"]
        assert "1 file: no image format (Thumbs.db)" in left and "1 class folder" in left and "train/emu" in left
    left = block(call("datasets ./table").out)["left out"]
    assert left.startswith("10 rows of train: label -1 (row 2, row 5")


def test_the_json_of_a_plan_has_what_was_understood(call, sets):
    plan = json.loads(call(f"plan --dataset ./pets {SMALL} --json").out)
    assert plan["data"]["rows_per_class"] == {"cat": 24, "dog": 24}
    assert plan["costs"]["rows"] == {name: part["rows"] for name, part in plan["data"]["splits"].items()}


def test_datasets_without_a_name_is_the_table_and_takes_no_option_of_one(call):
    assert "cifar100" in call("datasets").out and json.loads(call("datasets --json").out)[0]["name"] == "cifar100"
    refused = call("datasets --class-level 2")
    assert refused.code == 2 and "applies to one dataset" in refused.err
    row = json.loads(call("datasets cifar100 --json").out)
    assert row["splits"]["train"]["rows"] == 45_000 and row["class_names"] is None and row["classes"] == 100


def stopped(call, sets):
    """A run on ./pets that was stopped after its record was written."""
    assert call(f"train --dataset ./pets {SMALL}").code == 0
    from msgspec.structs import replace

    from app.artifacts import record

    run = find_runs(sets / "checkpoints")[0]
    record.write(run.files.record, replace(run.record, status="stopped"))
    return run


def test_an_unfinished_run_on_other_data_is_named_and_files_that_are_not_read_are_no_other_data(call, sets):
    run = stopped(call, sets)
    (sets / "pets" / "notes.txt").write_text("x")
    same = call(f"plan --dataset ./pets {SMALL} --json")
    assert json.loads(same.out)["run_id"] == run.record.run_id
    assert "unfinished" not in call(f"plan --dataset ./pets {SMALL}").err
    (sets / "pets" / "train" / "cat" / "00.png").write_bytes(encoded(noise(12345)))
    for line in (f"plan --dataset ./pets {SMALL}", f"train --dataset ./pets {SMALL}"):
        ended = call(line)
        (note,) = (text for text in ended.err.splitlines() if "unfinished" in text)
        assert run.record.run_id in note and "local/pets have changed" in note
    assert "unfinished" not in call(f"plan --dataset ./pets {SMALL} --seed 7").err


def test_a_run_of_an_earlier_version_that_counted_every_file_is_resumed(call, sets, monkeypatch):
    """Before, notes.txt was part of the fingerprint: the same command must find the run that was stopped."""
    from app.data.sources import files, folders

    (sets / "pets" / "notes.txt").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "fingerprint", lambda ask, found=None: files.of_all(ask.path))
        run = stopped(call, sets)
    ended = call(f"train --dataset ./pets {SMALL}")
    assert ended.code == 0 and f"resuming run {run.record.run_id}" in ended.err
    assert {found.record.run_id for found in find_runs(sets / "checkpoints")} == {run.record.run_id}
    shutil.rmtree(sets.parent / "cache")
    again = call("evaluate checkpoints --again --json")
    assert again.code == 0 and json.loads(again.out)["run_id"] == run.record.run_id


def test_a_run_whose_folder_is_read_otherwise_now_is_evaluated_from_its_predictions_alone(call, sets):
    """A record without a revision whose folder revision 1 read by other rules."""
    shutil.move(sets / "pets" / "train", sets / "pets" / "Train")
    shutil.move(sets / "pets" / "test", sets / "pets" / "Test")
    assert call(f"train --dataset ./pets {SMALL}").code == 0
    run = find_runs(sets / "checkpoints")[0]
    from msgspec.structs import replace

    from app.artifacts import record
    from app.config.run import RunConfig

    fields = {name: value for name, value in run.record.config.items() if name != "layout_revision"}
    first = RunConfig.from_json(fields)
    for path in run.files.folder.glob(f"{run.files.stem}*"):
        path.rename(path.with_name(path.name.replace(run.files.stem, first.stem)))
    earlier = record.plain(replace(run.record, run_id=first.run_id, config=fields))
    from msgspec import convert

    path = run.files.folder / f"{first.stem}.json"
    record.write(path, convert(earlier | {"status": "stopped"}, type(run.record)))
    note = next(line for line in call(f"plan --dataset ./pets {SMALL}").err.splitlines() if "unfinished" in line)
    assert first.run_id in note and "divided local/pets differently" in note
    record.write(path, convert(earlier, type(run.record)))
    assert call("evaluate checkpoints --json").code == 0
    shutil.rmtree(sets.parent / "cache")
    refused = call("evaluate checkpoints --again")
    assert refused.code == 2 and "layout revision 1" in refused.err and "stored predictions" in refused.err


def test_numpy_arrays_in_a_pt_file_are_named_with_the_line_that_saves_tensors(call, work):
    (work / "patterns").mkdir()
    held = {"X": torch.zeros(28, 64), "Y": np.arange(28) % 14}
    torch.save(held, work / "patterns" / "a_Train.pt")
    command = "train --dataset diffraction --model resnet1d --size 1M --data patterns"
    ended = call(command)
    assert ended.code == 2 and "Y is a numpy array and not a tensor" in ended.err
    assert "torch.save({'Y': torch.from_numpy(Y)}, 'a_Train.pt')" in ended.err
    torch.save({"X": [object], "Y": 1}, work / "patterns" / "a_Train.pt")
    assert "more than plain tensors" in call(command).err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("key;ptw_scale\na;0,5\n", "has semicolons between its values. Write commas"),
     ('key,ptw_scale\nnc231213_Sn_id0001,"0,5"\n', "Write the decimal point as in 0.5")],
)  # fmt: skip
def test_a_design_file_with_semicolons_or_decimal_commas_is_told_what_to_write(call, sets, text, sentence):
    (sets / "fields" / "design.csv").write_text(text)
    ended = call("datasets nested_cylinder --data fields --crop 0:40,0:12")
    assert ended.code == 2 and sentence in ended.err


@pytest.mark.parametrize(
    ("train", "test", "rows"),
    [("patterns_Train.pt", "patterns_Test.pt", 20), ("trainset.pt", "testset.pt", 20),
     ("Training.pt", "TESTING.pt", 20), ("train_patterns.pt", "test_patterns.pt", 20)],
)  # fmt: skip
def test_patterns_have_their_splits_from_names_in_any_spelling(call, sets, train, test, rows):
    (sets / "new").mkdir()
    shutil.copy(GOLDENS / "splits" / "patterns_Train.pt", sets / "new" / train)
    shutil.copy(GOLDENS / "splits" / "patterns_Test.pt", sets / "new" / test)
    found = json.loads(call("datasets diffraction --data new --json").out)
    assert found["splits"]["test"] == {"place": test, "rows": rows, "held_out": False}
    config = json.loads(call("plan --dataset diffraction --data new --model resnet1d --width 8 --json").out)["config"]
    assert config.get("layout_revision", 1) == (1 if train == "patterns_Train.pt" else 2)
