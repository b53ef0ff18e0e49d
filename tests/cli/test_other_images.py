"""`evaluate --on` of a run on images: a labelled folder is read as the run's own images were, its classes by name."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data import pictures
from PIL import Image
from safetensors.torch import load_file

from app import task
from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs

TRAIN = (
    "train --model vit_classic --size 100K --d-model 64 --image 16 --patch 4 --epochs 1 --batch-size 8 --augment none "
    "--threads 1"
)


@pytest.fixture
def pets(call, work, tmp_path, monkeypatch):
    """A finished run on the folder ./pets: train and test of cat, cow and dog."""
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    pictures.write_images(work / "pets", ("cat", "cow", "dog"), each=8)
    assert call(f"{TRAIN} --dataset ./pets").code == 0
    return find_runs(work / "checkpoints")[0]


def on(call, where, options=""):
    done = call(f"evaluate checkpoints --on {where} --json {options}")
    assert done.code == 0, done.err
    return json.loads(done.out), done.err


def test_the_run_s_own_test_images_elsewhere_give_the_run_s_own_numbers(call, pets, work):
    shutil.copytree(work / "pets" / "test", work / "other")
    own = json.loads(call("evaluate checkpoints --json").out)
    found, _ = on(call, "other")
    assert (found["n"], found["confusion"], found["per_class"]) == (24, own["confusion"], own["per_class"])
    assert found["loss"] == pytest.approx(own["loss"], rel=1e-4) and found["class_names"] == ["cat", "cow", "dog"]
    assert json.loads(call("evaluate checkpoints --json").out) == own
    record = json.loads(pets.files.record.read_text())["results"]
    assert record["test"]["loss"] == own["loss"] and next(iter(record["elsewhere"].values()))["n"] == 24


def test_of_a_folder_with_splits_the_test_split_is_read_and_no_other(call, pets, work):
    found, said = on(call, "pets")
    assert found["n"] == 24 and "pets/test" in said


def test_rows_of_classes_that_the_run_does_not_know_are_counted_and_the_others_matched_by_name(call, pets, work):
    for name, source in (("dog", "dog"), ("ant", "cat"), ("cat", "cat")):  # another order, another number of classes
        shutil.copytree(work / "pets" / "test" / source, work / "other" / name)
    found, said = on(call, "other")
    assert (found["n"], found["rows_left_out"]) == (16, 8) and "8 of 24 rows" in said and "(ant)" in said
    assert found["per_class"][1] is None and np.sum(found["confusion"], axis=1).tolist() == [8, 0, 8]
    own = json.loads(call("evaluate checkpoints --json").out)
    assert [found["per_class"][0], found["per_class"][2]] == [own["per_class"][0], own["per_class"][2]]
    text = call("evaluate checkpoints --on other").out
    assert "skipped: 8 rows of classes" in text and "balanced accuracy" in text


def test_one_class_is_enough_to_be_tested_and_none_that_is_known_is_refused(call, pets, work):
    shutil.copytree(work / "pets" / "test" / "dog", work / "one" / "dog")
    assert on(call, "one")[0]["n"] == 8
    shutil.copytree(work / "pets" / "test" / "dog", work / "none" / "wolf")
    refused = call("evaluate checkpoints --on none")
    assert refused.code == 2 and "no row has a class that the run knows. Its classes are cat, cow, dog" in refused.err
    assert "--on nowhere: this folder does not exist" in call("evaluate checkpoints --on nowhere").err
    few = call(f"{TRAIN} --dataset ./one")
    assert few.code == 2 and "one class" in few.err  # training still wants two


def test_images_that_cannot_be_read_are_named_and_counted(call, pets, work):
    shutil.copytree(work / "pets" / "test", work / "other")
    (work / "other" / "cat" / "broken.png").write_bytes(b"junk")
    found, said = on(call, "other")
    assert (found["n"], found["unreadable"]) == (24, 1) and "broken.png" in said
    assert "1 images that cannot be read" in call("evaluate checkpoints --on other").out


def test_a_table_with_class_names_is_evaluated_and_its_columns_may_be_named(call, pets, work):
    images = [{"bytes": path.read_bytes(), "path": None} for path in sorted((work / "pets" / "test").rglob("*.png"))]
    labels = [path.parent.name for path in sorted((work / "pets" / "test").rglob("*.png"))]
    (work / "table").mkdir()
    pq.write_table(pa.table({"image": images, "species": labels, "id": labels[::-1]}), work / "table" / "x.parquet")
    unclear = call("evaluate checkpoints --on table")
    assert unclear.code == 2 and "--label-column" in unclear.err
    own = json.loads(call("evaluate checkpoints --json").out)
    found, _ = on(call, "table", "--label-column species")
    assert (found["n"], found["confusion"]) == (24, own["confusion"]) and found["reading"]["label_column"] == "species"


def test_options_of_other_kinds_of_data_are_refused(call, pets, work):
    for options, why in (("--grid 3:0.05", "--grid has no effect"), ("--design x.csv", "--design has no effect")):
        refused = call(f"evaluate checkpoints --on pets {options}")
        assert refused.code == 2 and why in refused.err
    assert "--label-column has an effect with --on only" in call("evaluate checkpoints --label-column x").err


def test_a_grey_run_at_another_side_reads_folders_as_its_own_images(call, run, work):
    found = Predictions.load(run.files.predictions)
    from sklearn.datasets import load_digits

    scans = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    for row, label in zip(found.rows, found.labels, strict=True):
        (work / "scans" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(scans[row]).save(work / "scans" / str(label) / f"{row}.png")
    elsewhere, _ = on(call, "./scans")
    own = task.classes.metrics(found.labels, found.logits)
    assert elsewhere["confusion"] == own["confusion"] and elsewhere["loss"] == pytest.approx(own["loss"], rel=1e-4)


def test_16_bit_images_are_scaled_by_the_range_of_the_run(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)

    def write(folder, high, low=0):
        for number, name in enumerate(("dark", "bright")):
            (folder / name).mkdir(parents=True)
            for i in range(12):
                counts = random.integers(low, high // (2 - number), (16, 16), dtype=np.uint16)
                Image.fromarray(counts).save(folder / name / f"{i}.png")

    write(work / "deep", 4000)
    assert call(f"{TRAIN} --dataset ./deep").code == 0
    write(work / "darker", 1000)
    found, _ = on(call, "darker")
    manifest = next(path for path in (tmp_path / "cache").rglob("manifest.json") if "darker" in str(path))
    about = json.loads(manifest.read_text())
    own = find_runs(work / "checkpoints")[0].record.data.pixels
    assert found["n"] == 24 and (about["pixels"]["low"], about["pixels"]["high"]) == (own.low, own.high)
    pictures.write_images(work / "plain", ("bright", "dark"), each=3, splits=("test",))
    assert on(call, "plain")[0]["n"] == 6  # of 8 bits: the range is not needed


def test_predictions_of_a_run_on_a_folder_name_the_file_of_each_row(call, pets, work):
    table = pq.read_table(pets.files.predictions)
    paths = table["path"].to_pylist()
    assert sorted(paths) == sorted(
        str(path.relative_to(work / "pets")) for path in (work / "pets" / "test").rglob("*.png")
    )
    names = ["cat", "cow", "dog"]
    assert [names[label] for label in table["label"].to_pylist()] == [path.split("/")[1] for path in paths]
    assert Predictions.load(pets.files.predictions).paths == paths
    pets.files.predictions.unlink()
    (work / "pets").rename(work / "moved")
    assert call("evaluate checkpoints --again --data ./moved --json").code == 0
    assert Predictions.load(pets.files.predictions).paths == paths


def test_held_out_rows_are_named_by_their_file_too(call, work, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    pictures.write_images(work, ("cat", "dog"), splits=("pets",))
    assert call(f"{TRAIN} --dataset ./pets").code == 0
    found = Predictions.load(find_runs(work / "checkpoints")[0].files.predictions)
    assert [("cat", "dog").index(path.split("/")[0]) for path in found.paths] == found.labels.tolist()
    assert len(set(found.paths)) == len(found.rows)


def test_predictions_of_other_datasets_and_of_earlier_versions_have_no_paths(run):
    found = Predictions.load(run.files.predictions)
    assert found.paths is None and "path" not in pq.read_table(run.files.predictions).column_names


@pytest.mark.slow
def test_a_cache_of_an_earlier_version_trains_without_the_names_of_files(call, pets, work, tmp_path):
    (cache,) = [path.parent for path in (tmp_path / "cache").rglob("manifest.json")]
    from app.data.store import manifest

    about = manifest.read(cache)
    for name in [name for name in about.files if name.endswith("-files.json")]:
        del about.files[name]
        (cache / name).unlink()
    manifest.write(cache, about)
    assert call(f"{TRAIN} --dataset ./pets --seed 1").code == 0
    second = next(run for run in find_runs(work / "checkpoints") if run.config.seed == 1)
    assert Predictions.load(second.files.predictions).paths is None and load_file(second.files.weights)
