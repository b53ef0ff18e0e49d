"""A run that is killed at any of its file operations is ended by the same command, with the same bytes and files."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from goldens import lines, scene

from . import every

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"images": "digits-classic", "folder": "cnn", "fields": "fields-cnn", "signals": "signals-resnet1d"}


def tried(folder, name, count, seed):
    """What the kills of one kind of run showed."""
    try:
        shim = every.built(folder)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    scene.build(folder / "scene")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "LD_PRELOAD": str(shim),
    }
    command = [*shlex.split(lines.TRAININGS[name]), "--state-every", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "kills.every", folder, str(seed), str(count), *command],
        env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the shim counts what Linux's C library does")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_at_a_file_operation_ends_in_the_same_bytes_and_files(tmp_path, pytestconfig, kind):
    count, seed = pytestconfig.getoption("--kills"), pytestconfig.getoption("--scenario-seed")
    found = tried(tmp_path, KINDS[kind], count, seed)
    assert found["operations"] > 100 and found["tried"] == (count or found["operations"])
    assert found["wrong"] == []


def test_a_file_that_is_missing_left_or_differs_is_noticed(tmp_path):
    for name, files in {"whole": {"a": "1", "b": "2"}, "killed": {"a": "2", "c": "3", "x.lock": ""}}.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    assert every.wrong(tmp_path / "killed", tmp_path / "whole") == ["b is missing", "c is left", "a differs"]
