"""docs/attention.md states what the kept shares and answers of the study on distractors contain."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from app.results.attended import estimate
from app.statistics.crossed import crossed

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEPT = DOCS / "assets" / "cifar10_distractors"
SECTION = " ".join((DOCS / "attention.md").read_text().split("## Among distractors")[1].split("\n## ")[0].split())
SHARES = parquet.read_table(KEPT / "shares.parquet")
RIGHT = parquet.read_table(KEPT / "right.parquet")


def shares(model, name):
    """A share of all images of the three seeds: (3, n). It is kept in units of 1 / 50,000."""
    return np.stack([SHARES[f"{model}_{seed}_{name}"].to_numpy() / 50_000 for seed in range(3)])


def shown(one, other=None):
    """A mean or a difference in points, as the page writes it."""
    found, interval, _ = estimate(one, np.zeros_like(one) if other is None else other)
    return f"{100 * found:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


@pytest.mark.parametrize(
    ("title", "model", "name"),
    [("classic, A", "classic", "D"), *((f"differential, {name}", "differential", name) for name in ("D", "A1", "A2"))],
)
def test_the_table_of_shares_has_what_is_kept(title, model, name):
    share, clean = shares(model, f"{name}_4"), shares(model, f"{name}_clean_4")
    seeds = ", ".join(f"{100 * each.mean():.1f}" for each in share)
    line = f"| {title} | {seeds} | {100 * share.mean():.1f} | {shown(share - 0.75)} | {shown(share - clean)} |"
    assert line in SECTION, line


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_table_of_differences_has_what_is_kept(count):
    classic, (combined, first) = shares("classic", f"D_{count}"), (
        shares("differential", f"{name}_{count}") for name in ("D", "A1")
    )  # fmt: skip
    line = f"| {count} | {shown(combined, classic)} | {shown(first, classic)} | {shown(combined - first)} |"
    assert line in SECTION, line


def test_the_accuracies_and_their_difference_follow_from_the_answers():
    arms = [
        np.stack([RIGHT[f"{model}_{seed}"].to_numpy() for seed in range(3)]) for model in ("classic", "differential")
    ]
    for model, right in zip(("vit_classic", "vit_differential"), arms, strict=True):
        seeds = ", ".join(f"{100 * each.mean():.2f} %" for each in right)
        assert f"`{model}` {seeds}" in SECTION, f"`{model}` {seeds}"
    found = crossed(*(right.astype(float) for right in arms))
    low, high = (100 * end for end in found.interval())
    sentence = f"ahead by {100 * found.difference:.1f} points (95 % interval {low:.1f} to {high:.1f})"
    assert sentence in SECTION, sentence


def test_the_answer_is_the_difference_of_the_shares_with_four_patches():
    one, other = shares("differential", "D_4"), shares("classic", "D_4")
    points, _, interval = shown(one, other).partition(" (")
    assert f"is {points} points (95 % interval {interval}. Cancellation is not shown" in SECTION
    assert f"`clean` is {shown(shares('differential', 'D_clean_4') - 0.75)} above the uniform map" in SECTION
    found, (low, high), _ = estimate(one, other)
    assert low < found < 0 < high and shares("differential", "A1_4").mean() > one.mean()
