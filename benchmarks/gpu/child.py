"""One part of the sheet in its process."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from .findings import Findings

_STEPS = ("steps-256", "steps-384", "graphs", "checkpointing", "compile-warm", "compile-deep", "residual")
MODULES = {
    "tests": "testing", "accuracy": "accuracy", "dataset": "dataset", "warm": "peers", "loop": "peers",
    "rates": "rates", "peers-256": "turns", "peers-384": "turns",
    "micro-batch": "fits", "side-by-side": "side_by_side", "tune": "tuning", "tune-compile": "tuning",
    **dict.fromkeys(_STEPS, "steps"),
}  # fmt: skip


def main() -> None:
    """Measure the part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(MODULES))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--until", type=float, required=True, help="end on the monotonic clock, in seconds")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    findings = Findings(asked.results, asked.part, ends=asked.until, tiny=asked.tiny)
    import_module(f"benchmarks.gpu.{MODULES[asked.part]}").measure(findings)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
