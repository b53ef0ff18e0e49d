"""Nothing that others named reaches a terminal or a card raw; JSON keeps it as it is."""

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from data.pictures import write_images, write_parquet
from huggingface_hub import ModelCard

CLI = Path(__file__).resolve().parents[2] / "app" / "cli"
NAMES = ["ant\x1b7", "bee\u202eeb", "c|`a`t"]
LABELS = ["ant\x1b7[31m", "bee\u202eeb", "c|`a`t\n---\n# <b>owned"]
TRAIN = "train --image 16 --patch 4 --size 100K --d-model 64 --epochs 1 --batch-size 16 --augment none --threads 1"


def hostile_tables(work):
    """Parquet files with labels that do."""
    for split in ("train", "test"):
        write_parquet(work / "pets" / f"{split}-0.parquet", LABELS * 8, first=0 if split == "train" else 100)
    return LABELS


def test_folders_whose_names_command_a_terminal_are_refused_in_a_printable_sentence(call, work):
    write_images(work / "pets", classes=NAMES, each=8)
    for command in (f"{TRAIN} --dataset ./pets", "plan --dataset ./pets", "datasets ./pets"):
        ended = call(command)
        assert ended.code == 2 and r"Rename ant\x1b7" in ended.err
        assert_printable(ended.out + ended.err)


@pytest.mark.slow
@pytest.mark.figures
def test_class_names_are_printable_in_every_output_and_complete_in_json(call, work, online):
    names = hostile_tables(work)
    ends = [
        call(f"{TRAIN} --dataset ./pets --upload"),
        call("evaluate checkpoints"),
        call(f"plan {TRAIN.removeprefix('train')} --dataset ./pets"),
        call("upload checkpoints again"),
    ]
    assert [ended.code for ended in ends] == [0] * 4, [ended.err for ended in ends]
    for ended in ends:
        assert_printable(ended.out + ended.err)
    assert r"ant\x1b7" in ends[1].out and r"bee\u202eeb" in ends[1].out
    out = call(f"{TRAIN} --dataset ./pets --json").out
    assert out.isascii() and json.loads(out)["data"]["class_names"] == names
    for name, content in online.files("tester/runs").items():
        if name.endswith("README.md"):
            assert_printable(content.decode())
            assert ModelCard(content.decode()).data.eval_results


def assert_printable(text):
    assert all(line.isprintable() for line in text.split("\n")), text


@pytest.mark.parametrize("command", ["download x y", "upload note.txt x"])
def test_what_the_hub_answers_is_printable(call, work, online, command):
    (work / "note.txt").write_text("x")
    headers = {"X-Error-Message": "gone \x9b2J\xa0", "X-Error-Code": "\x85"}
    online.create("tester/runs")
    online.fault("GET|POST", 418, headers=headers, times=99)
    ended = call(command)
    assert ended.code and "gone" in ended.err, ended.err
    assert_printable(ended.out + ended.err)


@pytest.mark.parametrize(
    "name",
    [
        "no\x1b[2Jwhere",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("no\u202ewhere", "no\nwhere: done", "x" * 100_000)),
    ],
)
@pytest.mark.parametrize(
    "command",
    ["train --dataset ./{}", "evaluate {}", "upload {} x", "download {} y", "plan --dataset {}", "{}", "--{}"],
)
def test_a_name_that_is_repeated_in_an_error_is_printable(call, online, name, command):
    line = command.replace("{}", shlex.quote(name)) if command != "--{}" else shlex.quote(f"--{name}")
    ended = call(line)
    assert ended.code
    assert_printable(ended.err)
    assert len(ended.err) < 20_000


def test_an_error_in_json_keeps_its_text(call):
    ended = call(shlex.join(["evaluate", "no\x1b[2Jwhere", "--json"]))
    assert ended.out.isascii() and "no\x1b[2Jwhere" in json.loads(ended.out)["error"]["message"]


def test_what_libraries_log_and_warn_of_is_printable():
    code = """
import logging, warnings
from app.cli import screen
before = logging.getLogRecordFactory(), warnings.formatwarning
with screen.libraries_printable():
    logging.getLogger("of a library").warning("file %s", "\\x1b[31mred")
    logging.getLogger("of a library").warning("%s of %s", "one")
    warnings.warn("file \\x1b[31mred")
assert (logging.getLogRecordFactory(), warnings.formatwarning) == before
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=CLI.parents[1], capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr and done.stderr.count(r"file \x1b[31mred") == 2


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.name)
def test_no_command_prints_but_through_the_screen(path):
    if path.name == "screen.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"), called
            assert called != "print" or ast.unparse(node.args[0]).startswith("printable("), ast.unparse(node)
