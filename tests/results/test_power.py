"""Seeds planned from pilot runs and from stated spreads: all kinds of data, and runs that give no spread."""

import json
import math

import numpy as np
import pytest

from app.artifacts.runs import find_runs
from app.errors import InputError
from app.results import arms as choosing
from app.results import power
from app.statistics import planning

from . import arms, classified, finished, fitted

OF = {"dataset": "digits", "size": "1M"}


def pilot(folder, metric=None):
    """The spread of all runs in a folder."""
    return power.of_runs(choosing.chosen({"": find_runs(folder)}, fewest=1).arms, metric, None)


def fields(folder, scales, *, names=None):
    """Runs of a CNN with errors of these scales."""
    random = np.random.default_rng(2)
    for seed, scale in enumerate(scales):
        errors = fitted(scale * random.normal(size=100), names=names)
        finished(folder, errors, dataset="nested_cylinder", model="cnn", seed=seed)


@pytest.mark.parametrize(("sd", "examples_sd"), [(0, None), (0, 0), (math.inf, None), (1e308, None), (1, 1e200)])
def test_a_stated_spread_that_plans_nothing_is_refused(sd, examples_sd):
    with pytest.raises(InputError, match=r"--sd 0 means|is too large"):
        power.stated(None, sd=sd, examples_sd=examples_sd, n=100)


@pytest.mark.parametrize(("sd", "examples_sd"), [(1e-9, None), (0, 20), (0.5, 20), (1e9, 1e9)])
def test_every_number_of_a_plan_is_finite(sd, examples_sd):
    found = power.plan(power.stated(None, sd=sd, examples_sd=examples_sd, n=100), 1)
    json.dumps(found.to_json(), allow_nan=False)
    assert "nan" not in found.text and "inf" not in found.text


def test_the_rmse_of_the_pilot_gives_the_margin(tmp_path):
    fields(tmp_path, [0.02, 0.021, 0.019])
    found = power.plan(pilot(tmp_path), None)
    results = [
        math.sqrt(((run.logits[:, 0] - run.labels) ** 2).mean()) for run in map(predictions, find_runs(tmp_path))
    ]
    assert found.delta == pytest.approx(0.05 * np.mean(results), rel=1e-4)


def predictions(run):
    """The predictions of a run."""
    from app.artifacts.predictions import Predictions

    return Predictions.load(run.files.predictions)


def test_pilot_runs_that_did_not_learn_are_no_spread(tmp_path):
    fields(tmp_path, [0.02, 0.021, 0.019, 0.02, 0.0205, 5.0])
    spread = pilot(tmp_path)
    assert spread.pilot == (5, 1) and math.sqrt(spread.runs[0]) < 0.01 and "5 runs of cnn" in spread.source


def test_pilot_runs_on_one_group_have_no_part_of_the_examples(tmp_path):
    fields(tmp_path, [0.02, 0.024, 0.019], names=np.array(["id0001"] * 100))
    text = power.plan(pilot(tmp_path), 0.01).text
    assert "one test set only" in text and "nan" not in text


def test_pilot_runs_with_equal_results_or_several_test_sets_are_refused(tmp_path):
    for seed in range(3):
        finished(tmp_path / "equal", classified(np.arange(50) % 3 > 0), seed=seed, model="vit_classic", **OF)
        rows = np.arange(50) + 100 * (seed % 2)
        finished(tmp_path / "sets", classified(np.arange(50) % (3 + seed) > 0, rows=rows), seed=seed,
                 model="vit_classic", **OF)  # fmt: skip
    with pytest.raises(InputError, match="equal results"):
        pilot(tmp_path / "equal")
    with pytest.raises(InputError, match="different test"):
        pilot(tmp_path / "sets")


def test_a_plan_that_compares_the_pilot_has_two_looks_and_the_seeds_of_their_level(tmp_path):
    arms(tmp_path, {"vit_classic": 0.7, "vit_differential": 0.75}, seeds=3, spread=0.02)
    spread = pilot(tmp_path)
    spread = power.Spread(**{**vars(spread), "examples": 0.0})
    delta = 4.0
    found = power.plan(spread, delta)
    two = planning.needed_seeds(*spread.runs, 0, delta / 100, examples=400, level=planning.look_level(2)).seeds
    assert 3 < found.seeds < two and f"--looks 3,{two}. Each then has a 97.5 % interval" in found.text
