"""A comparison of one seed each forecasts three seeds, from the spread of other runs on the same data."""

import numpy as np
import pytest
from scipy import stats

from app.artifacts.runs import find_runs, indexed
from app.report import verdicts
from app.results import arms as choosing
from app.results.comparing import Asked, compare
from app.results.forecast import Pilot, forecast
from app.results.metrics import METRICS
from app.statistics import planning
from app.statistics.crossed import crossed

from . import classified, finished, fitted

VIT, DIFF = "vit_classic", "vit_differential"


def trained(folder, model, seeds, *, rate=0.8, n=400, **more):
    """Runs with the accuracy of their predictions in their records."""
    for seed in seeds:
        random = np.random.default_rng(seed + 100)
        right = random.random(n) < rate + random.normal(0, 0.02)
        finished(folder, classified(right), model=model, seed=seed, test={"top1": float(right.mean())},
                 **({"dataset": "digits", "size": "1M"} | more))  # fmt: skip


def alone(folder, **asked):
    """The comparison of the first seed of two models, with all runs of the folder as possible pilots."""
    runs = [run for run in find_runs(folder) if run.config.seed == 0 and run.config.dataset == "digits"]
    found = compare(choosing.chosen({"": runs}), indexed(folder), asked=Asked(**asked))
    return found, found.pairs[0]


def test_other_seeds_of_the_same_models_are_the_pilots_and_their_spread_gives_the_interval(tmp_path):
    trained(tmp_path, DIFF, range(4))
    trained(tmp_path, VIT, range(3), rate=0.75)
    trained(tmp_path, "vit_differential_h32", range(5))
    found, pair = alone(tmp_path / ".")
    groups = [[run.record.test.top1 for run in find_runs(tmp_path) if run.config.model == model]
              for model in (DIFF, VIT)]  # fmt: skip
    v = sum(np.var(each, ddof=1) * (len(each) - 1) for each in groups) / 5
    told = pair.forecast
    assert told.sd == pytest.approx(np.sqrt(v)) and told.pilot_runs == 7 and told.more == (2, 2)
    assert told.half[0] == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(2 * v / 3))  # no part of the examples
    w = pair.examples_part
    df = (2 * v / 3 + w) ** 2 / (2 * (v / 3) ** 2 / 2)
    assert told.half[1] == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(2 * v / 3 + w))
    assert planning.power(3, v, v, w, told.detected[1]) == pytest.approx(0.8, abs=1e-3)
    assert "forecast for 3 seeds of each" in verdicts.text(found) and pair.word == "one seed"
    assert "4 further runs" in told.text and found.to_json()["pairs"][0]["forecast"]["seeds"] == 3


def test_models_without_further_seeds_take_the_spread_of_other_models_on_the_same_data(tmp_path):
    for model, rate in ((DIFF, 0.8), (VIT, 0.75)):
        trained(tmp_path, model, [0], rate=rate)
    assert alone(tmp_path)[1].forecast is None
    trained(tmp_path, "vit_differential_h32", range(1, 5))
    trained(tmp_path, DIFF, range(1, 4), dataset="cifar10")  # other data are no pilot
    pair = alone(tmp_path)[1]
    assert pair.forecast.pilot_runs == 4 and "4 runs of vit_differential_h32 1M" in pair.forecast.text
    assert alone(tmp_path, metric="brier")[1].forecast is None  # records do not have it


def test_a_third_arm_with_seeds_and_an_arm_with_seeds_are_pilots_for_any_metric(tmp_path):
    random = np.random.default_rng(1)
    for model, seeds in (("cnn", 1), ("t2t_vit", 4)):
        for seed in range(seeds):
            errors = random.normal(0, 0.05 * random.uniform(0.9, 1.1), 300)
            finished(tmp_path, fitted(errors), dataset="nested_cylinder", model=model, seed=seed)
    runs = find_runs(tmp_path)
    pair = compare(choosing.chosen({"": runs}), ()).pairs[0]
    assert pair.word == "one seed" and pair.forecast.pilot_runs == 4 and sorted(pair.forecast.more) == [0, 2]


def test_the_forecast_of_one_more_seed_each_covers_what_they_give():
    """Simulated: with w between the two ends, three seeds have a half-width between those of the forecast."""
    random, v, halves = np.random.default_rng(6), 0.02**2, []
    ease = random.normal(0, 0.15, 1000)
    scores = [(random.random((3, 1000)) < 0.8 + ease + random.normal(0, 0.02, (3, 1))).astype(float) for _ in "ab"]
    told = forecast(Pilot(sd=v**0.5, runs=6, source=""), crossed(scores[0][:1], scores[1][:1]), METRICS["top1"],
                    (), level=0.95)  # fmt: skip
    for _ in range(100):
        arms = [(random.random((3, 1000)) < 0.8 + ease + random.normal(0, 0.02, (3, 1))).astype(float) for _ in "ab"]
        low, high = crossed(*arms).interval()
        halves.append((high - low) / 2)
    assert told.half[0] * 0.8 < np.median(halves) < told.half[1] * 1.2
