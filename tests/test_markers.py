"""The markers of tests: what a machine lacks is skipped there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_gpu_test_is_skipped_before_its_fixtures_where_no_cuda_device_is():
    chosen = [
        "-m",
        "gpu",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-rs",
        "tests/cli/test_plan.py",
        "tests/models/test_fused.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert done.returncode == 0 and "failed" not in done.stdout and "error" not in done.stdout, done.stdout[-2000:]
    assert len(lines) == 1 and "needs a CUDA device" in lines[0]  # one reason for all
