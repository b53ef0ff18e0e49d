"""Groups of test examples in a comparison: patients, and exact duplicates, which are found by content in the cache."""

from types import SimpleNamespace

import numpy as np
import pytest

from app.artifacts.predictions import Predictions
from app.artifacts.runs import find_runs
from app.results import alike
from app.results import arms as choosing
from app.results.comparing import compare
from app.statistics import crossed

from . import classified, finished

VIT, DIFF = "vit_classic", "vit_differential"


def kept(inputs, *, moments=True):
    """A cached split with these inputs (n, C, H, W), or (n, C, L)."""
    wide = inputs.reshape(*inputs.shape[:2], -1).astype(np.int64)
    arrays = {"rows": 7 + np.arange(len(inputs)), "moments": np.stack([wide.sum(2), (wide**2).sum(2)], axis=2)}
    files = ["test-rows.npy", *(["test-moments.npy"] if moments else [])]
    return SimpleNamespace(
        images=lambda _: inputs, array=lambda _, name: arrays[name], manifest=SimpleNamespace(files=files)
    )


@pytest.mark.parametrize("moments", [True, False], ids=["images", "signals"])
def test_only_equal_inputs_are_duplicates_and_not_those_with_equal_sums(moments):
    inputs = np.random.default_rng(0).integers(0, 255, (6, 3, 4, 4)).astype(np.uint8)
    inputs[4] = inputs[1]
    inputs[5] = inputs[0].transpose(0, 2, 1)  # the same sums in another order
    made = kept(inputs, moments=moments)
    assert alike.duplicates(made, "test", np.arange(6)).tolist() == [0, 1, 2, 3, 1, 5]
    assert alike.duplicates(made, "test", np.array([5, 4, 1])).tolist() == [0, 1, 1]


def test_a_duplicate_joins_the_groups_of_both_rows():
    groups, copies = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 3, 4, 5])  # row 2 is a copy of row 1
    assert alike.joined(groups, copies).tolist() == [0, 0, 0, 0, 2, 3]
    assert alike.joined(groups, np.arange(6)).tolist() == groups.tolist()


def test_stored_groups_count_as_one_example_each(tmp_path):
    random, groups = np.random.default_rng(3), np.repeat(np.arange(40) - 20, 5)
    for model, rate in ((DIFF, 0.8), (VIT, 0.7)):
        of_groups = random.normal(0, 0.2, 40)[groups + 20]
        for seed in range(3):
            right = random.random(200) < rate + of_groups
            finished(tmp_path, classified(right, groups=groups), dataset="digits", size="1M", model=model, seed=seed)
    found = compare(choosing.chosen({"": find_runs(tmp_path)}), ())
    (pair,) = found.pairs
    scores = [np.stack([(p := Predictions.load(run.files.predictions)).logits.argmax(1) == p.labels
              for run in find_runs(tmp_path) if run.config.model == arm.model]) for arm in found.arms]  # fmt: skip
    assert pair.se == pytest.approx(crossed.crossed(*scores, groups=groups).se)
    assert found.groups == 40 and pair.se > crossed.crossed(*scores).se
    assert any("of 40 groups (one per value of --group-column)" in note for note in found.notes)


def test_data_that_are_not_in_the_cache_are_stated_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    for model in (DIFF, VIT):
        finished(tmp_path, classified(np.arange(50) % 4 > 0), dataset="digits", size="1M", model=model)
    notes = compare(choosing.chosen({"": find_runs(tmp_path)}), ()).notes
    assert [note for note in notes if "duplicates" in note] == [
        "exact duplicates among the test examples were not looked for: the data are not in the cache of this machine"
    ]
