"""Several datasets and metrics are one family: Holm over all pairs, one interval per dataset, and no average."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from scipy import stats

from app.artifacts.runs import find_runs
from app.errors import InputError
from app.report import families
from app.results import family
from app.results.comparing import Asked, draft, of_family
from app.results.family import Family
from app.statistics.several import holm, sign_test

from . import classified, finished, fitted

VIT, DIFF = "vit_classic", "vit_differential"
IMAGES = {"digits": 0.88, "cifar10": 0.82}  # dataset -> accuracy of DIFF; that of VIT is 0.80


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three seeds of two models on two sets of images and one of fields, a regression."""
    folder, random = tmp_path_factory.mktemp("three"), np.random.default_rng(5)
    for dataset in ("digits", "cifar10"):
        ease = random.normal(0, 0.1, 400)
        for model, rate in ((DIFF, IMAGES[dataset]), (VIT, 0.8)):
            for seed in range(3):
                right = random.random(400) < rate + ease
                finished(folder, classified(right), dataset=dataset, size="1M", model=model, seed=seed)
    for model, scale in (("cnn", 0.05), ("t2t_vit", 0.07)):
        for seed in range(3):
            finished(folder, fitted(random.normal(0, scale, 200)), dataset="nested_cylinder", model=model, seed=seed)
    return folder


def compared(folder, *, metrics=(), datasets=(), **asked):
    """The family of all runs in a folder."""
    choices, notes = family.chosen({"": find_runs(folder)}, datasets)
    found = of_family(family.drafts(choices, Asked(**asked), metrics), ())
    return Family(comparisons=tuple(found), notes=tuple(notes))


def test_p_values_and_intervals_are_those_of_one_family_over_datasets_and_tasks(three):
    found = compared(three)
    pairs = [pair for each in found.comparisons for pair in each.pairs]
    assert [each.dataset for each in found.comparisons] == ["digits", "cifar10", "nested_cylinder"]
    assert [each.metric.name for each in found.comparisons] == ["top1", "top1", "rmse"] and found.pairs == 3
    assert [pair.verdict.p for pair in pairs] == pytest.approx(holm([pair.p for pair in pairs]))
    for pair in pairs:
        half = stats.t.ppf(1 - 0.025 / 3, pair.df) * pair.se
        assert pair.interval == pytest.approx((pair.difference - half, pair.difference + half))
    assert all("all 3 pairs of all datasets and metrics" in " ".join(each.notes) for each in found.comparisons)


def test_a_pair_has_the_same_first_model_on_every_dataset(three):
    digits, cifar = compared(three, datasets=["digits", "cifar10"]).comparisons
    assert (digits.pairs[0].a, digits.pairs[0].b) == (cifar.pairs[0].a, cifar.pairs[0].b)
    choices, _ = family.chosen({"": find_runs(three)}, ["digits", "cifar10"])
    turned = dataclasses.replace(choices[1], arms=choices[0].arms[::-1])
    assert [arm.title for arm in family.aligned([choices[0], turned])[1].arms] == [a.title for a in choices[0].arms]


def test_several_metrics_enlarge_the_family_and_each_has_its_margin(three):
    found = compared(three, metrics=["top1", "nll", "rmse"])
    assert [(each.dataset, each.metric.name) for each in found.comparisons] == [
        ("digits", "top1"), ("digits", "nll"), ("cifar10", "top1"), ("cifar10", "nll"), ("nested_cylinder", "rmse")
    ]  # fmt: skip
    assert {each.family for each in found.comparisons} == {5}
    assert [each.pairs[0].delta for each in found.comparisons[:2]] == [0.01, 0.02]
    alone = of_family([draft(family.chosen({"": find_runs(three)}, ["digits"])[0][0])], ())[0]
    assert alone.pairs[0].verdict.p == alone.pairs[0].p and alone.family == 1
    assert found.comparisons[0].pairs[0].verdict.p > alone.pairs[0].p


def test_a_model_that_is_ahead_on_few_datasets_gets_a_remark_and_no_sign_test(three):
    (signs,) = compared(three, datasets=["digits", "cifar10"]).signs
    assert signs.p is None and signs.ahead + signs.behind + signs.ties == 2
    assert "on 2 of 2 datasets. A sign test needs 6 datasets" in signs.line or signs.ahead != 2
    assert sign_test(6, 0) == pytest.approx(2 / 64) == pytest.approx(stats.binomtest(6, 6).pvalue)
    assert sign_test(5, 2) == pytest.approx(stats.binomtest(5, 7).pvalue) and sign_test(3, 2) is None


def test_every_format_has_a_row_per_dataset_with_the_same_numbers(three):
    found = compared(three)
    text = families.shown(found, "text")
    assert text.startswith("one family of comparisons (3 pairs, 3 datasets, 2 metrics)")
    assert "not averaged over datasets" in text and text.count("n = 400 test examples") == 2
    rows = list(csv.DictReader(io.StringIO(families.shown(found, "csv"))))
    assert [row["dataset"] for row in rows] == ["digits", "cifar10", "nested_cylinder"]
    differences = [pair.difference for each in found.comparisons for pair in each.pairs]
    assert [float(row["difference"]) for row in rows] == differences
    given = json.loads(json.dumps(found.to_json()))
    assert [each["pairs"][0]["difference"] for each in given["comparisons"]] == differences and given["family"] == 3
    assert families.shown(found, "md").count("| --- |") >= 4
    assert families.shown(found, "latex").count(r"\\") == 4


def test_the_bar_of_an_interval_has_zero_in_the_middle_and_one_scale_per_metric():
    bar = families._bar((-0.5, 1.0), 0.25, 1.0)
    assert len(bar) == 33 and bar[16 - 8] == "|" and bar[32] == "|" and bar[16 + 4] == "o" and bar[0] == " "
    assert families._bar(None, -1.0, 1.0)[0] == "o" and families._bar(None, -1.0, 1.0)[16] == ":"


def test_a_dataset_with_one_architecture_is_noted_and_refused_if_it_is_asked_for(three, tmp_path):
    finished(tmp_path, classified(np.ones(50, bool), classes=100), dataset="cifar100", size="1M", model=VIT)
    parts = {"": [*find_runs(three), *find_runs(tmp_path)]}
    choices, notes = family.chosen(parts, [])
    assert len(choices) == 3 and notes[0].startswith("cifar100 is not compared: ")
    with pytest.raises(InputError, match="finished and tested runs of two architectures are needed"):
        family.chosen(parts, ["cifar100", "digits"])
    with pytest.raises(InputError, match="none of the runs is of --dataset bach"):
        family.chosen(parts, ["bach"])


@pytest.mark.parametrize(
    ("metrics", "asked", "message"),
    [
        (["top1", "nll"], {"delta": 1.0}, "different units"),
        (["accuracy"], {}, "unknown --metric"),
        (["mae", "top1"], {}, "is for a regression"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(three, metrics, asked, message):
    with pytest.raises(InputError, match=message):
        compared(three, metrics=metrics, datasets=["digits", "cifar10"], **asked)
