"""`runs` as a user has it: the table in a pipe and on a terminal, JSON, one run's page, deleting after a question."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from report import made_up_run

from app.artifacts.runs import find_runs
from app.cli import screen
from app.config.facts import DatasetFacts
from app.system import locks

HOSTILE = "local/an\x1b[2Jt\u202eb"
SIGNALS = DatasetFacts(name="diffraction", classes=14, channels=1, kind="signal", image=(3042,))
FOLDER = DatasetFacts(name="local/photos", classes=3, fingerprint="0123456789abcdef")
FAILED = {"failure": {"kind": "diverged", "sentence": "the loss is nan"}}


@pytest.fixture
def made(work):
    """A run of every kind, in every state."""
    root = work / "checkpoints"
    return [
        made_up_run(root, dataset="digits", seed=1, minute=0, steps=3, top1=0.9),
        made_up_run(root, facts=FOLDER, model="resnet18", minute=1, steps=3, image=32, top1=0.5),
        made_up_run(root, facts=SIGNALS, model="resnet1d", minute=2, steps=3, status="stopped", top1=None),
        made_up_run(root, dataset="nested_cylinder", model="cnn", image=(1700, 500), minute=3, steps=3),
        made_up_run(root, dataset="digits", seed=2, minute=4, steps=3, status="failed", top1=None, record=FAILED),
    ]


def printed(text):
    assert all(line.isprintable() for line in text.split("\n")), text
    return text


def test_every_kind_of_run_has_a_row_with_its_settings_result_and_state(call, made):
    ended = call("runs")
    heads, _, *rows = printed(ended.out).splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert heads.split() == ["run", "model", "size", "dataset", "seed", "epochs", "lr", "result", "state"]
    assert [row.split()[0] for row in rows] == [run.record.run_id for run in made]
    ends = ["90.00 %, n 1,000 done", "50.00 %, n 300 done", "- stopped 0/30", "n 100 done", "- failed (diverged)"]
    assert all(" ".join(row.split()).endswith(end) for row, end in zip(rows, ends, strict=True))
    assert "RMSE 0.03" in rows[3] and rows[1].split()[1:4] == ["resnet18", "-", "local/photos"]


def test_json_is_a_list_with_every_setting_that_can_be_read_again(call, made):
    ended = call("runs --json")
    found = json.loads(ended.out)
    assert [run["run_id"] for run in found] == [run.record.run_id for run in made]
    for run, about in zip(made, found, strict=True):
        assert about["config"] == json.loads(json.dumps(run.config.to_json()))
        assert Path(f"{about['path']}.json").resolve() == run.files.record.resolve()
        assert about["parameters"] == run.record.parameters.total and about["started"] == run.record.started
    assert [run["state"] for run in found] == ["done", "done", "stopped", "done", "failed"]
    assert [run["step"] for run in found] == [30, 30, 0, 30, 0] and {run["total_steps"] for run in found} == {30}
    assert found[0]["results"]["test"]["top1"] == 0.9 and found[2]["results"] == {} and found[4]["failure"]
    assert "rmse_interval" in found[3]["results"]["test"]


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ("--where dataset=digits", [0, 4]), ("--where dataset=./photos", [1]), ("--where seed=1-2", [0, 4]),
        ("--where task=regression", [3]), ("--where image=1700x500", [3]), ("--where model=cnn,resnet1d", [2, 3]),
        ("--state done", [0, 1, 3]), ("--state failed --state stopped", [2, 4]), ("--state failed,stopped", [2, 4]),
        ("--where dataset=digits --state failed", [4]), ("--where target=none --where seed=0", [1, 2, 3]),
        ("--where=seed=1", [0]), ("--where fingerprint=0123456789abcdef", [1]),
    ],
)  # fmt: skip
def test_runs_are_selected_by_settings_and_states(call, made, options, places):
    found = json.loads(call(f"runs {options} --json").out)
    assert [run["run_id"] for run in found] == [made[place].record.run_id for place in places]


def test_a_setting_that_is_asked_for_has_a_column(call, made):
    heads, _, first, *_ = call("runs --where weight_decay=0.01 --where model=vit_classic").out.splitlines()
    assert heads.split()[-3:] == ["weight_decay", "result", "state"] and "0.01" in first


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("runs --where sed=1", "seed"), ("runs --state paused", "stopped"), ("runs --where seed", "SETTING=VALUE"),
        ("runs --seed 1", "--where seed=VALUE"), ("runs --learning-rate 1", "--where lr=VALUE"),
        ("runs list", "`run.py runs`"), ("runs 3f2a91c0", "`run.py runs show 3f2a91c0`"),
        ("runs delete x", "`run.py runs rm`"), ("runs rm x --force", "--yes"), ("runs rm -rf x", "--yes"),
        ("runs rm x --dry-run", "lists what it would delete"), ("runs --json show x", "after `show`"),
        ("runs --state done rm", "after `rm`"), ("runs --checkpoints afile", "not a folder"),
        ("runs --checkpoints nowhere", "nowhere does not exist. Name an existing folder"),
        ("plot loss --checkpoints nowhere", "nowhere does not exist"), ("runs rm x --checkpoints nowhere", "not exist"),
        ("runs show nothing", "nothing"), ("runs show fff", "fff"), ("runs path fff", "fff"), ("runs rm fff", "fff"),
        ("runs rm", "--where or --state"), ("runs rm --where seed=9", "--where or --state"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_ends_with_2_and_what_to_type(call, made, work, line, says):
    (work / "afile").write_text("x")
    ended = call(line)
    assert ended.code == 2 and says in ended.err and (ended.out == "" or "--json" in line)


def test_no_runs_are_no_error(call, work, made):
    (work / "empty").mkdir()
    for line in ("runs --checkpoints empty", "runs --where seed=99"):
        ended = call(line)
        assert (ended.code, ended.out) == (0, "") and "no run" in ended.err and "run.py train" in ended.err
    assert call("runs --checkpoints empty --json").out == "[]\n"


def test_the_default_folder_need_not_exist(call, work):
    ended = call("runs")
    assert (ended.code, ended.out) == (0, "") and "no run in checkpoints" in ended.err


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_table_fits_a_terminal_and_names_what_it_omits(call, made, monkeypatch, width):
    monkeypatch.setattr(screen, "width", lambda: width)
    ended = call("runs")
    assert ended.code == 0 and max(map(len, ended.out.splitlines())) <= width
    assert all(run.record.run_id in ended.out for run in made)
    heads = {word for line in ended.out.splitlines() for word in line.split() if line.startswith("run ")}
    for head in ("size", "epochs", "lr", "dataset", "seed"):
        assert head in heads or head in ended.out.partition("omitted")[2] or f"{head} " in ended.out.partition("\n")[0]


def test_what_all_runs_share_stands_above_a_narrow_table(call, work, monkeypatch):
    for seed in range(3):
        made_up_run(work / "checkpoints", seed=seed, steps=1, minute=seed)
    monkeypatch.setattr(screen, "width", lambda: 70)
    above, heads, *_ = call("runs").out.splitlines()
    assert above.startswith("all runs: model vit_classic, size 10M, dataset cifar100, epochs 50")
    assert heads.split() == ["run", "seed", "result", "state"]


def test_hostile_names_and_damaged_records_are_printable(call, work):
    facts = DatasetFacts(name=HOSTILE, classes=3, fingerprint="0" * 16)
    run = made_up_run(work / "checkpoints", facts=facts, model="resnet18", image=32, steps=1)
    damaged = made_up_run(work / "checkpoints", seed=1, steps=1)
    damaged.files.record.write_text('{"config": "\x1b[2J"')
    ended = call("runs")
    assert r"local/an\x1b[2Jt\u202eb" in printed(ended.out) and printed(ended.err).count("passed over") == 1
    assert json.loads(call("runs --json").out)[0]["dataset"] == HOSTILE
    for line in (f"runs show {run.record.run_id}", f"runs path {run.record.run_id}"):
        printed(call(line).out)
    ended = call(f"runs rm {run.record.run_id} {damaged.record.run_id} --yes")
    assert ended.code == 0 and "damaged record" in printed(ended.err) and not find_runs(work)
    printed(ended.out)


def test_the_page_of_each_kind_of_run_has_its_parts(call, made):
    for run in made:
        ended = call(f"runs show {run.record.run_id}")
        parts = [line for line in printed(ended.out).splitlines() if not line.startswith(" ")]
        assert ended.code == 0 and parts[0].startswith(f"run {run.record.run_id}: {run.record.model} ")
        assert parts[1:] == ["results", "configuration", "data", "where it was computed", "how it was computed",
                             "versions", "files"]  # fmt: skip
        assert re.search(rf"^  seed +{run.config.seed}$", ended.out, re.MULTILINE) and run.files.log.name in ended.out
    assert "failed, step 0 of 30" in ended.out and "diverged: the loss is nan" in ended.out


def test_the_page_of_a_trained_run_has_results_and_sizes_and_its_json_is_the_record(call, run):
    ended = call(f"runs show {run.record.run_id}")
    assert f"{100 * run.record.test.top1:.2f} %" in ended.out and "n = 60" in ended.out
    about = json.loads(call("runs show checkpoints --json").out)
    record = json.loads(run.files.record.read_text())
    assert {name: about[name] for name in record if name not in ("seal", "format")}.items() <= record.items()
    assert (about["state"], about["step"]) == ("done", record["schedule"]["total_steps"])
    assert about["bytes"] == {path.name: path.stat().st_size for path in run.files.present()}
    by_file = [json.loads(call(f"runs show {path} --json").out) for path in run.files.present()]
    assert all(found | {"path": about["path"]} == about for found in by_file)


def test_the_path_is_all_that_is_printed(call, run):
    ended = call(f"runs path {run.record.run_id[:5]}")
    stem = run.files.folder.relative_to(Path.cwd()) / run.files.stem
    assert ended == (0, f"{stem}\n", "") and call(f"runs show {stem}").code == 0


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_given(call, run):
    names = sorted(path.name for path in run.files.folder.iterdir())
    ended = call(f"runs rm {run.record.run_id}")
    assert (ended.code, ended.out) == (2, "") and "Add --yes" in ended.err
    assert all(name in ended.err for name in names) and "kB" in ended.err
    assert sorted(path.name for path in run.files.folder.iterdir()) == names
    ended = call(f"runs rm {run.record.run_id} --yes")
    assert ended.code == 0 and ended.out.splitlines()[-1].endswith("freed") and not run.files.folder.exists()
    assert call(f"runs rm {run.record.run_id} -y").code == 2


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 2), ("\n", 2), ("", 2), ("yep\n", 2)])
def test_on_a_terminal_only_yes_deletes(call, run, monkeypatch, typed, code):
    monkeypatch.setattr(screen, "_is_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ended = call(f"runs rm {run.record.run_id}")
    assert ended.code == code and "Delete 1 run with" in ended.err and "[y/N]" in ended.err
    assert run.files.record.exists() == bool(code) and ("nothing was deleted" in ended.err) == bool(code)


def test_selected_runs_are_deleted_and_a_running_one_refuses_all(call, made):
    with locks.lock(made[4].files.lock, wait=False):
        ended = call("runs rm --where dataset=digits --yes")
        assert (ended.code, ended.out) == (4, "") and made[4].record.run_id in ended.err
        assert made[0].files.record.exists()
        assert "running 3/30" in call("runs --state running").out
    ended = call("runs rm --where dataset=digits --yes")
    assert ended.code == 0 and len(ended.out.splitlines()) == 3
    left = [run["run_id"] for run in json.loads(call("runs --json").out)]
    assert left == [run.record.run_id for run in made[1:4]]


def test_files_of_many_runs_are_counted_and_not_listed(call, work):
    for seed in range(11):
        made_up_run(work / "checkpoints", seed=seed, steps=1)
    ended = call("runs rm --where model=vit_classic --yes")
    assert ended.code == 0 and len(ended.err.splitlines()) == 11 and "_training.log" not in ended.err
    assert not list(work.rglob("model_*"))


def test_a_folder_of_the_user_in_which_nothing_may_be_written_keeps_its_runs(call, run, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied", str(run.files.lock))

    monkeypatch.setattr(locks, "_acquire", refused)
    ended = call(f"runs rm {run.record.run_id} --yes")
    assert ended.code == 2 and "Permission denied" in ended.err and run.files.record.exists()


def test_the_list_opens_no_record_twice(call, made, monkeypatch):
    from app.artifacts import index, record

    monkeypatch.setattr(index, "_WORTH", 1)
    for run in made:
        os.utime(run.files.record, (1_000_000_000, 1_000_000_000))
    assert call("runs").code == 0
    monkeypatch.setattr(record, "read", lambda _: pytest.fail("it is in the index"))
    assert call("runs --where seed=1 --json").code == 0
