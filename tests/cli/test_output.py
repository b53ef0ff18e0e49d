"""A training whose output nobody takes is kept; where stdout is full, a command whose result it is says so."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY

from app.artifacts.runs import find_runs

RUN = Path(__file__).resolve().parents[2] / "run.py"
TRAIN = f"train {TINY} --threads 1"


def shell(line, folder, cache):
    """The exit code of the program in a line of bash, where {} stands for its call, and what was seen."""
    script = line.replace("{}", f"{sys.executable} {RUN}") + "; echo ${PIPESTATUS[0]} > code"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=os.environ | {"ISOSCALE_CACHE": str(cache)}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    return int((folder / "code").read_text()), done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    ["2>&1 | head -1", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"],
)
def test_a_training_that_nobody_reads_is_done_with_every_file(tmp_path, shared_cache, trained, end):
    code, _, _ = shell(f"{{}} {TRAIN} {end}", tmp_path, shared_cache)
    [run], [other] = find_runs(tmp_path), find_runs(trained)
    assert code == 0 and run.done
    run.require_whole()
    assert {path.name for path in run.files.present()} == {path.name for path in other.files.present()}
    assert run.files.weights.read_bytes() == other.files.weights.read_bytes()


@pytest.mark.slow
def test_a_summary_that_does_not_fit_is_a_note_and_the_run_is_done(tmp_path, shared_cache):
    code, _, said = shell(f"{{}} {TRAIN} --json > /dev/full", tmp_path, shared_cache)
    assert code == 0 and find_runs(tmp_path)[0].done
    assert "note: stdout cannot be written (No space left on device)" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (">/dev/full", 4, "stdout cannot be written (No space left on device)"),
        ("| true", 0, ""),
        (">&-", 0, ""),
    ],
)
def test_an_evaluation_that_nobody_reads_says_so_by_its_code_and_is_kept(run, work, shared_cache, end, code, said):
    run.files.confusion_png.unlink()
    found, _, err = shell(f"{{}} evaluate checkpoints --json {end}", work, shared_cache)
    assert found == code and said in err and "Traceback" not in err
    again = find_runs(work / "checkpoints")[0]
    assert again.record.tested and again.files.confusion_png.exists()


@pytest.mark.slow
def test_an_evaluation_of_which_a_part_is_read_gives_that_part(run, work, shared_cache):
    code, out, err = shell("{} evaluate checkpoints --json | head -c 20", work, shared_cache)
    slow = re.compile(r"looking for the run \.\.\. \d+ s")  # what a slow machine is shown meanwhile
    assert len(out) == 20 and code == 0 and [line for line in err.splitlines() if not slow.fullmatch(line)] == []


@pytest.mark.slow
def test_an_error_keeps_its_code_where_nobody_reads_it(tmp_path, shared_cache):
    assert shell("{} train --size 10B 2>&- | true", tmp_path, shared_cache)[0] == 2
    assert shell("{} plan --size 10B --json 2>/dev/full >/dev/full", tmp_path, shared_cache)[0] == 2


class Broken:
    """A stream as a program that calls ours may have it: each use fails."""

    encoding, errors = "utf-8", "strict"

    def write(self, _):
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")

    def isatty(self):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stream", [Broken(), None])
def test_a_training_in_a_process_whose_streams_are_broken_is_done(work, monkeypatch, stream):
    from app.cli import main

    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["run.py", *TRAIN.split()])
        code = main()
    assert code == 0 and find_runs(work)[0].done


def test_a_pipe_that_breaks_elsewhere_is_no_success(work, monkeypatch, capsys):
    from app.cli import main
    from app.experiment import run as experiment

    def broken(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")  # of a connection, which Typer takes for the reader of stdout

    monkeypatch.setattr(experiment, "train_run", broken)
    monkeypatch.setattr(sys, "argv", ["run.py", *TRAIN.split()])
    before = sys.stdout, sys.stderr
    assert main() == 4
    sys.stdout, sys.stderr = before  # Typer has wrapped them
    assert "a connection broke" in capsys.readouterr().err and not find_runs(work)


def test_the_commands_whose_result_is_their_output_are_commands():
    from typer.main import get_command

    from app import cli

    assert set(cli._PRINTS) < set(get_command(cli.app).commands)
    assert not {"train", "upload", "download"} & set(cli._PRINTS)


@pytest.mark.slow
def test_a_record_that_says_done_is_what_0_means(tmp_path, shared_cache):
    code, _, _ = shell(f"{{}} {TRAIN} --epochs 200 --max-minutes 0.01 2>&1 | head -1", tmp_path, shared_cache)
    records = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("model_*.json")]
    assert (code, records) in [(75, ["stopped"]), (75, [])]


def test_a_training_with_a_file_of_settings_is_a_training_that_may_go_unread(monkeypatch):
    import errno

    from app import cli

    monkeypatch.setattr(cli.output, "failure", lambda: OSError(errno.ENOSPC, "No space left"))
    for line, code in (("train --env-file x", 0), ("evaluate --env-file=x", 4), ("--env-file x", 4)):
        assert cli._unless_unread(0, cli.spelled(line.split())) == code
