"""Files that are odd, not wrong: pipes, names too long for a disk, halves of pairs, caches of other processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.artifacts import parts, record
from app.data.store import known

from .scenes import png
from .test_cli import TINY

RUN_PY = Path(__file__).parents[2] / "run.py"
LONG = "n" * 300
PETS = (
    "--size 100K --d-model 64 --image 8 --patch 4 --epochs 1 --batch-size 8 --val-batch-size 8 --threads 1 "
    "--warmup-steps 0"
)
AGAIN = f"train {TINY} --threads 1"  # the command of the finished run
TRAIN = "train --model vit_classic --size 100K --d-model 64 --image 8 --patch 4 --epochs 1 --batch-size 8 --threads 1"


@pytest.mark.figures
@pytest.mark.parametrize(
    "lost",
    [
        "loss_png",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("loss_svg", "confusion_png", "confusion_svg")),
    ],
)
def test_the_missing_half_of_a_pair_of_figures_is_drawn(call, run, lost):
    kept = {path: path.read_bytes() for path in run.files.present()}
    getattr(run.files, lost).unlink()
    assert call(AGAIN).code == 0
    assert {path: path.read_bytes() for path in run.files.present()} == kept


@pytest.mark.slow
@pytest.mark.figures
@pytest.mark.parametrize("lost", [pytest.param("confusion_png", marks=pytest.mark.slow), "confusion_svg"])
def test_evaluate_draws_the_missing_half_too(call, run, lost):
    getattr(run.files, lost).unlink()
    assert call("evaluate checkpoints").code == 0 and getattr(run.files, lost).is_file()


@pytest.mark.parametrize("line", [
    f"evaluate {LONG}", f"evaluate --run {LONG}", f"evaluate ./{LONG}/x.json", f"train --dataset ./{LONG}",
    f"train --dataset a/{LONG}", f"train --dataset digits --epochs 1 --checkpoints {LONG}", f"upload {LONG} x",
    f"download x {LONG}", f"train --dataset diffraction --model resnet1d --data {LONG}",
    f"train --dataset nested_cylinder --data {LONG}", f"train --dataset nested_cylinder --data . --design {LONG}",
    f"train --model timm/{LONG}", f"plot loss --run {LONG}", f"plan --dataset ./{LONG}",
])  # fmt: skip
def test_a_name_that_is_too_long_is_bad_input_and_one_sentence(call, line, monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "tester/runs")
    ended = call(line)
    assert ended.code == 2 and "Traceback" not in ended.err and "internal error" not in ended.err
    assert ended.err.count("error: ") == 1


@pytest.mark.parametrize("command", ["train", "plan"])
def test_a_dataset_whose_name_is_no_utf_8_is_refused_before_it_is_read(call, work, command):
    pets(work / "caf\udce9")
    ended = call(f"{command} --dataset ./caf\udce9 {PETS}")
    assert ended.code == 2 and "not UTF-8" in ended.err and "internal error" not in ended.err


def test_a_folder_of_runs_whose_name_is_no_utf_8_is_refused_before_the_first_step(call, work):
    ended = call(f"train {TINY} --threads 1 --seed 8 --checkpoints caf\udce9")
    assert ended.code == 2 and "caf\\udce9" in ended.err and "not UTF-8" in ended.err


def test_a_dataset_in_a_folder_whose_name_is_no_utf_8_is_trained_on_and_evaluated(call, work):
    pets(work / "caf\udce9" / "pets")
    assert call(f"train --dataset ./caf\udce9/pets {PETS}").code == 0
    assert call("evaluate checkpoints --again").code == 0


def pets(root):
    """A folder of images with two classes in two splits."""
    for split, count in (("train", 12), ("test", 4)):
        for value, label in enumerate(("cat", "dog")):
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                (root / split / label / f"{number}.png").write_bytes(png(100 * value + number))


ENDS = {  # file of a finished run -> its commands, and how each ends
    "record": {"evaluate": 2, "again": 2, "train": 4}, "weights": {"evaluate": 0, "again": 4, "train": 4},
    "predictions": {"evaluate": 4, "train": 4, "again": 0}, "splits": {"evaluate": 4, "train": 4},
    "log": {"evaluate": 0, "train": 4}, "best": {"evaluate": 0, "best": 4}, "loss_png": {"train": 0},
    "lock": {"evaluate": 0, "train": 0}, "holder": {"train": 0},
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_a_pipe_in_place_of_a_run_s_file_is_never_waited_for(call, run, name):
    path = getattr(run.files, name)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    lines = {
        "evaluate": f"evaluate {run.files.folder}/{run.files.stem}",
        "again": f"evaluate {run.files.folder}/{run.files.stem} --again",
        "best": f"evaluate {run.files.folder}/{run.files.stem} --best --again",
        "train": AGAIN,
    }
    for what, code in ENDS[name].items():
        ended = call(lines[what])
        assert (ended.code, "internal error" in ended.err) == (code, False), (what, ended.err)


@pytest.mark.parametrize("name", ["train/cat/pipe.png", "README.md", "metadata.csv", "train.parquet", "notes.txt"])
def test_a_pipe_in_a_folder_of_images_is_refused_by_its_name(call, work, name):
    pets(work / "pets")
    os.mkfifo(work / "pets" / name)
    ended = call(f"{TRAIN} --dataset ./pets")
    assert ended.code == 2 and name in ended.err and "pipe" in ended.err


@pytest.mark.parametrize(("line", "pipe"), [
    ("train --dataset diffraction --model resnet1d --data made", "made/a_Train.pt"),
    ("train --dataset nested_cylinder --data made", "made/nc_a_b_idx00000.npz"),
    ("train --dataset nested_cylinder --data made --design made/d.csv", "made/d.csv"),
])  # fmt: skip
def test_a_pipe_among_fields_or_patterns_is_bad_input(call, work, line, pipe):
    (work / "made").mkdir()
    os.mkfifo(work / pipe)
    ended = call(line)
    assert ended.code == 2 and "internal error" not in ended.err


@pytest.mark.parametrize("line", ["train --dataset digits --threads", "evaluate checkpoints --threads"])
@pytest.mark.parametrize("threads", [1_000_000, 1_000_000_000, 2**40, 0, -1])
def test_threads_that_no_machine_has_are_bad_input(call, run, line, threads):
    ended = call(f"{line} {threads}")
    assert ended.code == 2 and "threads" in ended.err and "internal error" not in ended.err


def test_verify_hashes_a_cache_that_was_hashed_before(call, run, monkeypatch):
    hashed, differing = [], known.differing
    monkeypatch.setattr(known, "differing", lambda *a, again=False: hashed.append(again) or differing(*a, again=again))
    place = f"{run.files.folder}/{run.files.stem}"
    for line in (f"evaluate {place} --again", f"evaluate {place} --again --verify"):
        assert call(line).code == 0
    assert call(f"{AGAIN} --seed 5 --verify").code == 0
    assert hashed == [False, True, True]
    refused = call(f"evaluate {place} --verify")
    assert refused.code == 2 and "--again" in refused.err


@pytest.mark.slow
def test_a_command_that_waits_for_the_cache_of_another_says_for_whom(tmp_path, work):
    pets(work / "pets")
    from app.system import locks

    environment = {**os.environ, "ISOSCALE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    def begun(seed):
        command = [sys.executable, str(RUN_PY), *f"{TRAIN} --dataset ./pets --json --seed {seed}".split()]
        return subprocess.Popen(command, cwd=work, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    first = begun(0)
    assert first.wait(240) == 0
    [cache] = (tmp_path / "cache" / "data").glob("local--pets*")
    name = cache.name
    cache.rename(tmp_path / "aside")
    with locks.lock(cache.with_name(f".{name}.lock"), wait=True, waiting=lambda _: None):
        second = begun(1)
        said = b""
        while b"waiting for another command" not in said:
            line = second.stderr.readline()
            assert line, said
            said += line
        (tmp_path / "aside").rename(cache)
    out, _ = second.communicate(timeout=240)
    assert second.returncode == 0 and json.loads(out)["status"] == "done"
    assert f"process {os.getpid()}, since {time.strftime('%Y')}".encode() in said and b"local/pets" in said


@pytest.mark.slow
@pytest.mark.figures
def test_an_empty_figure_is_drawn(call, run):
    kept = run.files.confusion_svg.read_bytes()
    run.files.confusion_svg.write_bytes(b"")
    assert call("evaluate checkpoints").code == 0 and run.files.confusion_svg.read_bytes() == kept


@pytest.mark.parametrize("name", ["predictions", "splits"])
def test_a_folder_in_place_of_a_file_is_named_and_no_file_aside(call, run, name):
    path = getattr(run.files, name)
    path.unlink()
    path.mkdir()
    ended = call(f"evaluate {run.files.folder}/{run.files.stem} --again")
    assert ended.code == 2 and f"{path}: Is a directory" in ended.err and ".aside" not in ended.err
    assert not list(run.files.folder.glob(".*.aside"))


def test_a_record_that_is_a_link_into_a_place_that_is_not_there_costs_no_file_of_its_run(call, run, work):
    kept = {path: path.read_bytes() for path in run.files.present() if path != run.files.record}
    run.files.record.unlink()
    run.files.record.symlink_to(work / "not mounted" / "record.json")
    ended = call(AGAIN)
    assert ended.code == 2 and "not mounted" in ended.err and "--fresh" in ended.err
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize("line", ["models", f"train {TINY}", "plan --dataset digits", "evaluate x"])
def test_a_command_in_a_folder_that_was_removed_says_so(call, work, line):
    work.rmdir()
    ended = call(line)
    assert ended.code == 2 and ended.err.count("\n") == 1 and "current folder was removed" in ended.err


def test_a_folder_that_is_removed_meanwhile_is_no_internal_error(call, work, monkeypatch):
    def removed(*_):
        work.rmdir()
        Path.cwd()

    monkeypatch.setattr("app.sharing.named.run_of", removed)
    ended = call("evaluate x")
    assert ended.code == 2 and "current folder was removed" in ended.err


@pytest.mark.parametrize("command", ["evaluate", "evaluate --on x", "predict"])
def test_a_run_that_failed_is_said_to_have_failed_and_why(call, run, command):
    failure = parts.Failure(kind="diverged", sentence="the val loss is nan at step 4")
    record.write(run.files.record, replace(run.record, status="failed", failure=failure))
    ended = call(f"{command} {run.files.folder}/{run.files.stem}{' x' if command == 'predict' else ''}")
    assert ended.code == 2 and "failed (diverged): the val loss is nan at step 4" in ended.err


@pytest.mark.parametrize(("line", "named"), [
    ("evaluate checkpoints --on ''", "--on"), ("evaluate checkpoints --on=", "--on"),
    ("predict checkpoints ''", "an argument"), ("train --dataset diffraction --data ''", "--data"),
    ("upload '' ''", "an argument"), ("--env-file '' models", "--env-file"),
])  # fmt: skip
def test_an_empty_value_is_refused_and_never_taken_for_none(call, run, line, named):
    ended = call(line)
    assert ended.code == 2 and named in ended.err and "empty value" in ended.err and not ended.out


def test_a_list_of_paths_in_utf_16_is_bad_input(call, run, work):
    (work / "list.txt").write_bytes("a.png\r\n".encode("utf-16"))
    ended = call("predict checkpoints list.txt")
    assert ended.code == 2 and "list.txt" in ended.err and "UTF-8" in ended.err


def test_a_device_in_place_of_a_list_of_paths_is_not_read(call, run, work):
    (work / "list.txt").symlink_to("/dev/zero")
    ended = call("predict checkpoints list.txt")
    assert ended.code == 2 and "device" in ended.err


def test_a_path_that_takes_no_file_is_named_as_it_was_given(call, run, work):
    pets(work / "pets")
    ended = call("predict checkpoints pets --out /proc/x")
    assert ended.code == 2 and "/proc/x.csv: " in ended.err and ".aside" not in ended.err


@pytest.mark.parametrize(("allowed", "notes"), [(3e9, 1), (8e9, 0), (-1, 0)])
def test_too_few_addresses_for_torch_are_noted_before_a_library_aborts(call, run, allowed, notes, monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (int(allowed), int(allowed)))
    ended = call("evaluate checkpoints")
    assert ended.code == 0 and ended.err.count("ulimit -v") == notes
