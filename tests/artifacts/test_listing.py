"""The list of runs: what their records say, by the index, and what their processes, logs and states say now."""

import json
import os

import pytest
from report import made_up_run

from app.artifacts import index, listing
from app.config.conditions import conditions
from app.errors import InputError
from app.system import locks

FAILED = {"failure": {"kind": "diverged", "sentence": "the loss is nan"}}


def listed(folder, *where, only=()):
    return listing.listed(folder, pytest.fail, conditions(where), only)


def test_runs_are_listed_oldest_first_with_result_and_state(tmp_path):
    made = [
        made_up_run(tmp_path, seed=1, minute=2, steps=1, top1=0.875),
        made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", minute=1, steps=1),
        made_up_run(tmp_path, dataset="digits", minute=0, steps=1, status="failed", top1=None, record=FAILED),
    ]
    found = listed(tmp_path)
    assert [run.entry.run_id for run in found] == [run.record.run_id for run in reversed(made)]
    assert [run.shown for run in found] == ["failed (diverged)", "done", "done"]
    assert found[0].result == "" and found[1].result.startswith("RMSE 0.03") and found[2].result == "87.50 %, n 10,000"


def test_a_run_is_running_only_while_a_process_has_its_lock(tmp_path):
    run = made_up_run(tmp_path, steps=12, status="running", top1=None)
    run.files.state.mkdir()
    for name in ("state-4.json", "state-9.json", "state-x.json", "state-².json", "state-11.safetensors"):
        (run.files.state / name).write_text("{}")
    for held in (True, False):
        if held:
            with locks.lock(run.files.lock, wait=False):
                assert [(each.state, each.step) for each in listed(tmp_path)] == [("running", 12)]
        else:
            run.files.lock.touch()  # as a killed process leaves it
            assert [(each.state, each.step) for each in listed(tmp_path)] == [("stopped", 9)]


@pytest.mark.parametrize(
    ("status", "held", "state"),
    [("stopped", False, "stopped"), ("failed", False, "failed"), ("failed", True, "running"), ("done", True, "done")],
)
def test_a_lock_makes_an_unfinished_run_a_running_one(tmp_path, status, held, state):
    run = made_up_run(tmp_path, steps=3, status=status, record=FAILED if status == "failed" else None)
    if held:
        with locks.lock(run.files.lock, wait=False):
            [found] = listed(tmp_path)
    else:
        [found] = listed(tmp_path)
    assert found.state == state and found.step == {"done": 30, "running": 3}.get(state, 0)


@pytest.mark.parametrize(
    "tail", [b"", b'{"step": 99', b"\xff\n", b"[" * 50_000, b'{"step": true}\n', b'{"step": -1}\n']
)
def test_the_step_of_a_running_run_is_that_of_its_log_s_last_whole_row(tmp_path, tail):
    run = made_up_run(tmp_path, steps=5, status="running")
    with run.files.log.open("ab") as log:
        log.write(tail)
    with locks.lock(run.files.lock, wait=False):
        assert listed(tmp_path)[0].step in ((5,) if len(tail) < 1000 else (0,))


def test_conditions_and_states_select(tmp_path):
    for seed in range(4):
        made_up_run(
            tmp_path, seed=seed, steps=1, status="done" if seed % 2 else "stopped", minute=seed, lr=0.1 * (seed + 1)
        )
    made_up_run(tmp_path, model="vit_differential", steps=1, minute=9)
    seeds = [run.entry.config["seed"] for run in listed(tmp_path, "seed=1-2,3", "model=vit_classic")]
    assert seeds == [1, 2, 3]
    assert [run.entry.config["seed"] for run in listed(tmp_path, "seed=0-9", only=("stopped",))] == [0, 2]
    assert len(listed(tmp_path, only=("done", "stopped"))) == 5 and listed(tmp_path, "seed=77") == []
    assert len(listed(tmp_path, "lr=0.1")) == 1 and len(listed(tmp_path, "clip_norm=none")) == 5
    with pytest.raises(InputError, match="'paused'"):
        listing.states_of(["done,paused"])


def test_the_list_is_the_same_with_and_without_an_index_and_is_json(tmp_path, monkeypatch):
    made_up_run(tmp_path, seed=1, steps=1)
    made_up_run(tmp_path, dataset="nested_cylinder", model="cnn", image=(1700, 500), steps=1, minute=2)
    first = [run.to_json() for run in listed(tmp_path)]
    monkeypatch.setattr(index, "_WORTH", 1)
    for _ in range(2):
        assert [run.to_json() for run in listed(tmp_path)] == first
    assert json.loads(json.dumps(first)) == first and (tmp_path / index.NAME).exists()
    assert first[1]["config"]["image"] == [1700, 500] == listed(tmp_path, "image=1700x500")[0].entry.config["image"]
    assert not {"confusion", "per_class"} & first[0]["results"]["test"].keys()


def test_a_folder_that_may_not_be_read_is_reported(tmp_path, monkeypatch):
    made_up_run(tmp_path / "open", steps=1)
    made_up_run(tmp_path / "closed", seed=1, steps=1)
    scandir, said = os.scandir, []

    def refused(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert len(listing.listed(tmp_path, said.append)) == 1
    assert said == [f"passed over: the folder {tmp_path / 'closed'} cannot be read (Permission denied)"]


def test_a_damaged_record_is_reported_and_the_others_are_listed(tmp_path):
    made_up_run(tmp_path, steps=1)
    damaged, said = made_up_run(tmp_path, seed=1, steps=1), []
    damaged.files.record.write_text("{")
    assert len(listing.listed(tmp_path, said.append)) == 1
    assert len(said) == 1 and str(damaged.files.record) in said[0]


def test_runs_are_selected_by_their_tag(tmp_path):
    made = [made_up_run(tmp_path, seed=seed, minute=seed, steps=1, record=about)
            for seed, about in enumerate([{"tag": "first try"}, {"tag": "b"}, {}])]  # fmt: skip
    ids = [run.record.run_id for run in made]
    for text, fits in (("first try", ids[:1]), ("b,first try", ids[:2]), ("none", ids[2:]), ("first", [])):
        assert [run.entry.run_id for run in listed(tmp_path, f"tag={text}")] == fits, text
    assert [run.to_json()["tag"] for run in listed(tmp_path)] == ["first try", "b", None]
