"""`study`: it completes what is missing, and derives how far it is from the runs alone."""

import contextlib
import csv
import json
import random
import re
import shlex
import subprocess
import sys

import pytest

from app.artifacts.runs import find_runs
from app.cli import main
from app.errors import Diverged, OutOfMemory
from app.studies.worker import Worker
from app.system import relaunch

TINY = (
    "--dataset digits --size 100K --d-model 64 --epochs 2 --batch-size 32 --val-batch-size 16 "
    "--limit-train 160 --limit-val 40 --limit-test 60 --threads 1"
)
STUDY = f"study {TINY} --cross model=vit_classic,vit_differential --cross seed=0-1"


class Trainings(list):
    """The run IDs of the trainings that were started; `errors` are met by those of a seed."""

    errors: dict


@pytest.fixture
def trainings(monkeypatch):
    """Cells are trained in this process, and not in separate ones."""
    started = Trainings()
    started.errors = {}

    def train(self, cell):
        self._tries[cell.run_id] = self._tries.get(cell.run_id, 0) + 1
        started.append(cell.run_id)
        with pytest.MonkeyPatch.context() as patch:
            if error := started.errors.get(cell.config.seed):
                patch.setattr("app.loop.fit", lambda *_, **__: throw(error))
            with contextlib.redirect_stdout(sys.stderr):  # as the worker's process does it
                return main(["train", *cell.arguments()])

    monkeypatch.setattr(Worker, "_train", train)
    return started


def throw(error):
    raise error


def files(folder):
    """The bytes of the files that a result rests on, by name."""
    return {path.name: path.read_bytes() for run in find_runs(folder) for path in run.files.present()
            if path.suffix in (".safetensors", ".parquet")}  # fmt: skip


@pytest.mark.slow
def test_a_study_trains_each_cell_as_train_does_and_once(call, work, trainings):
    ended = call(f"{STUDY} --json")
    assert ended.code == 0, ended.err
    cells = json.loads(ended.out)
    assert [cell["state"] for cell in cells] == ["done"] * 4 and [cell["run_id"] for cell in cells] == trainings
    for model in ("vit_classic", "vit_differential"):
        for seed in (0, 1):
            call(f"train {TINY} --model {model} --seed {seed} --checkpoints alone")
    assert files(work / "checkpoints") == files(work / "alone")
    (table,) = work.glob("checkpoints/studies/cross-*/results.csv")
    rows = [*csv.DictReader(table.read_text().splitlines())]
    assert [(row["run_id"], row["state"]) for row in rows] == [(name, "done") for name in trainings]
    assert all(0 < float(row["seconds_training"]) <= float(row["seconds_occupied"]) for row in rows), rows
    assert table.with_suffix(".parquet").exists() and "the runs of the study took" in ended.err
    again = call(STUDY)
    assert again.code == 0 and len(trainings) == 4 and again.out.count("done") == 4
    status = call(f"{STUDY.replace('study', 'study status', 1)} --json")
    assert [cell["state"] for cell in json.loads(status.out)] == ["done"] * 4


def test_the_seeds_of_a_train_command_are_a_study(call, trainings):
    ended = call(f"train {TINY} --seeds 0,2-3")
    assert ended.code == 0 and len(trainings) == 3 and ended.out.count("done") == 3
    assert call(f"train {TINY} --seeds 0-1 --seed 1").code == 2 and len(trainings) == 3


@pytest.mark.slow
def test_a_study_is_shown_and_planned_without_torch(call, work, trainings):
    """A third call of a study answers at once, since nothing is loaded that trains. So does the plan of a new one."""
    assert call(STUDY).code == 0 and trainings
    calls = f"main({STUDY.split()!r}); main({f'{STUDY} --epochs 3 --plan'.split()!r})"
    program = f"import sys; from app.cli import main; {calls}; print('torch' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        cwd=work,
        env=relaunch.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines()[-1] == "False" and "done" in shown.stdout and "missing" in shown.stdout
    assert "FLOPs" in shown.stderr


@pytest.mark.slow
def test_a_cell_that_fails_is_tried_three_times_and_the_others_are_trained(call, trainings):
    trainings.errors = {0: OSError("the driver is gone")}
    ended = call(STUDY)
    assert ended.code == 4 and "2 runs of the study failed" in ended.err and "the driver is gone" in ended.err
    assert sorted(map(trainings.count, set(trainings))) == [1, 1, 3, 3]
    assert ended.out.count("failed (internal error, 3 times)") == 2 and ended.out.count("done") == 2
    trainings.errors = {}
    assert call(STUDY).code == 4 and len(trainings) == 8  # it failed often enough
    again = call(f"{STUDY} --retry-failed")
    assert again.code == 0 and len(trainings) == 10 and again.out.count("done") == 4


@pytest.mark.slow
@pytest.mark.parametrize("error", [Diverged("the loss is nan. Lower --lr"), OutOfMemory("no memory. Use another one")])
def test_the_failures_of_a_cell_are_counted_by_kind(call, trainings, error):
    trainings.errors = {1: error}
    ended = call(STUDY)
    times = {"diverged": 1, "out of memory": 3}[error.kind]
    assert ended.code == 4 and sorted(map(trainings.count, set(trainings))) == [1, 1, times, times]
    assert ended.out.count(f"failed ({error.kind}") == 2


def test_a_time_limit_is_one_for_all_cells(call, work, monkeypatch):
    """Each training gets the time that is left. When no time is left, no further cell begins."""
    given = []
    monkeypatch.setattr(
        "app.system.relaunch.command", lambda *words, **_: given.append(words) or [sys.executable, "-c", ""]
    )
    ended = call(f"{STUDY} --max-minutes 2")
    assert ended.code == 4 and all(1.5 < float(words[words.index("--max-minutes") + 1]) <= 2 for words in given)
    assert "ended with exit code 0 before the run was finished" in ended.err
    assert call(f"{STUDY} --max-minutes 0").code == 75 and len(given) == 12


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_in_the_same_bytes(call, work, pytestconfig):
    """SIGKILL to the command alone: the training that it started saves its state and ends at its next step.

    Four runs and four kills; `--kills 10` kills a study of twelve runs ten times.
    """
    drawn, kills = random.Random(pytestconfig.getoption("--scenario-seed")), pytestconfig.getoption("--kills") or 10
    seeds = range(6 if kills >= 10 else 2)
    study = f"study {TINY} --cross model=vit_classic,vit_differential --cross seed=0-{seeds[-1]}"
    line = relaunch.command(*shlex.split(study))
    for _ in range(kills):
        with subprocess.Popen(line, env=relaunch.environment(), stderr=subprocess.DEVNULL) as killed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                killed.wait(drawn.uniform(2, 14))
            killed.kill()
    assert call(study).code == 0
    trained = {path: path.stat().st_mtime_ns for path in (work / "checkpoints").rglob("model_*")}
    again = call(study)
    assert again.code == 0 and again.out.count(" done ") == 2 * len(seeds)
    assert trained == {path: path.stat().st_mtime_ns for path in (work / "checkpoints").rglob("model_*")}
    for model in ("vit_classic", "vit_differential"):
        for seed in seeds:
            assert call(f"train {TINY} --model {model} --seed {seed} --checkpoints alone").code == 0
    assert files(work / "checkpoints") == files(work / "alone")
    assert not [path for path in (work / "checkpoints").rglob("*") if path.suffix in (".state", ".lock", ".push")]


def test_more_than_a_hundred_runs_are_trained_with_yes_only(call, trainings):
    ended = call(f"study {TINY} --cross seed=0-100")
    assert ended.code == 2 and "--yes" in ended.err and trainings == []


def test_bad_rows_end_before_anything_is_trained(call, work, trainings):
    (work / "grid.csv").write_text("seed,size\n0,1M\n1,2K\n")
    ended = call("study grid.csv --dataset digits")
    assert ended.code == 2 and "line 3 of grid.csv" in ended.err and len(ended.err.splitlines()) == 1
    assert trainings == [] and list(work.iterdir()) == [work / "grid.csv"]


@pytest.mark.slow
def test_lanls_table_of_cnns_is_planned_unchanged(call, work):
    """Its columns are seeds and depths; the model and the data are options of the command."""
    rows = "\r\n".join([*(f"{study},3" for study in range(200, 215)), "#240,6", "#252,12"])
    (work / "hyperparameters.csv").write_bytes(f"studyIDX,DEPTH\r\n{rows}".encode())
    assert call("data make nested_cylinder --simulations 21 --frames 2 --out fields").code == 0
    shown = call("study hyperparameters.csv --model cnn --dataset nested_cylinder --data fields --plan --json")
    configs = [cell["config"] for cell in json.loads(shown.out)]
    assert [config["seed"] for config in configs] == list(range(200, 215)), shown.err
    assert {config["depth"] for config in configs} == {3}


def test_the_state_of_a_stopped_cell_is_shown_with_its_step(call, work):
    assert call(f"train {TINY} --max-minutes 0").code == 75
    shown = call(f"study status {TINY} --cross seed=0-1")
    assert shown.code == 0 and re.search(r"stopped 1/10", shown.out) and "missing" in shown.out
    assert list(work.iterdir()) == [work / "checkpoints"]


@pytest.mark.parametrize(
    "line",
    [
        "--dataset digits --size 1M --model vit_classic --no-qkv-bias --state-every 90s --lr 1e-3",
        "--dataset digits --model cnn --depth 3 --threads 1 --checkpoints elsewhere --compile",
        "--dataset cifar100 --model vit --image 32 --patch 4 --augment flip_crop --val-fraction 0.2 --upload --public",
        *(
            pytest.param(line, marks=pytest.mark.slow)
            for line in (
                "--dataset nested_cylinder --data fields --model cnn --crop 1400:2000,0:160 --no-mirror",
                "--dataset diffraction --data patterns --model resnet1d --range 10:80 --projection every",
            )
        ),
    ],
)
def test_the_arguments_of_a_cell_are_its_run(call, work, line, monkeypatch):
    """`plan` of the arguments names the run that the study named."""
    monkeypatch.setenv("HF_REPOSITORY", "tester/runs")
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    (work / "fields").mkdir()
    for made in ("data make nested_cylinder --simulations 21 --frames 2 --out fields",
                 "data make diffraction --target bravais --patterns 20 --out patterns"):  # fmt: skip
        if made.split()[2] in line:
            assert call(made).code == 0
    shown = call(f"study {line} --cross seed=3 --plan --json")
    assert shown.code == 0, shown.err
    (cell,) = json.loads(shown.out)
    words = {}

    def keep(self, cell):
        words[cell.run_id] = cell.arguments()
        return 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_train", keep)
        call(f"study {line} --cross seed=3 --yes")
    planned = call(f"plan {shlex.join(words[cell['run_id']])} --json")
    assert json.loads(planned.out)["run_id"] == cell["run_id"], planned.err


def test_a_finished_run_is_written_in_the_files_of_an_original_system(call, work, run):
    """`study status` makes them from the run's log, and its CSV too, but no parquet."""
    shown = call(f"study status {TINY} --model vit_differential --cross seed=0 --legacy zoo --json")
    assert shown.code == 0 and "1 of 1 runs are in" in shown.err, shown.err
    (folder,) = work.glob("checkpoints/studies/cross-*")
    stem = f"legacy/{run.record.run_id}/log_vit_differential_digits_patch4"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"results.csv", f"{stem}.csv", f"{stem}.txt"}
    for system, says in (("lanl", "is for regression"), ("lanle", "Did you mean `lanl`")):
        ended = call(f"study status {TINY} --model vit_differential --cross seed=0 --legacy {system}")
        assert ended.code == 2 and says.lower() in ended.err.lower()


def test_a_tag_is_one_line_of_text(call):
    for text in (f"'{'x' * 101}'", "'a\nb'"):
        ended = call(f"study --dataset digits --cross seed=0 --plan --tag {text}")
        assert ended.code == 2 and "--tag" in ended.err and "100" in ended.err, text


@pytest.mark.slow
def test_a_published_file_is_drawn_as_a_history(call, work):
    path = work / "CNN_Models" / "study_200" / "study200_trainval_summary.csv"
    path.parent.mkdir(parents=True)
    path.write_text("epochs_index,train_loss,val_loss,epoch_time\n1,0.5,0.25,6.5\n2,0.0005,0.25,6.5\n")
    ended = call(f"plot history --published {path} --out figures")
    assert ended.code == 0 and "history_CNN_Models-published_nested_cylinder.png" in ended.out, ended.err
    path.write_text("epochs_index,train_loss,val_loss,epoch_time\n")
    for name in (path, work / "none.csv", work):
        assert call(f"plot history --published {name}").code == 2
