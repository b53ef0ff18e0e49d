"""The lines of docs/comparing.md compute the interval that `compare` prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from results import arms

from app.artifacts.runs import find_runs
from app.results import arms as choosing
from app.results.comparing import compare

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "comparing.md").read_text()


def test_the_lines_of_the_page_compute_the_interval_of_compare(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    arms(checkpoints, {"vit_differential": 0.8, "vit_classic": 0.7}, seeds=4, spread=0.03)
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(lines.splitlines()) == 30
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True)
    chosen = choosing.chosen({"": find_runs(checkpoints)})
    (pair,) = compare(chosen, []).pairs
    sign = 1 if pair.a.startswith("vit_differential") else -1
    ends = sorted(100 * sign * end for end in pair.interval)
    expected = [100 * sign * pair.difference, *ends]
    assert [float(number) for number in re.findall(r"-?\d+\.\d+", done.stdout)] == pytest.approx(expected, abs=0.0051)
