"""`runs rm` and `cache clear`, killed before any of their file operations: a whole run or what the next one deletes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from report import made_up_run

ROOT = Path(__file__).resolve().parents[2]


def tried(template, folder, following, *words):
    """What is there after each kill, and after the command that follows."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-m", "kills.deleting", template, folder, following, *words]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    tries = json.loads(done.stdout)
    assert tries[-1]["ended"] == 0 and all(each["ended"] == -9 for each in tries[:-1])
    return tries


@pytest.fixture
def template(tmp_path):
    """A folder with two runs; the first has files of every kind, a link, and a half-written file."""
    run, _ = (made_up_run(tmp_path / "template" / "checkpoints", seed=seed, steps=1) for seed in range(2))
    (tmp_path / "template" / "outside").write_text("mine")
    files = run.files
    files.weights.symlink_to("../../outside")
    for path in (files.best, files.loss_png, files.holder, files.folder / f".{files.best.name}.1-2.aside"):
        path.write_text("x")
    files.state.mkdir()
    (files.state / "state-3.json").write_text("{}")
    (files.state / "elsewhere").symlink_to("../..")
    return tmp_path / "template", files


def of_run(found, files):
    return {name for name in found if files.stem in name}


@pytest.mark.slow
def test_a_removal_that_is_killed_leaves_the_run_or_what_the_next_removal_deletes(template, tmp_path):
    folder, files = template
    run_id = files.stem.split("_")[1]
    before = json.loads(json.dumps(tried_nothing(folder)))
    others = {name: text for name, text in before.items() if name not in of_run(before, files)}
    tries = tried(folder, tmp_path, "runs rm --yes", "runs", "rm", run_id, "--yes")
    assert len(tries) > 15
    whole = 0
    for each in tries:
        record = f"checkpoints/vit_classic/{files.record.name}"
        assert {name: each["then"].get(name) for name in others} == others, "another run's file, or one outside"
        if record in each["after"]:
            whole += 1
            assert each["after"] == each["then"] == before and each["again"] == 2
        else:
            assert not of_run(each["then"], files) and each["again"] in (0, None, 2)
            assert each["again"] != 2 or not of_run(each["after"], files)
    assert 0 < whole < len(tries) - 5


def tried_nothing(folder):
    from kills.deleting import there

    return there(folder)


@pytest.mark.slow
def test_a_cached_dataset_whose_removal_is_killed_is_whole_or_deleted_by_the_next(tmp_path):
    folder = tmp_path / "template" / "cache" / "data"
    for name in ("digits-8px-0123456789", "digits-16px-0123456789"):
        (folder / name / "inner").mkdir(parents=True)
        for file in ("manifest.json", "train-images.u8", "inner/x"):
            (folder / name / file).write_text("x")
    before = tried_nothing(tmp_path / "template")
    gone = {name for name in before if "digits-8px" in name}
    tries = tried(tmp_path / "template", tmp_path, "cache clear --yes", "cache", "clear", "digits-8px", "--yes")
    for each in tries:
        if gone <= each["after"].keys():
            assert each["after"] == each["then"] == before and each["again"] in (0, 2)
        else:
            assert each["then"].keys() == before.keys() - gone
    assert len(tries) > 5
    shutil.rmtree(tmp_path / "template")
