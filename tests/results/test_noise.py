"""The noise hypothesis as an interaction: planted effects are found, and equal models are not separated."""

import numpy as np
import pytest

from app.artifacts import robust_rows
from app.artifacts.robust_rows import CLEAN, Outcome, Pair
from app.artifacts.runs import find_runs, indexed
from app.errors import InputError
from app.results import arms as choosing
from app.results.comparing import Asked, compare
from app.statistics import crossed
from app.tables.corruptions import CORRUPTIONS, PRIMARY, SEVERITIES

from . import classified, finished

VIT, DIFF = "vit_classic", "vit_differential"
N, CLASSES = 300, 10
OTHERS = ("fog", "contrast")


def outcome(right, rows):
    labels = rows % CLASSES
    ranks = np.where(right, 0, 1)
    return Outcome(rows, labels, (labels + ranks) % CLASSES, ranks, *np.zeros((2, len(rows)), np.float32))


def keep(run, clean, noisy, *, rows=None, names=(*PRIMARY, *OTHERS), weights="final", seed=0):
    """Write what `robust` keeps: `noisy(name, severity)` says which rows (n,) are right."""
    rows = np.arange(len(clean)) if rows is None else rows
    pairs = robust_rows.load(run.files.robust)
    pairs[Pair(weights, "generated", "8", 0, CLEAN, 0)] = outcome(clean[rows], rows)
    for name in names:
        for severity in SEVERITIES:
            at = Pair(weights, "generated", "8", seed, name, severity)
            pairs[at] = outcome(noisy(name, severity)[rows], rows)
    robust_rows.save(run.files.robust, pairs)


def planted(folder, gains, *, seeds=4, n=N, **how):
    """Runs whose accuracy under the primary noises is higher by `gains`, with equal clean accuracy."""
    random = np.random.default_rng(3)
    ease = random.random(n)
    for model, gain in gains.items():
        for seed in range(seeds):
            own = ease + random.normal(0, 0.1, n)
            run = finished(folder, classified(own < 0.7), dataset="digits", size="1M", model=model, seed=seed)

            def noisy(name, severity, own=own, gain=gain):
                keeps = 0.7 - 0.06 * severity + (gain if name in PRIMARY else 0)
                return own + random.normal(0, 0.1, len(own)) < keeps

            keep(run, own < 0.7, noisy, **how)


def answer(folder, **asked):
    found = choosing.chosen({"": find_runs(folder)})
    return compare(found, indexed(folder), asked=Asked(**({"metric": "noise"} | asked)))


@pytest.fixture(scope="module")
def effect(tmp_path_factory):
    """A folder of runs of two models with equal clean accuracy, one of which keeps more of it under noise."""
    folder = tmp_path_factory.mktemp("effect")
    planted(folder, {VIT: 0.0, DIFF: 0.12})
    return folder


def test_a_planted_effect_is_found_in_the_primary_noises_and_in_no_other_corruption(effect):
    found = answer(effect)
    (pair,) = found.pairs
    sign = 1 if pair.a.startswith(DIFF) else -1
    assert pair.word == ("better" if sign > 0 else "worse") and sign * pair.difference == pytest.approx(0.12, abs=0.03)
    assert f"{DIFF} 1M is better than {VIT} 1M by " in pair.sentence and "accuracy change under noise" in pair.sentence
    assert {each.name for each in pair.explored if each.marked} == {name.replace("_", " ") for name in PRIMARY}
    assert pair.explored[0].name == "rest of the benchmark"
    top1 = answer(effect, metric="top1").pairs[0]
    assert top1.word == "undecided" and top1.explored == ()


def test_h_is_the_crossed_difference_of_noisy_minus_clean(effect):
    (pair,) = answer(effect).pairs
    changes = {}
    for run in sorted(find_runs(effect), key=lambda run: run.config.seed):
        pairs = {(each.corruption, each.severity): kept.ranks == 0
                 for each, kept in robust_rows.load(run.files.robust).items()}  # fmt: skip
        noisy = np.mean([pairs[name, severity] for name in PRIMARY for severity in SEVERITIES], axis=0)
        changes.setdefault(run.config.model, []).append(noisy - pairs[CLEAN, 0])
    a, b = (np.stack(changes[name.split()[0]]) for name in (pair.a, pair.b))
    expected = crossed.crossed(a, b)
    assert pair.difference == pytest.approx(expected.difference, abs=1e-12)
    assert (pair.se, pair.interval) == (pytest.approx(expected.se), pytest.approx(expected.interval()))


@pytest.mark.slow
def test_the_same_outcomes_in_both_models_are_identical_and_six_seeds_of_one_model_are_not_separated(tmp_path):
    planted(tmp_path / "one", {VIT: 0.05}, seeds=6)
    runs = sorted(find_runs(tmp_path / "one"), key=lambda run: run.config.seed)
    words = []
    for third in range(1, 5):
        parts = {"a": [runs[0], runs[third], runs[5]], "b": [run for run in runs[1:5] if run is not runs[third]]}
        chosen = choosing.chosen(parts)
        words.append(compare(chosen, [], asked=Asked(metric="noise")).pairs[0].word)
    assert words.count("better") + words.count("worse") <= 1
    clean = np.arange(N) % 3 > 0
    for model in (VIT, DIFF):
        for seed in range(3):
            run = finished(tmp_path / "two", classified(clean), dataset="digits", size="1M", model=model, seed=seed)
            keep(run, clean, lambda name, severity: np.arange(N) % (severity + 2) > 0)
    assert answer(tmp_path / "two").pairs[0].word == "identical"


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["corrupted", "slope"])
def test_the_mean_and_the_slope_over_severities_are_those_of_the_benchmark_s_corruptions(tmp_path, metric):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=2, names=(*PRIMARY, "fog", "spatter"))
    found = answer(tmp_path, metric=metric)
    names = (*PRIMARY, "fog")
    for arm in found.arms:
        for run_id, result in zip(arm.run_ids, arm.results, strict=True):
            run = next(run for run in find_runs(tmp_path) if run.record.run_id == run_id)
            pairs = {(each.corruption, each.severity): (kept.ranks == 0).mean()
                     for each, kept in robust_rows.load(run.files.robust).items()}  # fmt: skip
            curves = np.array([[pairs[CLEAN, 0], *(pairs[name, each] for each in SEVERITIES)] for name in names])
            slope = np.polyfit(np.arange(6), curves.mean(0), 1)[0]
            assert result == pytest.approx(curves[:, 1:].mean() if metric == "corrupted" else slope, abs=1e-12)
    assert "over 4 of the benchmark's 15 corruptions" in found.notes[0]


@pytest.mark.slow
def test_runs_are_compared_on_the_rows_that_all_of_them_have(tmp_path):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=3)
    few = np.arange(0, N, 3)
    for run in find_runs(tmp_path):
        if run.config.seed == 1:
            run.files.robust.unlink()
            keep(run, np.arange(N) % 3 > 0, lambda name, severity: np.arange(N) % 4 > 0, rows=few)
    found = answer(tmp_path)
    assert found.examples == len(few) and "100 of 300 test rows" in found.notes[0]
    assert all(each.examples == len(few) for each in found.pairs[0].explored)


@pytest.mark.slow
def test_other_corruptions_may_have_fewer_rows_than_the_primary_ones(tmp_path):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=2, names=PRIMARY)
    for run in find_runs(tmp_path):
        pairs = robust_rows.load(run.files.robust)
        clean = next(kept for each, kept in pairs.items() if each.corruption == CLEAN)
        few = np.arange(0, N, 6)
        robust_rows.save(run.files.robust, pairs | {
            Pair("final", "generated", "8", 0, "fog", severity): clean.of(few) for severity in SEVERITIES
        })  # fmt: skip
    found = answer(tmp_path)
    sizes = {each.name: each.examples for each in found.pairs[0].explored}
    assert found.examples == N and sizes["fog"] == 50 and sizes["gaussian noise"] == N
    assert next(each for each in found.pairs[0].explored if each.name == "fog").difference == 0


def test_a_corruption_that_was_corrected_between_two_runs_is_not_compared_and_a_note_says_so(tmp_path):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=2, names=(*PRIMARY, "fog", "spatter"))
    assert not any("not compared" in note for note in answer(tmp_path).notes)
    run = find_runs(tmp_path)[0]
    pairs = robust_rows.load(run.files.robust)
    later = {each._replace(source="generated:2") if each.corruption == "spatter" else each: kept
             for each, kept in pairs.items()}  # fmt: skip
    robust_rows.save(run.files.robust, {each: kept for each, kept in later.items() if each.corruption != "fog"})
    found = answer(tmp_path)
    assert {each.name for each in found.pairs[0].explored} == {name.replace("_", " ") for name in PRIMARY}
    assert any(
        "not all have results on the same images: fog and spatter. `robust` adds" in note for note in found.notes
    )


@pytest.mark.slow
def test_a_run_without_the_corruptions_and_runs_of_different_conditions_are_refused(tmp_path):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=2, names=("fog",))
    with pytest.raises(InputError, match=r"no predictions under the primary corruptions .* Run `robust \w+ .*primary`"):
        answer(tmp_path)
    for place, run in enumerate(find_runs(tmp_path)):
        right = np.arange(N) % 2 > 0
        keep(run, right, lambda name, severity, right=right: right, names=PRIMARY, seed=place % 2)
    with pytest.raises(InputError, match=r"not tested on the same corrupted images.*seed 0.*seed 1"):
        answer(tmp_path)
    assert len(CORRUPTIONS) > len(PRIMARY)
    assert answer(tmp_path, metric="corrupted").notes[0].startswith("over 1 of the benchmark's 15")


@pytest.mark.slow
def test_outcomes_of_other_labels_than_the_test_s_are_refused(tmp_path):
    planted(tmp_path, {VIT: 0.0, DIFF: 0.1}, seeds=2)
    run = find_runs(tmp_path)[0]
    pairs = robust_rows.load(run.files.robust)
    robust_rows.save(run.files.robust, {at: kept._replace(labels=kept.labels[::-1]) for at, kept in pairs.items()})
    with pytest.raises(InputError, match="other rows or labels than its test"):
        answer(tmp_path)
