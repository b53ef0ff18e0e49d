"""Entries of the model-index that pool seeds: their mean, interval, n and number of seeds."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from results import classified, finished, fitted

from app.results.arms import Arm
from app.results.by_size import by_size
from app.results.metrics import METRICS
from app.sharing import entry, index, pooled, store
from app.system import repositories

REPOSITORY = "tester/runs"


def seeds_of(folder, count=3, *, model="vit_classic"):
    """Runs of one model on digits whose record has the accuracy of their predictions."""
    random, ease, found = np.random.default_rng(5), np.random.default_rng(6).normal(0, 0.2, 300), []
    for seed in range(count):
        right = random.random(300) < 0.6 + ease + 0.01 * seed
        found.append(finished(folder, classified(right), dataset="digits", size="1M", model=model, seed=seed,
                              test={"top1": float(right.mean())}))  # fmt: skip
    return found


def entries(runs):
    return [entry.index_entry(run) for run in runs]


def test_the_interval_of_seeds_is_that_of_the_crossed_analysis_over_seeds_and_examples(tmp_path):
    runs = seeds_of(tmp_path)
    (made,) = pooled.of_runs(entries(runs), runs)
    (mean,) = by_size([Arm(title="a", runs=tuple(runs))], METRICS["top1"]).means
    (metric,) = made["results"][0]["metrics"]
    facts = pooled.about(made)
    assert metric["value"] == pytest.approx(mean.value) and metric["name"] == "top-1, mean of 3 seeds"
    assert facts["interval"] == pytest.approx(mean.interval) and facts["interval_covers"] == pooled.BOTH
    assert (facts["seeds"], facts["n"], facts["seed_numbers"]) == (3, 300, [0, 1, 2])
    assert facts["run_ids"] == [run.record.run_id for run in runs] and facts["sd"] > 0


def test_a_regression_is_pooled_by_its_rmse_and_the_groups_of_its_examples(tmp_path):
    random, names, runs = np.random.default_rng(5), np.array([f"id{i // 4:03}" for i in range(80)]), []
    for seed in range(3):
        found = fitted(random.normal(0, 0.05, 80), names=names)
        rmse = float(np.sqrt(((found.logits[:, 0].astype(float) - found.labels) ** 2).mean()))
        runs.append(finished(tmp_path, found, dataset="nested_cylinder", model="cnn", seed=seed, test={"rmse": rmse}))
    (made,) = pooled.of_runs(entries(runs), runs)
    (mean,) = by_size([Arm(title="a", runs=tuple(runs))], METRICS["rmse"]).means
    assert pooled.about(made)["interval"] == pytest.approx(mean.interval, rel=1e-5)
    assert made["results"][0]["metrics"][0]["name"] == "RMSE, mean of 3 seeds"


def test_without_the_predictions_an_interval_covers_new_seeds_only_and_a_known_one_is_kept(tmp_path):
    runs = seeds_of(tmp_path)
    known = pooled.of_runs(entries(runs), runs)
    (without,) = pooled.entries_of(entries(runs), {})
    rates = [run.record.test.top1 for run in runs]
    half = 4.302652730 * np.std(rates, ddof=1) / np.sqrt(3)
    assert pooled.about(without)["interval"] == pytest.approx([np.mean(rates) - half, np.mean(rates) + half])
    assert pooled.about(without)["interval_covers"] == pooled.SEEDS
    assert pooled.entries_of(entries(runs), {}, known) == known
    (changed,) = pooled.entries_of(entries(runs[:2]), {}, known)
    assert pooled.about(changed)["seeds"] == 2 and pooled.about(changed)["interval_covers"] == pooled.SEEDS


def test_predictions_of_another_test_are_not_used_and_other_models_and_single_seeds_are_not_pooled(tmp_path):
    runs = [*seeds_of(tmp_path, 2), *seeds_of(tmp_path, 1, model="vit_differential")]
    classified(np.ones(300, bool)).save(runs[0].files.predictions)
    (made,) = pooled.of_runs(entries(runs), runs)
    assert pooled.about(made)["model"] == "vit_classic" and pooled.about(made)["interval_covers"] == pooled.SEEDS


@pytest.mark.slow
def test_the_hubs_readme_has_the_pooled_seeds_first_and_follows_the_runs_that_are_there(tmp_path, online):
    runs = seeds_of(tmp_path)
    for run in runs:
        for name in ("weights", "best", "splits", "log"):
            (path := getattr(run.files, name)).exists() or path.write_bytes(b"x")
        store.upload(run.files.folder / run.files.stem, f"runs/{run.files.stem}", say=print)
    text = online.files(REPOSITORY)["README.md"].decode()
    first, *others = yaml.safe_load(text.split("---\n")[1])["model-index"]
    assert pooled.is_pooled(first) and pooled.about(first)["seeds"] == 3 and len(others) == 3
    assert pooled.about(first)["interval_covers"] == pooled.BOTH and "(mean of 3)" in text and "% (both) |" in text
    shown = ModelCard(text).data.eval_results[0]
    assert (shown.metric_name, shown.dataset_name) == ("top-1, mean of 3 seeds", "Optical digits")
    assert {*index.entries_of(text)} == {run.files.stem for run in runs}
    where = index.folders(repositories.listing(REPOSITORY, repositories.head(REPOSITORY)))
    del where[runs[2].files.stem]
    left = yaml.safe_load(index.extended(REPOSITORY, text, {}, where).split("---\n")[1])["model-index"]
    assert [pooled.is_pooled(each) for each in left] == [True, False, False] and pooled.about(left[0])["seeds"] == 2
