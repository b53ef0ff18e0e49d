"""A password in HF_ENDPOINT, or a token in HF_REPOSITORY, is in no output, file, argument list or record."""

import json
import os
import subprocess
import sys

import pytest
from conftest import TINY

from app.cli import screen

PASSWORD, TOKEN = "pa55w0rd", "hf_" + "aB3dE6gH9" * 3
TRAIN = f"train {TINY} --threads 1"
COMMANDS = [
    f"{TRAIN} --upload", f"{TRAIN} --upload --json", TRAIN, "upload note.txt x", "download x y", "doctor --json",
    "evaluate hf://tester/runs/x", "launch docker -- train --dataset digits --upload", "plan --dataset owner/name",
    "launch slurm -- train --dataset digits --upload", "train --dataset owner/name --upload", "datasets --json",
]  # fmt: skip


def kept(folder):
    """All bytes of all files below a folder, and their names."""
    return b"".join(str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_password_in_the_address_is_shown_nowhere(call, work, monkeypatch, command):
    (work / "note.txt").write_text("x")
    monkeypatch.setenv("HF_ENDPOINT", f"https://me:{PASSWORD}@hub.example")
    monkeypatch.setenv("HF_REPOSITORY", "tester/runs")
    monkeypatch.setenv("ISOSCALE_DEBUG", "1")
    ended = call(command)
    assert ended.code == 2 and PASSWORD not in ended.out + ended.err and PASSWORD.encode() not in kept(work)
    assert ended.err.count("\n") == 1 and "HF_ENDPOINT contains a name or a password" in ended.err
    if "--json" in command:
        assert json.loads(ended.out)["error"]["kind"] == "bad input"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_token_in_place_of_the_repository_is_shown_nowhere(call, work, online, monkeypatch, command):
    (work / "note.txt").write_text("x")
    monkeypatch.setenv("HF_REPOSITORY", f"me/{TOKEN}")
    monkeypatch.setenv("ISOSCALE_DEBUG", "1")
    ended = call(command)
    assert TOKEN not in ended.out + ended.err and TOKEN.encode() not in kept(work)
    asked = json.dumps([*online.requests, [str(key) for key in online.repositories.all]])
    assert TOKEN not in asked and "Traceback" not in ended.err
    if "load" in command and "owner/name" not in command:
        assert ended.code == 2 and "HF_REPOSITORY (not shown" in ended.err


def test_json_without_secrets_is_json_still(capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    value = {"a hf_write": ["https://me:pass@host/x", {"b": TOKEN}], "n": 1.5, "t": ("x\x1b", None, True), "at": "a@b"}
    screen.result_json(value)
    out = capsys.readouterr().out
    found = json.loads(out)
    assert found == {"a ***": ["https://***@host/x", {"b": "***"}], "n": 1.5, "t": ["x\x1b", None, True], "at": "a@b"}


def test_help_is_shown_whatever_the_address(call, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"https://me:{PASSWORD}@hub.example")
    assert call("train --help").code == 0


def test_a_token_that_is_given_as_an_argument_is_not_in_the_record_or_the_card(call, work, online, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    assert call(f"{TRAIN} --upload --seed 4 --checkpoints hf_write-{TOKEN}").code == 0
    record = next((work / f"hf_write-{TOKEN}").rglob("model_*.json"))
    command = json.loads(record.read_text())["command"]
    assert TOKEN not in command and "hf_write" not in command and "***" in command
    cards = b"".join(text for name, text in online.files("tester/runs").items() if name.endswith("README.md"))
    assert TOKEN.encode() not in cards and b"hf_write" not in cards


def test_no_process_and_no_traceback_holds_the_password(work, tmp_path):
    """In a process of its own, with the real environment, whose every child reports its arguments."""
    shim = tmp_path / "bin"
    shim.mkdir()
    (shim / "git").write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/seen\nenv >> {tmp_path}/seen\n')
    (shim / "git").chmod(0o755)
    environment = os.environ | {
        "HF_ENDPOINT": f"https://me:{PASSWORD}@hub.example", "HF_TOKEN": TOKEN, "ISOSCALE_DEBUG": "1",
        "HF_HUB_OFFLINE": "0", "PATH": f"{shim}:{os.environ['PATH']}",
    }  # fmt: skip
    command = [sys.executable, str(__file__.rsplit("/tests/", 1)[0] + "/run.py"), "train", "--dataset", "owner/name"]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and PASSWORD not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr


def test_git_is_run_without_the_secrets(work, tmp_path, monkeypatch):
    from app.artifacts import provenance

    (tmp_path / "git").write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/seen\nenv >> {tmp_path}/seen\n')
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.delenv("ISOSCALE_COMMIT", raising=False)
    provenance.commit()
    seen = (tmp_path / "seen").read_text()
    assert TOKEN not in seen and "GIT_CONFIG_COUNT" not in seen and "core.fsmonitor=" in seen
