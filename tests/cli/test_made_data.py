"""What `data make` and `data split` write is what `train` reads: fields by their lists, patterns by their recipe."""

import json

import numpy as np
import pytest
import torch
from data.test_signals import opened

from app import data
from app.artifacts.parts import Rows
from app.artifacts.runs import find_runs
from app.data.sources import signals
from app.errors import InputError
from app.synthetic import diffraction

DIFFRACTION = "data make diffraction --patterns 4 --val-fraction 0.25 --test-fraction 0.25"
TRAIN = "train --epochs 1 --train-batches 1 --val-batches 1 --threads 1"


@pytest.fixture
def made(call, work, cache_folder):
    """The folder that `data make` is given."""

    def make(line):
        assert call(f"{line} --out made").code == 0
        return work / "made"

    return make


@pytest.mark.slow
def test_made_fields_are_split_into_lists_that_a_run_goes_by(call, made, work):
    made("data make nested_cylinder --simulations 6 --frames 2")
    lists = call("data split made --out lists --train-fraction 0.5 --val-fraction 0.17 --test-fraction 0.33")
    assert [line.rpartition("/")[2] for line in lists.out.splitlines()] == [
        f"datalist_{split}_samples.txt" for split in ("train", "val", "test")
    ]
    asked = "--dataset nested_cylinder --data made --filelist lists --model cnn --crop 2200:2240,0:20"
    trained = call(f"{TRAIN} {asked} --batch-size 2")
    assert trained.code == 0, trained.err
    assert "in more than one split" not in trained.err
    known = find_runs(work / "checkpoints")[0].record.data
    assert known.rows == Rows(train=6, val=2, test=2) and known.class_names == ["ptw_scale"]
    assert known.warning == "the fields are synthetic: drawn, not computed by hydrodynamics"
    assert f"note: {known.warning}" in trained.err


@pytest.mark.slow
def test_made_patterns_are_read_as_they_are_and_cut_by_the_angles_of_their_recipe(call, made, work):
    made(f"{DIFFRACTION} --start 5 --step 0.25 --points 300")
    trained = call(f"{TRAIN} --dataset diffraction --data made --range 10:40 --model resnet1d --batch-size 14")
    assert trained.code == 0, trained.err
    run = find_runs(work / "checkpoints")[0]
    assert run.record.data.rows == Rows(train=28, val=14, test=14) and run.config.image == (121,)
    assert run.record.data.warning.startswith("the patterns are synthetic: simulated")
    drawn = call("plot patterns --count 1 --out drawn")
    assert drawn.code == 0, drawn.err
    _, splits, _ = opened(work / "made", range="10:40", model="resnet1d")
    held = torch.load(work / "made" / "Synthetic_Train.pt", weights_only=True)["X"]
    assert torch.equal(splits.train.batch(np.arange(28))[0], held[splits.train.rows, :, 20:141])


def test_made_patterns_on_nists_grid_are_cut_by_angle_and_have_one_background(made):
    folder = made("data make diffraction --patterns 3 --val-fraction 0.34 --test-fraction 0.34")
    (folder / "synthetic.json").unlink()
    config, splits, _ = opened(folder, range="10:80", model="resnet1d")
    assert config.image == (1401,)
    whole = opened(folder, model="resnet1d")[1].val.batch(np.arange(14))[0]
    assert torch.allclose(whole.amin(2), torch.tensor(0.001)) and len(splits.val) == 14


def test_the_144_classes_of_a_made_set_have_their_names_after_a_split_too(call, made, work, monkeypatch):
    monkeypatch.setattr(diffraction, "simulate", lambda recipe, *_: np.full(recipe.points, 1e-3, np.float32))
    folder = made("data make diffraction --target space_group --classes 144 --patterns 2 --points 300 --step 0.25 "
                  "--val-fraction 0 --test-fraction 0")  # fmt: skip
    assert call("data split made --out cut --val-fraction 0.5").code == 0
    names = json.loads((folder / "synthetic.json").read_text())["class_names"]
    for path in (folder, work / "cut"):
        ask = data.ask_of({"dataset": "diffraction", "target": "space_group", "range": "10:40"}, path=str(path))
        assert signals.shape(ask) == (1, 121) and list(signals.class_names(ask)) == names and names[143] == "230"


@pytest.mark.slow
def test_a_made_set_is_refused_under_another_target_and_with_a_damaged_recipe(made):
    folder = made(f"{DIFFRACTION} --points 300 --step 0.25")
    with pytest.raises(InputError, match=r"labelled by bravais. Use --target bravais"):
        opened(folder, target="space_group")
    whole = json.loads((folder / "synthetic.json").read_text())
    for damaged, says in (
        ("{", "does not describe a synthetic set"), ("[1]", "does not describe a synthetic set"),
        (json.dumps(whole | {"step": "a"}), "neither numbers nor names"), (json.dumps(whole | {"step": 0}), "step=0"),
        (json.dumps({"dataset": "diffraction"}), "it lacks target"),
    ):  # fmt: skip
        (folder / "synthetic.json").write_text(damaged)
        with pytest.raises(InputError, match=says):
            opened(folder)


@pytest.mark.slow
def test_an_option_of_the_other_format_is_refused_by_data_split(call, made):
    made(DIFFRACTION)
    refused = call("data split made --by file --out parts")
    assert refused.code == 2 and "--by has no effect on patterns" in refused.err


@pytest.mark.slow
def test_lists_take_no_tag(call, made):
    made("data make nested_cylinder --simulations 3")
    refused = call("data split made --tag Mine --out lists")
    assert refused.code == 2 and "--tag has no effect on fields" in refused.err
