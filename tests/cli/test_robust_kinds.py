"""`robust` on fields and patterns: their own corruptions, intervals over simulations, and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from data.measured import fields, patterns

from app.artifacts import robust_rows
from app.artifacts.runs import find_runs
from app.config.corruptions import names_of
from app.errors import InputError
from app.experiment import corrupting
from app.experiment.options import Options
from app.results import corrupted
from app.results.metrics import METRICS
from app.results.robust import robustness
from app.statistics.rates import wilson
from app.tables.corruptions import CORRUPTIONS

TRAIN = "train --epochs 1 --train-batches 1 --val-batches 1 --threads 1"


@pytest.mark.slow
def test_a_regression_on_fields_has_an_rmse_by_corruption_and_intervals_over_simulations(call, work, cache_folder):
    fields(work / "fields", frames=2)
    trained = call(f"{TRAIN} --dataset nested_cylinder --data fields --crop 0:40,0:12 --model cnn --batch-size 3")
    assert trained.code == 0, trained.err
    run = find_runs(work / "checkpoints")[0]
    done = call("robust checkpoints --severity 1,5 --json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert found["metric"] == "rmse" and list(found["corruptions"]) == ["pixel_noise", "pixel_blur"]
    assert found["side"] == "40x24" and found["n"] == 2 * found["groups"]
    assert found["clean_interval"][0] < found["clean"] < found["clean_interval"][1]
    whole = run.files.robust.read_bytes()
    pairs = robust_rows.load(run.files.robust)
    robust_rows.save(run.files.robust, dict(list(pairs.items())[:2]))  # as after a kill
    assert "RMSE, n 4 test rows in 2 groups, corrupted at 40x24 px" in call("robust checkpoints --severity 1,5").out
    assert run.files.robust.read_bytes() == whole
    refused = call("robust checkpoints --corruption counting_noise")
    assert refused.code == 2 and "is a corruption of signals, but the inputs are fields" in refused.err


@pytest.mark.slow
def test_patterns_with_known_angles_have_four_corruptions_and_others_two(call, work, cache_folder):
    patterns(work / "patterns" / "made.pt", length=100)
    asked = f"{TRAIN} --dataset diffraction --data patterns --model resnet1d --width 8 --batch-size 12"
    for more in ("--checkpoints known --grid 5:0.2", "--checkpoints unknown"):
        assert call(f"{asked} {more}").code == 0
    done = call("robust known --corruption all --severity 3 --json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert list(found["corruptions"]) == [name for name, row in CORRUPTIONS.items() if row.kind == "signal"]
    (name,) = find_runs(work / "known")[0].record.results.robust
    assert name == "final-generated-seed0-100samples-n12" and found["groups"] is None
    refused = call("robust unknown --severity 3")
    assert refused.code == 2 and "Use --corruption counting_noise,background, or train with --grid" in refused.err
    assert "corrupted at 100 samples" in call("robust unknown --corruption primary --severity 3").out
    with pytest.raises(InputError, match="the metric noise is for images"):
        corrupted.gathered(find_runs(work / "unknown"), METRICS["noise"])


def test_a_kind_of_inputs_has_its_sets_and_refuses_the_corruptions_of_another():
    def names(asked, kind, channels=3):
        return names_of(asked, None, None, kind=kind, channels=[channels])

    assert names(None, "field", 1) == ("pixel_noise", "pixel_blur") and len(names(None, "image")) == 14
    assert names("primary", "signal", 1) == ("counting_noise",)
    histology = names("histology", "image")
    assert len(histology) == 5 and not {*histology} & {*names("all", "image")}
    assert names("histology", "image", 1) == ("scanner_jpeg", "scanner_defocus", "gamma")
    for asked, kind, says in (
        ("stain", "field", "corruption of images"), ("primary", "field", "Available: pixel_noise, pixel_blur"),
        ("benchmark", "signal", "Available: counting_noise"), ("pixel_blurr", "field", "pixel_blur"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            names(asked, kind, 1)


@pytest.mark.parametrize("given", [{"side": 32}, {"frost": "ice"}, {"cifar_c": "c"}])
def test_options_for_images_are_refused_for_signals(run, given):
    config = replace(run.config, dataset="diffraction")
    asked = corrupting.Asked(corruptions=("counting_noise",), **given)
    with pytest.raises(InputError, match="is for images"):
        corrupting.require_inputs(type("Run", (), {"config": config})(), asked, Options())


def test_an_interval_over_groups_is_that_of_the_means_of_equal_groups():
    rows, labels = np.arange(12), np.zeros(12, np.int64)
    ranks = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0])
    outcome = robust_rows.Outcome(rows, labels, labels, ranks)
    pair = robust_rows.Pair("final", "generated", "8", 0, "fog", 1)
    found = robustness(outcome, {pair: outcome}, np.repeat(["a", "b", "c", "d"], 3))
    means = np.array([1, 0, 2 / 3, 1])
    n = 2 / 9 / (means.var(ddof=1) / 4) * (1.959964 / 3.182446) ** 2
    assert found.groups == 4 and found.clean_interval == pytest.approx(wilson(2 / 3 * n, n), abs=1e-6)
    assert robustness(outcome, {pair: outcome}).groups is None
    assert robustness(outcome, {pair: outcome}).clean_interval == pytest.approx(wilson(8, 12))


def test_predictions_under_an_earlier_revision_of_a_corruption_are_not_used(run):
    inputs = corrupting._Inputs(None, corrupting.Asked(corruptions=("fog", "spatter")), "8", None, None, {}, "", None)
    assert [inputs._source(name) for name in ("fog", "spatter")] == ["generated", "generated:2"]
