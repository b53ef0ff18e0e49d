"""Studies on other machines: each place's text starts workers of one study, which need no file of this machine."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import yaml

from app import cli
from app.errors import InputError
from app.launch import PLACES, Job, text
from app.studies import embedded, rows

IMAGE = "ghcr.io/o/isoscale:0.1.0-cuda-13.2"
GRID = "model,seed\nvit_classic,0\nvit_differential,1\n"
STUDY = ("study", "run", "grid.csv", "--work")


def job(**changes):
    given = {"arguments": (*STUDY[:3], "--upload", "--work"), "image": IMAGE, "workers": 3}
    return Job(**(given | changes))


def words_of(script):
    """The commands of a script, each as its words."""
    lines = re.sub(r"\\\n\s*", "", script).splitlines()
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_REPOSITORY", "o/runs")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("ISOSCALE_IMAGE", IMAGE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.csv").write_text(GRID)

    def call(line):
        capsys.readouterr()
        code = cli.main(shlex.split(line))
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("place", "command"),
    [("docker", "docker run"), ("hfjobs", "hf jobs run"), ("vast", "vastai create instance")],
)
def test_each_worker_has_a_command_that_differs_in_its_name_only(place, command):
    whole = text(place, job())
    commands = [words for words in words_of(whole) if " ".join(words).startswith(command)]
    assert len(commands) == 3 == re.sub(r"\\\n\s*", "", whole).count("study run grid.csv --upload --work")
    for number, words in enumerate(commands, 1):
        first = [word.replace("isoscale-1", f"isoscale-{number}") for word in commands[0]]
        assert f"isoscale-{number}" in words and words == first
    assert text(place, job(workers=1)).count("isoscale-1") == 0


def test_each_pod_has_its_name_and_the_same_study():
    pods = [json.loads(part.partition("\nPOD")[0]) for part in text("runpod", job()).split("<<'POD'\n")[1:]]
    assert [pod.pop("name") for pod in pods] == ["isoscale-1", "isoscale-2", "isoscale-3"]
    assert pods[0] == pods[1] == pods[2] and "study run grid.csv --upload --work" in pods[0]["args"]


@pytest.fixture
def tools(tmp_path):
    """Stand-ins that note their words in `said`; `apptainer` waits for the file `end`, and ends with the code in it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    apptainer = 'trap "" TERM; touch begun; until [ -s end ]; do sleep 0.02; done; exit "$(cat end)"'
    for name, then in (("sky", ""), ("scontrol", 'exit "${REFUSED:-0}"'), ("apptainer", apptainer)):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> said\n{then}\n')
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_a_pool_has_a_machine_per_job_and_the_job_works_on_the_study(tmp_path, tools):
    given = job(environment={"HF_REPOSITORY": "o/runs"}, secrets=("HF_TOKEN",))
    script = text("skypilot", given)
    subprocess.run(["bash", "-eu"], input=script, text=True, check=True, cwd=tmp_path, env=os.environ | tools)
    pool, job_ = (yaml.safe_load((tmp_path / name).read_text()) for name in ("isoscale-pool.yaml", "isoscale.yaml"))
    assert pool["pool"] == {"workers": 3} and not {"run", "setup"} & {*pool}
    recovery = job_["resources"].pop("job_recovery")
    assert recovery == {"max_restarts_on_errors": 0, "recover_on_exit_codes": [75]}
    assert job_["resources"] == pool["resources"] and pool["config"]["docker"]["run_options"] == ["--ipc=host"]
    assert job_["run"].splitlines()[-1] == f"exec tini -s -g {shlex.join(given.command)}"
    assert job_["envs"] == {"HF_REPOSITORY": "o/runs"} and job_["secrets"] == {"HF_TOKEN": None}
    assert (tmp_path / "said").read_text().splitlines() == [
        "sky jobs pool apply -p isoscale isoscale-pool.yaml",
        "sky jobs launch -p isoscale --num-jobs 3 --secret HF_TOKEN isoscale.yaml",
    ]


def test_one_worker_is_a_managed_job_of_skypilot_s():
    task = yaml.safe_load(text("skypilot", job(workers=1)))
    assert "study run grid.csv --upload --work" in task["run"] and task["config"]["docker"]


ARRAY = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_ID": "7"}
ALONE = {"SLURM_JOB_ID": "9"}


def ended(tmp_path, tools, given, where, code, *, stop=False):
    """How a Slurm script of a job ended, and what it asked of Slurm; its program ends with a code, after a signal."""
    where = os.environ | tools | where | {"SLURM_SUBMIT_DIR": str(tmp_path)}
    (tmp_path / "script").write_text(text("slurm", given))
    with subprocess.Popen(["bash", "script"], cwd=tmp_path, env=where, stdout=subprocess.PIPE, text=True) as script:
        end = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < end:
            time.sleep(0.01)
        if stop:
            script.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        (tmp_path / "end").write_text(str(code))
        said = script.communicate(timeout=30)[0]
    assert said.splitlines()[-1] == f"ended with {code}"
    lines = (tmp_path / "said").read_text().splitlines()
    return script.returncode, [line for line in lines if line.startswith("scontrol")]


@pytest.mark.parametrize(
    ("options", "where", "code", "stop", "asks"),
    [
        ((), ARRAY, 75, False, ["scontrol requeue 7_1"]),  # and not 7, which is all tasks
        ((), ALONE, 75, False, ["scontrol requeue 9"]),
        ((), ARRAY, 143, True, ["scontrol requeue 7_1"]),
        ((), ARRAY, 0, True, []),
        ((), ARRAY, 4, False, []),
        (("--max-hours", "3"), ARRAY, 75, False, []),  # the budget is used up
        (("--max-usd=3",), ARRAY, 75, True, ["scontrol requeue 7_1"]),
        (("--max-hours", "3", "--max-minutes", "9"), ARRAY, 75, True, []),
    ],
)
def test_slurm_queues_the_one_task_again_that_was_stopped(tmp_path, tools, options, where, code, stop, asks):
    given = job(arguments=(*STUDY, *options))
    returned, asked = ended(tmp_path, tools, given, where, code, stop=stop)
    assert asked == asks and (asks or returned == code)


def test_a_task_that_slurm_does_not_queue_again_keeps_its_exit_code(tmp_path, tools):
    assert ended(tmp_path, tools, job(), ARRAY | {"REFUSED": "1"}, 75) == (75, ["scontrol requeue 7_1"])


def test_an_array_has_a_task_and_a_log_per_worker():
    whole = text("slurm", job())
    assert "#SBATCH --array=0-2\n" in whole and "--output=isoscale-%A_%a.log" in whole
    alone = text("slurm", job(workers=1))
    assert "--array" not in alone and "--output=isoscale-%j.log" in alone


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("options", [(), ("--max-usd", "3")])
def test_a_text_for_several_workers_is_sound_bash(place, options, tmp_path):
    whole = text(place, job(arguments=(*STUDY, "--upload", "--tag", "it's", *options)))
    subprocess.run(["bash", "-n"], input=whole, text=True, check=True)
    if tool := shutil.which("shellcheck"):  # a script within quotes keeps its variables (SC2016)
        (tmp_path / "text.sh").write_text(whole if whole.startswith("#!") else f"#!/usr/bin/env bash\n{whole}\n")
        found = subprocess.run([tool, "--exclude=SC2016", tmp_path / "text.sh"], capture_output=True, check=False)
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("place", [place for place in PLACES if place != "slurm"])
def test_workers_that_share_no_folder_need_the_hub(place):
    with pytest.raises(InputError, match=r"3 workers share no folder there.* Add --upload"):
        text(place, job(arguments=STUDY))
    assert place == "hfjobs" or text(place, job(arguments=STUDY, workers=1))


def test_workers_are_of_a_study_and_their_names_are_checked():
    with pytest.raises(InputError, match="--workers 3 has an effect on a study only"):
        job(arguments=("train",))
    with pytest.raises(InputError, match="is not a valid name"):
        job(name="a" * 48)
    assert job(name="a" * 46).names[2] == "a" * 46 + "-3"


def url_in(printed):
    """The data URL in a text, as a path."""
    (word,) = {word for words in words_of(printed) for word in words if word.startswith("data:")}
    return Path(word)


def test_a_file_of_a_study_is_in_the_text_unless_the_place_has_its_folder(call, tmp_path):
    code, out, err = call("launch docker --workers 2 -- study grid.csv --dataset digits --upload")
    assert (code, err) == (0, "") and rows.of_file(url_in(out), options={}, axes={}) == rows.of_file(
        tmp_path / "grid.csv", options={}, axes={}
    )
    code, out, err = call("launch slurm --workers 2 -- study ./grid.csv --dataset digits")
    assert (code, err) == (0, "") and "study run grid.csv --dataset digits --work" in out
    assert "put grid.csv there" in out and "--pwd /workspace" in out
    (tmp_path.parent / "x.csv").write_text(GRID)
    (tmp_path / "link.csv").symlink_to("../x.csv")  # its file is not in the folder that the container has
    for file in (tmp_path / "grid.csv", "../x.csv", "link.csv"):
        code, out, err = call(f"launch slurm -- study {file} --dataset digits")
        assert code == 0 and embedded.content(url_in(out)) == GRID.encode() and "--pwd /app" in out


@pytest.mark.parametrize(
    "command",
    ["study data.csv --data ./patterns", "study cells.csv", "train --data ./patterns",
     "sweep s.yaml --trials 1 --data ./patterns"],
)  # fmt: skip
def test_data_in_the_folder_that_slurm_mounts_stay_there(call, tmp_path, command):
    (tmp_path / "patterns").mkdir()
    torch.save({"X": torch.rand(20, 64), "Y": torch.arange(20) % 2}, tmp_path / "patterns" / "a_Train.pt")
    (tmp_path / "data.csv").write_text("seed\n0\n")
    (tmp_path / "cells.csv").write_text("seed,data\n0,./patterns\n")
    (tmp_path / "s.yaml").write_text("method: random\nparameters: {lr: {values: [0.1, 0.2]}}\n")
    line = f"-- {command} --dataset diffraction --model resnet1d"
    code, out, err = call(f"launch slurm {line}")
    assert code == 0 and "--pwd /workspace" in out, err
    assert "./patterns there" in out.splitlines()[1]
    code, _, err = call(f"launch vast {line}")
    assert code == 2 and "--data ./patterns is not on the rented machine" in err


def test_a_study_prints_what_launch_prints(call):
    options = "grid.csv --dataset digits --cross lr=1e-3,2e-3 --claim 90s --max-hours 10 --retry-failed --upload"
    for place in ("slurm", "docker"):
        code, out, err = call(f"study {options} --launch {place} --workers 2")
        assert (code, err) == (0, "") and (code, out, err) == call(f"launch {place} --workers 2 -- study {options}")
        for words in ("--cross lr=1e-3,2e-3", "--claim 90s", "--max-hours 10", "--retry-failed", "--dataset digits"):
            assert re.sub(r"\\\n\s*", "", out).count(words) == (1 if place == "slurm" else 2)


def test_a_worker_s_command_is_read_as_the_study_that_was_typed(call):
    _, out, _ = call("launch slurm -- study --cross seed=0-1 --dataset digits --folds 3 --repeats 2")
    line = next(line for line in out.splitlines() if "/app/run.py" in line).rstrip(" &")
    words = shlex.split(line)[2:]
    again = call(f"launch slurm -- {shlex.join(words)}")[1]
    assert words[-1] == "--work" and again == out and "--folds 3" in line and "--repeats 2" in line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("launch hfjobs --workers 2 -- study grid.csv", "2 workers share no folder there"),
        ("launch vast --workers 2 -- train", "--workers 2 has an effect on a study only"),
        ("launch vast --gpus 2 -- study grid.csv", "--gpus 2 does not fit the study, which trains on 1 per machine"),
        ("launch vast -- study grid.csv --jobs 2 --ranks 2", "which trains on 4 per machine"),
        ("study grid.csv --launch slurm --jobs 2", "Use `launch PLACE --gpus 2 -- study ...`"),
        ("study grid.csv --launch slurm --jobs 5 --jobs-per-device 2", "which trains on 3 per machine"),
        ("study grid.csv --launch slurm --ranks 2 --jobs-per-device 2", "--ranks 2 one run on several. Omit one"),
        ("launch vast -- study status grid.csv", "'study status' after -- is not a train, study or sweep command"),
        ("launch vast -- study grid.csv --plan", "--plan has no effect on a rented machine. Omit it"),
        ("study grid.csv --json --launch vast", "--json has no effect on a rented machine. Omit it"),
        ("study grid.csv --workers 2", "--workers 2 has no effect without --launch"),
        ("study grid.csv --launch vst", "unknown place 'vst'. Did you mean `vast`?"),
        ("launch vast study grid.csv --upload", "Write: run.py launch vast -- study grid.csv --upload"),
        ("launch vast --cross seed=1 -- study", "It is an option of `study`. Write it after `--`"),
        ("launch slurm -- study other.csv", "the study other.csv is not a file"),
        ("launch slurm -- study bad.csv", "line 3 of bad.csv: "),
        ("launch slurm -- study paths.csv", "line 2 of paths.csv: --data fields is not on the rented machine"),
        ("launch slurm -- study grid.csv --max-usd 3", "--max-usd needs the price of the machine"),
        ("launch slurm -- study grid.csv --checkpoints runs", "--checkpoints runs is not on the rented machine"),
        ("launch docker -- study large.csv", "the study large.csv has 70,002 bytes, and a data URL may have 65,536"),
    ],
)
def test_a_study_that_cannot_be_launched_is_refused_in_a_sentence(call, tmp_path, line, says):
    (tmp_path / "bad.csv").write_text("model,size\nvit_classic,10M\nvit_classic,10B\n")
    (tmp_path / "paths.csv").write_text("dataset,data\nnested_cylinder,fields\n")
    (tmp_path / "large.csv").write_text("model\n" + "vit_classic  # one\n" + "#" * 69977)
    code, out, err = call(line)
    assert code == 2 and says in err and not (out and "--json" not in line), err


def test_a_machine_with_several_gpus_gets_the_options_that_share_them(call):
    code, out, _ = call("launch docker --gpus 4 -- study grid.csv --jobs 2 --ranks 2 --upload")
    assert code == 0 and "--gpus 4" in out and "--jobs 2 --ranks 2" in out and "torch.distributed" not in out
    assert "TORCH_ELASTIC_SHUTDOWN_TIMEOUT=120" in out
    for gpus in (1, 4):
        code, out, _ = call(f"launch docker --gpus {gpus} -- study grid.csv --jobs-per-device 2 --upload")
        assert code == 0 and f"--gpus {'all' if gpus == 1 else gpus}" in out and "--jobs-per-device 2" in out


def test_data_on_the_rented_machine_is_checked_there(call):
    code, out, err = call("launch slurm -- study --dataset nested_cylinder --data /workspace/f --cross seed=0-2")
    assert code == 0 and "--data /workspace/f" in out and "checks whether 3 runs fit it" in err


def test_a_study_in_a_url_has_the_states_of_its_file(call, tmp_path):
    url = embedded.of_file(tmp_path / "grid.csv")
    assert "//" not in url and base64.urlsafe_b64decode(url.partition("base64,")[2]) == GRID.encode()
    shown = call(f"study status '{url}' --dataset digits")
    assert shown[0] == 0 and shown == call("study status grid.csv --dataset digits")
