"""`sweep` on the command line: real trainings of tiny runs, killed ones too, its tables, and what is refused."""

import json
import random
import shlex
import subprocess
import time

import pytest
from data import measured
from hub.server import HubServer

from app.artifacts.runs import find_runs
from app.sweeps import lines
from app.sweeps.metric import Metric
from app.system import relaunch

TINY = (
    "--dataset digits --model vit_classic --size 100K --d-model 64 --epochs 4 --val-batch-size 16 --limit-train 160 "
    "--limit-val 40 --limit-test 60 --threads 1 --state-every 0"
)
SEARCH = """
method: {method}
metric: {{name: val_loss, goal: minimize}}
parameters:
  lr: {{distribution: q_log_uniform_values, min: 1e-4, max: 1e-1, q: 1e-4}}
  dropout: {{min: 0.0, max: 0.5}}
early_terminate: {{type: hyperband, min_iter: 1, eta: 2, strict: true}}
"""


@pytest.fixture
def file(work):
    (work / "search.yaml").write_text(SEARCH.format(method="random"))


def started(line, folder, **more):
    """The sweep in another process, with its file of lines below the folder."""
    words = shlex.split(f"sweep search.yaml {TINY} --trials 3 --checkpoints {folder} {line}")
    with folder.with_suffix(".txt").open("a") as said:
        return subprocess.Popen(
            relaunch.command(*words),
            env=relaunch.environment() | more,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def text_of(folder):
    (path,) = folder.glob("sweeps/*/trials.jsonl")
    return path.read_text()


def weights_of(folder):
    return {run.files.stem: run.files.weights.read_bytes() for run in find_runs(folder) if run.record.done}


@pytest.mark.slow
def test_a_sweep_prunes_promotes_verifies_and_ranks_by_validation(call, work):
    (work / "search.yaml").write_text(
        "method: grid\nmetric: {name: val_loss}\nparameters: {lr: {values: [0.004, 0.002, 0.5]}}\n"
        "early_terminate: {type: hyperband, min_iter: 1, eta: 2}\n"
    )
    ended = call(f"sweep search.yaml {TINY} --json")
    assert ended.code == 0, ended.err
    trials = json.loads(ended.out)
    assert [trial["value"] for trial in trials] == sorted(trial["value"] for trial in trials)
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert len(trials) == 3 and len(pruned) == 1 and "early_terminate" in pruned[0]["why"]
    status = call(f"sweep status search.yaml {TINY}")
    assert f"trial {pruned[0]['trial']} pruned: {pruned[0]['why']}" in status.err
    again = call(f"sweep search.yaml {TINY} --json")
    assert again.out == ended.out and "begins" not in again.err
    assert call(f"sweep verify search.yaml {TINY}").out.startswith(
        "all 3 draws are equal, and so are the values of the 3"
    )
    promoted = call(f"sweep promote {pruned[0]['trial']} search.yaml {TINY} --json")
    (found,) = (each for each in json.loads(promoted.out) if each["trial"] == pruned[0]["trial"])
    assert (found["state"], found["epochs"]) == ("done", 4)
    (run,) = (run for run in find_runs(work / "checkpoints") if run.record.run_id == found["run_id"])
    assert [place.from_step or 0 for place in run.record.places] == [0, 3]  # it was pruned after epoch 1 of 3 steps
    top = call(f"sweep top search.yaml {TINY} --count 1")
    assert len(top.out.splitlines()) == 3 and "test" not in top.out + top.err.replace("never depends on the test", "")
    (path,) = work.glob("checkpoints/sweeps/*/trials.jsonl")
    path.write_text(path.read_text().replace('"lr":0.002', '"lr":0.003', 1))
    changed = call(f"sweep verify search.yaml {TINY}")
    assert changed.code == 5 and "trial 1: its line has lr=0.003, and the draw is 0.002" in " ".join(
        changed.err.split()
    )
    path.write_text(path.read_text().replace('"lr":0.003', '"lr":0.002', 1).replace('"curve":[', '"curve":[9', 1))
    changed = json.loads(call(f"sweep verify search.yaml {TINY} --json").out)
    assert changed["logs"] == 1 and "trial 0: its line has val_loss=9" in changed["difference"]


@pytest.mark.slow
def test_trials_of_several_ranks_are_pruned_at_the_epoch_of_the_rule(call, work):
    (work / "search.yaml").write_text(
        "method: grid\nmetric: {name: val_loss}\nparameters: {lr: {values: [0.004, 0.002, 0.5]}}\n"
        "early_terminate: {type: hyperband, min_iter: 1, eta: 2}\n"
    )
    line = f"sweep search.yaml {TINY} --device cpu --json"
    ended = call(f"{line} --ranks 2")
    assert ended.code == 0, ended.err
    (pruned,) = (trial for trial in json.loads(ended.out) if trial["state"] == "pruned")
    runs = {run.record.run_id: run for run in find_runs(work / "checkpoints")}
    assert {place.ranks for run in runs.values() for place in run.record.places} == {2}
    assert [len(run.record.places) for run in runs.values()] == [1, 1, 1]
    assert pruned["epochs"] == 1 and runs[pruned["run_id"]].record.status == "stopped"
    assert call(f"sweep verify search.yaml {TINY} --device cpu").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kills"), [("random", 3), pytest.param("bayes", 15, marks=pytest.mark.long)])
def test_a_sweep_that_is_killed_at_random_moments_equals_an_uninterrupted_one(work, method, kills):
    if method == "bayes":
        pytest.importorskip("optuna")
    (work / "search.yaml").write_text(SEARCH.format(method=method))
    assert started("", work / "whole").wait() == 0
    drawn = random.Random(method)
    for _ in range(kills):
        killed = started("", work / "killed")
        time.sleep(drawn.uniform(1, 8))
        killed.kill()
        killed.wait()
    assert started("", work / "killed").wait() == 0
    assert text_of(work / "killed") == text_of(work / "whole")
    assert weights_of(work / "killed") == weights_of(work / "whole") != {}


@pytest.mark.slow
@pytest.mark.usefixtures("file")
def test_two_workers_share_a_sweep_and_each_trial_is_trained_once(work):
    workers = [started("", work / "shared") for _ in range(2)]
    assert [each.wait() for each in workers] == [0, 0]
    (path,) = (work / "shared").glob("sweeps/*/trials.jsonl")
    content = lines.read(path)
    assert sorted(content.drawn) == sorted(content.ended) == [0, 1, 2]
    said = (work / "shared.txt").read_text()
    assert said.count(" begins: ") == 3 and not list(path.parent.glob("claims/*"))


@pytest.mark.slow
def test_machines_that_share_a_repository_only_divide_a_grid(work):
    (work / "search.yaml").write_text("method: grid\nparameters: {lr: {values: [0.004, 0.002, 0.001]}}\n")
    with HubServer() as hub:
        places = hub.environment() | {"HF_REPOSITORY": "tester/runs"}
        workers = [started("--upload --push-every 1s", work / name, **places) for name in "ab"]
        assert [each.wait() for each in workers] == [0, 0], (work / "a.txt").read_text()
        there = {name.split("/")[1] for name in hub.files("tester/runs") if name.startswith("vit_")}
    said = "".join((work / f"{name}.txt").read_text() for name in "ab")
    assert len(there) == 3 and said.count(" begins: ") == 3
    ends = [lines.read(path).ended for path in work.glob("[ab]/sweeps/*/trials.jsonl")]
    assert len(ends) == 2 and ends[0] == ends[1] and all(len(each.curve) == 4 for each in ends[0].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "metric", "asked"),
    [
        (lambda work: measured.fields(work / "own"), "val_rmse", "--dataset nested_cylinder --field rho "
         "--crop 0:40,0:12 --model cnn --depth 1 --epochs 1 --train-batches 3 --val-batches 2"),
        (lambda work: measured.patterns(work / "own" / "a.pt"), "val_acc, goal: maximize", "--dataset diffraction "
         "--model vit_classic --size 100K --d-model 64 --patch 8 --epochs 1 --batch-size 16"),
    ],
    ids=["regression on fields", "classification of signals"],
)  # fmt: skip
def test_other_kinds_of_data_are_searched(call, work, write, metric, asked):
    write(work)
    (work / "search.yaml").write_text(
        f"method: grid\nmetric: {{name: {metric}}}\nparameters: {{lr: {{values: [1e-4, 1e-3]}}}}\n"
    )
    ended = call(f"sweep search.yaml {asked} --data own --threads 1 --json")
    assert ended.code == 0, ended.err
    trials = json.loads(ended.out)
    assert [trial["state"] for trial in trials] == ["done"] * 2 and all(trial["value"] >= 0 for trial in trials)


REFUSED = {
    "never ends by itself": ("", "sweep search.yaml --dataset digits"),
    "--lr is also a parameter": ("", "sweep search.yaml --dataset digits --trials 2 --lr 0.1"),
    "first delete them": ("", "sweep search.yaml --dataset digits --trials 2 --fresh"),
    "not available for regression": ("val_loss, goal: minimize|val_acc, goal: maximize", "sweep search.yaml --trials 1 "
                                     "--dataset nested_cylinder --data fields"),
    "is not a file": ("", "sweep other.yaml --dataset digits"),
    "unknown setting 'learning'": ("  lr:|  learning:", "sweep search.yaml --dataset digits --trials 1"),
    "has no trials": ("", "sweep verify search.yaml --dataset digits"),
    "trial 3 does not exist": ("", "sweep promote 3 search.yaml --dataset digits"),
    "Omit one of them": ("", "sweep search.yaml --trials 1 --model vit_classic --models vit_classic,resnet18"),
    "is not a comparison": ("", "sweep search.yaml --dataset digits --trials 1 --models vit_classic"),
    "with --models only": ("", "sweep search.yaml --dataset digits --trials 1 --into best.csv"),
    "resnet1d: ": ("", "sweep search.yaml --dataset digits --models resnet18,resnet1d --trials 1"),
    "--max-usd needs the price of the machine": ("", "sweep search.yaml --dataset digits --trials 1 --max-usd 5"),
    "`run.py sweep FILE.yaml`": ("", "tune search.yaml"),
}  # fmt: skip


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("says", [each for each in REFUSED if "regression" not in each])
def test_a_sweep_that_cannot_be_is_refused_with_what_to_do(call, work, says):
    change, line = REFUSED[says]
    if change:
        path = work / "search.yaml"
        path.write_text(path.read_text().replace(*change.split("|")))
    ended = call(line)
    assert ended.code == 2 and says in " ".join(ended.err.split())
    assert not list(work.glob("checkpoints/sweeps/*/trials.jsonl"))


@pytest.mark.usefixtures("file")
def test_a_sweep_without_trials_has_an_empty_table(call):
    ended = call("sweep status search.yaml --dataset digits --json")
    assert (ended.code, json.loads(ended.out)) == (0, [])


@pytest.mark.usefixtures("file")
def test_a_sweep_that_a_limit_ends_is_called_a_sweep(call):
    ended = call(f"sweep search.yaml {TINY} --trials 2 --max-minutes 0.001")
    assert ended.code == 75 and "the sweep stopped" in ended.err and "study" not in ended.err


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("limit", ["--max-hours 0", "--max-usd 0 --usd-per-hour 1"])
def test_a_sweep_whose_budget_is_spent_trains_nothing_and_names_the_option(call, work, limit):
    ended = call(f"sweep search.yaml {TINY} --trials 2 {limit}")
    assert ended.code == 75 and f"the sweep stopped by {limit.split()[0]}: its runs took 0 " in ended.err
    assert not find_runs(work / "checkpoints")


@pytest.mark.usefixtures("file")
def test_a_sweep_without_trials_names_the_options_of_others_by_its_file(call, work):
    metric = Metric(name="val_loss", column="loss", goal="minimize")
    its = {"format": lines.FORMAT, "method": "random", "metric": metric, "early_terminate": None, "parameters": []}
    other = lines.Header(name="search", seed=3, settings={"dataset": "digits"}, optuna=None, **its)
    for name in ("search-01234567", "search-damaged1", "search2-01234567"):
        path = work / "checkpoints" / "sweeps" / name / "trials.jsonl"
        with lines.writing(path) as writer:
            writer.append(other)
        if "damaged" in name:
            path.write_text("{\n")
    ended = call("sweep top search.yaml --dataset cifar10")
    named = "Sweeps by search there have the options: --dataset digits --sweep-seed 3\n"
    assert ended.code == 0 and f"this sweep has no trial in checkpoints. {named}" in ended.err
    ended = call("sweep top search.yaml --dataset digits --sweep-seed 3")
    assert f"{named.strip()} (the file has changed since)" in ended.err


def test_the_betas_of_an_optimiser_are_one_word_of_a_command(call):
    ended = call("plan --dataset digits --size 1M --optimizer adan --betas 0.98,0.9,0.99")
    assert ended.code == 0 and "betas 0.98,0.9,0.99" in " ".join(ended.out.split())


@pytest.mark.usefixtures("file")
def test_a_sweep_is_launched_with_its_file_in_the_text(call, monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "owner/name")
    line = "sweep search.yaml --dataset digits --trials 3 --jobs 2 --sweep-seed 4 --jobs-per-device 1 --upload"
    ended = call(f"launch docker --gpus 2 -- {line} --max-hours 5")
    assert ended.code == 0, ended.err
    text = " ".join(ended.out.replace("\\\n", " ").split())
    assert "sweep run 'data:application/yaml;name=search.yaml;base64," in text
    assert (
        "--trials 3" in text
        and "--sweep-seed 4" in text
        and "--jobs 2" in text
        and "--max-hours 5" in text
        and "--upload" in text
    )
    assert "torch.distributed" not in text  # the workers start their trainings
    shared = call(f"launch docker --gpus 3 -- {line.replace('--jobs 2', '').replace('device 1', 'device 4')}")
    assert "--jobs-per-device 4" in shared.out and "--jobs " not in shared.out
    assert call("launch docker -- sweep search.yaml --dataset digits").code == 2
    assert "not available for `launch`" in call(f"launch docker -- {line} --models vit_classic,resnet18").err
    assert "study or sweep command" in call("launch docker -- sweep top search.yaml").err
