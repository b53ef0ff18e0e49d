"""A finished run to work on."""

import shutil

import pytest

from app.artifacts.runs import find_runs


@pytest.fixture
def run(work, trained):
    """A finished run under ./checkpoints."""
    shutil.copytree(trained, work / "checkpoints")
    return find_runs(work / "checkpoints")[0]
