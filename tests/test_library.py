"""The library at its first call."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("call", ["train(dataset='digits')", "load('x')"])
def test_on_windows_a_call_says_what_to_use_and_imports_nothing_of_unix(call):
    program = f"import os, sys; import app; os.name = 'nt'; sys.modules['fcntl'] = None; app.{call}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith(
        "app.errors.InputError: isoscale runs on Linux and macOS. On Windows"
    )
