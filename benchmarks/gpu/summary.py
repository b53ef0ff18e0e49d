"""The summary of a results file as text: bars, steps, peers, other findings, and how each part ended.

python -m benchmarks.gpu.summary FILE.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.system.columns import columns

from .bars import BARS, Found
from .findings import Finding, read

_OTHERS = (
    "rate",
    "linear",
    "accuracy",
    "loop",
    "beside",
    "epoch",
    "fits",
    "tuned",
    "profile",
    "selftest",
    "skipped",
    "failure",
    "stopped",
)
_OUTCOMES = ("passed", "failed", "error", "skipped", "xfail", "xpass")
_OMITTED = ("kind", "part", "samples", "top", "seconds")


def text(findings: list[Finding]) -> str:
    """Return the summary of the findings so far."""
    found = Found(findings)
    blocks = [_machine(found), _bars(found), _steps(found), _peers(found), _tests(found), _others(found), _parts(found)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _machine(found: Found) -> str:
    lines = []
    for one in found.of("machine"):
        gpus = "; ".join(", ".join(gpu.values()) for gpu in one["gpus"]) or f"no GPU, {one['cpu']}"
        if seen := one.get("gpu"):
            gpus = f"{seen['name']}, {seen['memory_bytes'] / 1e9:.1f} GB ({gpus})"
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        tiny = " IN MINIATURE ON A CPU: no number below describes a GPU." if one["tiny"] else ""
        lines.append(f"{one['begun']}, commit {one['commit']}: {gpus}.{tiny}\n{versions}")
    return "\n".join(lines)


def _bars(found: Found) -> str:
    rows = []
    for bar in BARS:
        value = bar.found(found)
        verdict = "in miniature" if found.is_tiny() and value is not None else bar.verdict(value)
        verdict += " completely" if value is None and bar.partly(found) else ""
        rows.append([bar.name, bar.spelled(), "-" if value is None else f"{value:.3g}", verdict])
    counts = {word: sum(row[3].startswith(word) for row in rows) for word in ("met", "missed", "not measured")}
    table = columns(["bar", "limit", "found", "verdict"], rows)
    return f"{table}\nbars: {', '.join(f'{count} {word}' for word, count in counts.items())}"


def _steps(found: Found) -> str:
    rows = []
    firsts = {(part, case): one["first_step_seconds"] for (part, case), one in found.firsts.items()}
    for one in found.of("step"):
        low, high = one["ms"]["quartiles"]
        share = found.share(one)
        rows.append([
            one["part"], one["case"], f"{one['ms']['median']:.2f}", f"{low:.2f} to {high:.2f}",
            f"{one['images_per_second']:,.0f}",
            "-" if share is None else f"{share:.1f}", f"{one['peak_bytes'] / 1e9:.1f}",
            f"{firsts.get((one['part'], one['case']), float('nan')):.1f}", str(one["micro_batch"]),
        ])  # fmt: skip
    heads = ["part", "step", "ms", "quartiles", "images/s", "% of the rate", "peak GB", "first s", "micro-batch"]
    return columns(heads, rows) if rows else ""


def _peers(found: Found) -> str:
    blocks = []
    for part in ("peers-256", "peers-384"):
        for group in found.peers(part):
            lines = [f"{part}, {group['title']}, {group['unit']}"]
            lines += [f"  {one['name']}: {one['median']:.2f}, n = {len(one['samples'])}" for one in group["contenders"]]
            lines += [
                f"  {one['over']} / {one['under']}: {one['median']:.3f}, n = {len(one['samples'])}"
                for one in group["ratios"]
            ]
            blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _tests(found: Found) -> str:
    tests = found.tests()
    if not tests:
        return ""
    counts = ", ".join(f"{tests[word]} {word}" for word in _OUTCOMES if word in tests)
    of = "an unknown number" if tests["of"] is None else tests["of"]
    return "\n".join(
        [
            f"tests: {tests['ran']} of {of} ran: {counts or 'no outcome'}",
            *(f"  failed: {name}" for name in tests["names"]),
        ]
    )


def _others(found: Found) -> str:
    lines = []
    for kind in _OTHERS:
        for one in found.of(kind):
            rest = {name: value for name, value in one.items() if name not in _OMITTED}
            lines.append(f"{kind} ({one['part']}): {json.dumps(_rounded(rest))[:600]}")
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items() if name not in _OMITTED}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def _parts(found: Found) -> str:
    rows = []
    for one in found.of("part"):
        how = one.get("skipped") or ("out of time" if one.get("late") else f"exit {one['exit']}")
        rows.append([one["part"], f"{one.get('seconds', 0):.1f}", how, one.get("last", "")[:70]])
    return columns(["part", "s", "end", "last line"], rows) if rows else ""


if __name__ == "__main__":
    print(text(read(Path(sys.argv[1]))), end="")
