"""Rules of scaling figures, and the quantity of their horizontal axis."""

from __future__ import annotations

import json

import numpy as np
import pytest
from results import classified, finished, fitted

from app.errors import InputError
from app.report import exponents, growth
from app.report.canvas import Canvas
from app.results.abscissa import Abscissa
from app.tables.datasets import DATASETS

SVG = Canvas(formats=("svg",))


def runs_of(folder, rate, sizes=("10M", "25M", "50M"), *, dataset="cifar100", test_classes=100, **asked):
    """Runs of CIFAR-100 with two seeds per size, whose accuracy grows by 3 points per size from a rate."""
    random = np.random.default_rng(4)
    return [
        finished(folder, classified(random.random(600) < rate + 0.03 * at, classes=test_classes), dataset=dataset,
                 size=size, seed=seed, about={"flops_per_image": 1e6 * (at + 1) ** 2, "dollars": 2.0 * (at + 1)},
                 **asked)
        for at, size in enumerate(sizes) for seed in (0, 1)
    ]  # fmt: skip


def rules_of(axes):
    """The height of each horizontal rule by its name in the legend."""
    return {
        line.get_label().split(":")[0]: line.get_ydata()[0]
        for line in axes.lines if [*line.get_xdata()] == [0, 1]
    }  # fmt: skip


def text_of(made):
    return made.get_supxlabel().replace("\n", " ")


def test_a_published_value_near_the_results_is_a_rule_with_its_source_in_caption_and_numbers(tmp_path):
    runs = runs_of(tmp_path, 0.88)
    series, found = growth.measured(runs)
    made = growth.figure(series, found)
    assert rules_of(made.axes[0]) == {"published, EfficientNet-L2 with SAM": pytest.approx(96.08)}
    assert "has 96.08 % top-1 accuracy (EfficientNet-L2 with SAM, pre-trained on other images, arXiv:2010.01412" in (
        text_of(made)
    )
    assert "A uniform guess has 1 % top-1 accuracy, outside the frame." in text_of(made)
    kinds = {each["kind"]: each["value"] for each in found.to_json()["landmarks"]}
    assert kinds == {"chance": 0.01, "published": 0.9608}


def test_the_rules_of_a_fit_are_errors_and_chance_near_the_results_is_drawn(tmp_path):
    runs = runs_of(tmp_path, 0.02)
    made = exponents.figure(*exponents.fitted(runs))
    assert rules_of(made.axes[0]) == {"uniform guess": pytest.approx(99)}
    assert "A published result has 3.92 % error" in text_of(made) and "outside the frame" in text_of(made)


def test_no_published_value_is_shown_for_a_cut_dataset_a_dataset_without_one_or_another_metric(tmp_path):
    cut = runs_of(tmp_path / "cut", 0.9, sizes=("10M",), limit_test=600)
    digits = runs_of(tmp_path / "digits", 0.9, sizes=("1M",), dataset="digits", test_classes=10)
    complete = runs_of(tmp_path / "complete", 0.9, sizes=("10M",))
    assert [each.kind for each in growth.measured(cut)[1].landmarks] == ["chance"]
    assert [each.kind for each in growth.measured(digits)[1].landmarks] == ["chance"]
    assert [each.value for each in growth.measured(complete, "top5")[1].landmarks] == [0.05]
    assert growth.measured(complete, "nll")[1].landmarks == ()
    assert all(row.published.source.startswith("arXiv:") for row in DATASETS.values() if row.published)


def test_a_regression_has_no_rules(tmp_path):
    errors = np.random.default_rng(1).normal(0, 0.05, 80)
    runs = [finished(tmp_path, fitted(errors), dataset="nested_cylinder", model="cnn", seed=seed) for seed in (0, 1)]
    series, found = growth.measured(runs)
    assert found.landmarks == () and not rules_of(growth.figure(series, found).axes[0])


@pytest.mark.parametrize(("name", "values", "label"), [
    ("parameters", [9.753956, 24.766564, 50.031716], "parameters (millions)"),
    ("dollars", [2, 4, 6], "price of a run (USD)"),
])  # fmt: skip
def test_the_horizontal_axis_is_the_quantity_asked_for(tmp_path, name, values, label):
    runs = runs_of(tmp_path, 0.4)
    series, found = growth.measured(runs, along=Abscissa(name))
    made = growth.figure(series, found)
    drawn = made.axes[0].containers[0].lines[0].get_xdata()
    assert sorted(drawn) == pytest.approx(values, rel=1e-3) and made.axes[-1].get_xlabel() == label


def test_an_exponent_over_flops_is_the_slope_over_the_flops_of_a_run(tmp_path):
    runs = runs_of(tmp_path, 0.4)
    paths = exponents.draw(runs, tmp_path / "figures", along=Abscissa("flops"), canvas=SVG)
    assert [path.name for path in paths] == ["scaling_fit_flops_cifar100.svg", "scaling_fit_flops_cifar100.json"]
    told = json.loads(paths[1].read_text())
    each = told["families"][0]["runs"]
    x = [run["x"] for run in each]
    slope = np.polyfit(np.log(x), np.log([run["error"] for run in each]), 1)[0]
    assert told["x"] == "flops" and told["families"][0]["line"]["exponent"]["value"] == pytest.approx(-slope)
    assert x[-1] / x[0] == pytest.approx(9) and each[-1]["parameters"] == 50_031_716


def test_dollars_of_records_without_them_are_those_of_a_price_per_hour_or_refused(tmp_path):
    runs = [
        finished(tmp_path, classified(np.arange(200) % 3 > 0, classes=100), seed=seed,
                 about={"seconds": {"training": 1800.0}})
        for seed in (0, 1)
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"the dollars of a run of Classic ViT 10M are not in its record\. Give --usd"):
        growth.measured(runs, along=Abscissa("dollars"))
    assert growth.measured(runs, along=Abscissa("dollars", 3.0))[1].means[0].x == pytest.approx(1.5)
