"""A comparison of published runs without pairs, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io

from ..results.unpaired import METRIC, Unpaired, UnpairedArm, UnpairedPair
from ..statistics.rates import wilson
from ..system.columns import columns
from . import verdicts

HEADS = ("model", "runs", "learned", "share that learned", "mean log MSE", "sd")


def shown(found: Unpaired, form: str) -> str:
    """Return a comparison in one of the formats."""
    if form == "csv":
        return _csv(found)
    rows, lines = [_row(arm) for arm in found.arms], [line for pair in found.pairs for line in _lines(pair)]
    about = f"{METRIC.title} of published runs (lower is better). Means are of the runs that learned"
    if form == "latex":
        comments = [f"% {line}" for line in (about, *lines, found.refusal)]
        return "\n".join([*comments, verdicts.tabular(HEADS, rows, align="lrrrrr")])
    if form == "md":
        listed = [f"- {line}" for line in (*lines, found.refusal)]
        return "\n".join([about, "", *verdicts.markdown_table(HEADS, rows), "", *listed])
    return "\n".join([about, "", columns(HEADS, rows), "", *lines, "", found.refusal])


def _row(arm: UnpairedArm) -> tuple[str, ...]:
    runs, learned = len(arm.results), len(arm.results) if arm.learned is None else sum(arm.learned)
    low, high = wilson(learned, runs)
    share = f"{100 * learned / runs:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"
    return arm.title, str(runs), str(learned), share, f"{arm.mean:.2f}", "-" if arm.sd is None else f"{arm.sd:.2f}"


def _lines(pair: UnpairedPair) -> list[str]:
    return [
        pair.sentence,
        f"P({pair.a} beats {pair.b}) = {pair.beats:.2f} over all pairs of runs; verdict: {pair.verdict.word}",
    ]


def _csv(found: Unpaired) -> str:
    made = io.StringIO()
    names = ("a", "b", "metric", "runs_a", "runs_b", "learned_a", "learned_b", "p_learned", "p_all_runs", "difference",
             "low", "high", "level", "p_adjusted", "beats", "delta", "verdict")  # fmt: skip
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(names)
    sizes = {arm.title: len(arm.results) for arm in found.arms}
    for pair in found.pairs:
        runs = sizes[pair.a], sizes[pair.b]
        learned = pair.clumps.learned if pair.clumps else runs
        tests = (pair.clumps.p_learned, pair.clumps.p_all) if pair.clumps else (None, None)
        writer.writerow([
            pair.a, pair.b, METRIC.name, *runs, *learned, *tests, pair.difference,
            *(pair.verdict.interval or (None, None)), pair.verdict.level, pair.verdict.p, pair.beats, pair.delta,
            pair.verdict.word,
        ])  # fmt: skip
    return made.getvalue().rstrip("\n")
