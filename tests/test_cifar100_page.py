"""docs/cifar100.md and the README state what the kept records and predictions of the trial contain."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from app.artifacts import record
from app.statistics.crossed import crossed
from app.statistics.paired import mcnemar
from app.statistics.several import discoveries
from app.tables.corruptions import CORRUPTIONS

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEPT = DOCS / "assets" / "cifar100_1m"
PAGE = (DOCS / "cifar100.md").read_text()
README = (DOCS.parent / "README.md").read_text()
RECORDS = [record.read(path) for path in sorted(KEPT.glob("checkpoints/*/*.json"))]  # each has its seal
TABLE = parquet.read_table(KEPT / "predictions.parquet")
NOISY = parquet.read_table(KEPT / "robust.parquet")
PRIMARY = ("gaussian_noise", "shot_noise", "impulse_noise")
UNDER_NOISE = " ".join(PAGE.split("## Under noise")[1].split("\n## ")[0].split())


def arm(model):
    """The records of a model by seed, and whether each example was right: (seeds, examples)."""
    runs = sorted((run for run in RECORDS if run.model == model), key=lambda run: run.config["seed"])
    right = [TABLE[f"{run.run_id}_class"].to_numpy() == TABLE["label"].to_numpy() for run in runs]
    return runs, np.array(right, float)


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_the_kept_predictions_are_those_of_the_records(model):
    runs, right = arm(model)
    assert [run.config["seed"] for run in runs] == [0, 1, 2]
    for run, found in zip(runs, right, strict=True):
        assert found.mean() == run.test.top1 and run.test.n == len(found) == 10_000
        assert TABLE[f"{run.run_id}_nll"].to_numpy().mean(dtype=float) == pytest.approx(run.test.loss, rel=1e-6)
    shown = ", ".join(f"{100 * found.mean():.2f} %" for found in right)
    line = f"| {shown} | {100 * right.mean():.2f} % | {100 * right.mean(1).std(ddof=1):.2f} points |"
    assert f"| `{model}` 1M | 3 {line}" in PAGE


def test_the_verdict_of_the_page_and_of_the_readme_follows_from_the_predictions():
    (_, classic), (_, differential) = arm("vit_classic"), arm("vit_differential")
    found = crossed(classic, differential)
    low, high = (100 * end for end in found.interval())
    for text in (PAGE, README):
        assert (
            f"by {100 * found.difference:.1f} points of top-1 accuracy (95 % interval {low:.1f} to {high:.1f})"
            in " ".join(text.split())
        )
    assert f"is {100 * found.se:.2f} points with {found.df:.1f} degrees of freedom" in PAGE
    assert f"cause {100 * found.examples_part / found.se**2:.0f} % of its square" in PAGE
    p = f"p = {mcnemar(classic[0] > 0, differential[0] > 0).p_exact:.1e}"
    assert p in PAGE and p in README


def test_the_report_that_is_kept_links_to_the_records_next_to_it():
    page = (KEPT / "report.html").read_text()
    links = set(re.findall(r'href="(checkpoints/[^"]*)"', page))
    assert len(links) == 6 and all((KEPT / link).is_file() for link in links)
    assert all(json.loads((KEPT / link).read_text())["status"] == "done" for link in links)


def under(model, names):
    """Accuracy under these corruptions and without any, of each seed and test row, and the rows: (2, 3, n), (n,)."""
    corruption, rows = NOISY["corruption"].cast("string").to_numpy(), NOISY["row"].to_numpy()
    common = np.unique(rows[corruption == "none"])
    for name in names:
        common = np.intersect1d(common, rows[corruption == name])
    chosen = [np.isin(rows, common) & np.isin(corruption, each) for each in (names, ("none",))]
    right = [NOISY[run.run_id].to_numpy().astype(float) for run in arm(model)[0]]
    found = [[np.bincount(rows[at], its[at])[common] / np.bincount(rows[at])[common] for its in right] for at in chosen]
    return np.array(found), common


def h_of(*names):
    """H of the classic ViT against the Differential ViT, in which rows with the same image are one example."""
    (classic, rows), (differential, _) = under("vit_classic", names), under("vit_differential", names)
    groups = dict(zip(TABLE["row"].to_pylist(), TABLE["group"].to_pylist(), strict=True))
    changes = (noisy - clean for noisy, clean in (classic, differential))
    return crossed(*changes, groups=np.array([groups[row] for row in rows]))


@pytest.mark.parametrize("model", ["vit_classic", "vit_differential"])
def test_accuracies_under_noise_and_their_changes_are_those_that_robust_kept(model):
    noisy, clean = under(model, PRIMARY)[0].mean(2) * 100
    seeds, changes = (
        ", ".join(f"{each:.2f}{unit}" for each in of) for of, unit in ((clean, " %"), (noisy - clean, ""))
    )
    mean, sd = (noisy - clean).mean(), (noisy - clean).std(ddof=1)
    assert f"| `{model}` 1M | {seeds} | {changes} | {mean:.2f} | {sd:.2f} |" in UNDER_NOISE


def test_h_its_interval_and_its_verdict_follow_from_what_robust_kept():
    found = h_of(*PRIMARY)
    low, high = (100 * end for end in found.interval())
    assert (
        f"H = {100 * found.difference:.2f} points (95 % interval {low:.2f} to {high:.2f}, p = {found.p:.2g})"
        in UNDER_NOISE
    )
    assert found.groups == 9_998 and -1 < low < 0 < high < 1 and "are equivalent within 1 point" in UNDER_NOISE


def test_the_exploratory_sentence_of_the_page_follows_from_what_robust_kept():
    tested = {*NOISY["corruption"].cast("string").to_pylist()}
    rest = [name for name in CORRUPTIONS if name in tested]
    sets = [
        [name for name in rest if CORRUPTIONS[name].set == of and name not in PRIMARY] for of in ("benchmark", "c_bar")
    ]
    assert [len(names) for names in (rest, *sets)] == [22, 11, 3]
    lowest = min(discoveries([h_of(*names).p for names in (*sets, *([name] for name in rest))]))
    assert lowest > 0.05 and f"after Benjamini and Hochberg; the lowest is {lowest:.2f}." in UNDER_NOISE
