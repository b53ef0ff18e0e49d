"""Each place's text: complete, without a secret's value, and taken by the place's own parser where that is here."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from app import cli
from app.errors import InputError
from app.launch import PLACES, Job, halt, text
from app.launch.render import until_done

TRAIN = ("train", "--model", "vit_classic", "--size", "10M", "--dataset", "CIFAR-100", "--upload")
IMAGE = "ghcr.io/o/isoscale:0.1.0-cuda-13.2"
BASH = [place for place in PLACES if place != "skypilot"]


def job(**changes):
    given = {"arguments": TRAIN, "image": IMAGE, "environment": {"HF_REPOSITORY": "o/runs"}, "secrets": ("HF_TOKEN",)}
    return Job(**(given | changes))


def of_runpod(one):
    return json.loads(text("runpod", one).partition("<<'POD'\n")[2].partition("\nPOD")[0])


@pytest.mark.parametrize("place", PLACES)
def test_a_text_has_the_image_the_command_the_repository_and_the_token_s_name(place):
    whole = text(place, job())
    assert IMAGE in whole and "HF_TOKEN" in whole
    assert re.sub(r"\\\n\s*", "", whole).count(" ".join(TRAIN)) == 1
    assert "o/runs" in whole and whole.isascii()
    assert place in ("slurm", "hfjobs", "docker") or re.search(r"\b60\b", whole)


@pytest.mark.parametrize("place", PLACES)
def test_several_gpus_get_a_process_each(place):
    several = text(place, job(gpus=4))
    assert "-m torch.distributed.run --standalone --nproc-per-node=4 /app/run.py train" in re.sub(
        r"\\\n\s*", "", several
    )


@pytest.mark.parametrize(
    ("place", "waits", "seconds"), [("docker", "--stop-timeout 120", 120), ("slurm", "TERM@180", 180)]
)
def test_a_place_that_waits_for_the_last_push_says_so_to_the_training(place, waits, seconds):
    one, several = (re.sub(r"\\\n\s*", "", text(place, job(gpus=gpus))) for gpus in (1, 2))
    assert waits in one and f"{' '.join(TRAIN)} --grace {seconds}s" in one
    assert "SHUTDOWN_TIMEOUT" not in one and f"TORCH_ELASTIC_SHUTDOWN_TIMEOUT={seconds}" in several
    for given in ("--grace=9s", "--grace 9s"):
        assert text(place, job(arguments=(*TRAIN, *given.split()))).count("--grace") == 1
        assert f"--grace {seconds}s" not in text(place, job(arguments=(*TRAIN, *given.split())))
    assert f"--grace {seconds}s" not in text(place, job(arguments=TRAIN[:-1]))  # without --upload it has no effect


@pytest.mark.parametrize("place", ["vast", "runpod", "hfjobs", "skypilot"])
def test_a_place_whose_patience_is_its_own_leaves_the_default(place):
    assert "--grace" not in text(place, job())


@pytest.mark.parametrize("place", BASH)
def test_a_text_is_bash(place):
    subprocess.run(
        ["bash", "-n"], input=text(place, job(arguments=(*TRAIN, "--dataset", "it's"))), text=True, check=True
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_time_limit_of_the_user_s_is_not_started_again(place):
    timed = text(place, job(arguments=(*TRAIN, "--max-minutes=30")))
    assert not re.search(r"requeue \"|recover_on|on-failure|--attempts 5", timed)
    assert place in ("vast", "runpod") or timed != text(place, job())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"disk_gb": 10}, "disk_gb=10 is too small"),
        ({"gpus": 0}, "gpus=0 is out of range. Use 1 or more"),
        ({"hours": 0.0}, "hours=0.0 is out of range. Use 0.1 or more"),
        ({"name": "Is O"}, "name='Is O' is not a valid name"),
        ({"image": "a b"}, "image='a b' is not the name of an image"),
        ({"image": "docker://o/isoscale:1"}, "is not the name of an image. Use one such as ghcr.io"),
        ({"image": "o/isoscale;touch(1)"}, "is not the name of an image. Use one such as ghcr.io"),
        (
            {"arguments": ("train", "--dataset", "a\nb/c")},
            "command='a\\nb/c' contains a character that cannot be printed",
        ),
    ],
)
def test_a_job_that_no_place_takes_is_refused(changes, says):
    with pytest.raises(InputError, match=re.escape(says)):
        job(**changes)


@pytest.mark.parametrize("place", ["vast", "skypilot", "slurm", "docker"])
def test_a_gpu_that_the_place_s_parser_would_take_apart_is_refused(place):
    with pytest.raises(InputError, match=r"gpu='RTX 4090' is not .* Use "):
        text(place, job(gpu="RTX 4090"))
    assert '"NVIDIA GeForce RTX 4090"' in text("runpod", job(gpu="NVIDIA GeForce RTX 4090"))


def test_a_list_of_devices_reaches_docker_as_one_field_of_its_csv():
    words = shlex.split(text("docker", job(gpu="device=0,1", gpus=2)), comments=True)
    assert words[words.index("--gpus") + 1] == '"device=0,1"'


def test_hf_jobs_refuse_what_would_be_lost_and_what_they_have_no_flavor_for():
    with pytest.raises(InputError, match=r"what is not uploaded is lost with the machine. Add --upload"):
        text("hfjobs", job(arguments=TRAIN[:-1]))
    with pytest.raises(InputError, match="no usual flavor"):
        text("hfjobs", job(gpus=3))
    assert "--flavor h200x2" in text("hfjobs", job(gpus=2, gpu="h200x2"))


def test_hf_jobs_take_the_command_as_it_is_printed(tmp_path):
    printed = text("hfjobs", job()).replace("hf jobs run", "hf jobs run --dry-run")
    (tmp_path / "hf").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m huggingface_hub.cli.hf "$@"\n')
    (tmp_path / "hf").chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "0"}
    ended = subprocess.run(["bash", "-c", printed], env=os.environ | path, text=True, capture_output=True, check=True)
    said = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines() if line.startswith("  "))
    assert said["command"] == shlex.join(["tini", "-g", *job().command])
    assert (said["image"], said["timeout"], said["attempts"]) == (IMAGE, "1440m", "5")
    assert (said["env"], said["secrets"]) == ("HF_REPOSITORY=o/runs", "HF_TOKEN=***")


def test_a_pod_has_the_fields_of_runpod_s_api():
    """The fields of CreatePodRequest in https://docs.runpod.io/api-reference-v2, which takes no others."""
    pod = of_runpod(job(gpus=2))
    assert set(pod) <= {"name", "image", "args", "disk", "mounts", "env", "gpu", "ports", "registry", "cloud",
                        "dataCenterIds", "globalNetworking", "startJupyter", "startSsh", "templateId"}  # fmt: skip
    assert set(pod["gpu"]) <= {"id", "count", "allowedCudaVersions", "minCudaVersion", "minRamPerGpu",
                               "minVcpuCountPerGpu"}  # fmt: skip
    assert pod["gpu"]["count"] == 2 and pod["gpu"]["minRamPerGpu"] == 16
    assert re.fullmatch(r"\d+\.\d+", pod["gpu"]["minCudaVersion"])
    assert pod["mounts"] == {"persistent": {"size": 60, "path": "/workspace"}}
    assert pod["env"]["HF_TOKEN"] == "{{ RUNPOD_SECRET_HF_TOKEN }}"
    start = json.loads(pod["args"])
    assert start["entrypoint"] == ["tini", "-g", "--"]
    assert start["cmd"] == ["bash", "-c", until_done(job(gpus=2), "runpod")]


def test_a_skypilot_task_is_started_again_by_exit_code_75():
    task = yaml.safe_load(text("skypilot", job()))
    assert task["resources"]["image_id"] == f"docker:{IMAGE}" and task["resources"]["accelerators"] == "RTX4090:1"
    assert task["resources"]["job_recovery"] == {"max_restarts_on_errors": 0, "recover_on_exit_codes": [75]}
    assert task["secrets"] == {"HF_TOKEN": None} and task["envs"] == {"HF_REPOSITORY": "o/runs"}
    assert task["run"].splitlines()[-1] == f"exec tini -s -g {shlex.join(job().command)}"


def test_hosts_are_chosen_by_the_cuda_of_the_image_s_tag():
    assert "cuda_vers>=12.8" in text("vast", job(image="ghcr.io/o/isoscale:0.1.0-cuda-12.8"))
    assert "cuda_vers" not in text("vast", job(image="mine")) and "minCudaVersion" not in text("runpod", job(image="a"))


@pytest.fixture
def container(tmp_path):
    """Runs the script of a container that is started again whenever it ends, with stand-ins for what it calls."""
    (tmp_path / "python3").write_text(
        '#!/bin/sh\necho "$@" >> said\n'
        'case "$*" in *train*) echo $$ > training; trap "exit 75" TERM; touch on; '
        'while [ -e on ]; do sleep 0.05; done; exit 0;; esac\n'
    )  # fmt: skip
    (tmp_path / "python3").chmod(0o755)
    script = until_done(job(), "vast").replace("/usr/local/bin/python3", "./python3").replace("cd /app", "cd .")
    process = subprocess.Popen(["bash", "-c", script.replace("sleep infinity", "echo waits >> said")], cwd=tmp_path,
                               start_new_session=True)  # fmt: skip
    end = time.monotonic() + 30
    while not (tmp_path / "on").exists() and time.monotonic() < end:
        time.sleep(0.02)
    yield process, tmp_path
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def said(folder):
    return [line.split()[1] if "run.py" in line else line for line in (folder / "said").read_text().splitlines()]


def test_a_container_whose_training_is_done_stops_its_machine_and_waits_for_that(container):
    process, folder = container
    (folder / "on").unlink()
    assert process.wait(30) == 0
    assert said(folder) == ["doctor", "train", "-m app.launch.halt vast", "waits"]


def test_a_container_that_is_stopped_ends_with_75_once_the_state_is_saved_and_stops_nothing(container):
    process, folder = container
    os.killpg(process.pid, signal.SIGTERM)  # as `tini -g` does
    assert process.wait(30) == 75
    assert said(folder) == ["doctor", "train"]


class Recorder(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.command, self.path, self.headers["Authorization"], self.rfile.read(length)))
        body = b"{}"
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def asked():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.asked, server.status = [], 200
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("place", "asks"),
    [
        ("vast", ("PUT", "/api/v0/instances/7/", {"state": "stopped"})),
        ("runpod", ("POST", "/v2/pods/7/action", {"action": "stop"})),
    ],
)
def test_a_machine_asks_its_place_to_stop_it(asked, place, asks):
    how = halt.PLACES[place]
    here = how._replace(address=re.sub(r"https://[^/]+", f"http://127.0.0.1:{asked.server_port}", how.address))
    assert halt.halt(here, {how.id: "7", how.key: "hush"}) is None
    ((method, path, key, body),) = asked.asked
    assert (method, path, json.loads(body), key) == (*asks, "Bearer hush")
    asked.status = 503
    why = halt.halt(here, {how.id: "7", how.key: "hush"}, pause=0.0)
    assert why.startswith("503") and len(asked.asked) == 6
    assert halt.halt(how, {how.id: "7"}) == f"{how.key} are not set here"


def test_what_stops_a_machine_is_a_command_of_its_own(capsys, monkeypatch):
    for name in ("CONTAINER_ID", "CONTAINER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert halt.main(["vast"]) == 1 and "could not stop this machine" in capsys.readouterr().err
    assert halt.main(["elsewhere"]) == halt.main([]) == 2


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.setenv("HF_REPOSITORY", "o/runs")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    def call(*arguments):
        code = cli.main(["launch", *arguments])
        return code, *capsys.readouterr()

    return call


def test_the_steps_of_a_text_are_numbered_without_a_gap():
    for secrets in ((), ("HF_TOKEN",)):
        steps = re.findall(r"^# (\d)\. ", text("vast", job(secrets=secrets)), re.MULTILINE)
        assert steps == [str(step) for step in range(1, len(steps) + 1)] and len(steps) == (3 if secrets else 2)


@pytest.mark.parametrize("place", PLACES)
def test_the_command_prints_a_place_s_text_without_the_token_s_value(call, place):
    code, out, err = call(place, "--image", IMAGE, "--", *TRAIN)
    assert (code, out, err) == (0, text(place, job()) + "\n", "")
    assert "hf_secret" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vst", "--", "train"), "unknown place 'vst'. Did you mean `vast`?"),
        (("vast", "--hours", "3", "--", "train"), "--hours has no effect on vast"),
        (("vast", "--", "plan"), "'plan' after -- is not a train, study or sweep command"),
        (("vast",), "Missing argument"),
        (("vast", "--", "train", "--sise", "3"), "No such option: --sise. Did you mean `--size`?"),
        (
            ("vast", "--modle", "cnn", "--", "train"),
            "Did you mean `--model`? It is an option of `train`. Write it after",
        ),
        (("vast", "--gpsu", "2", "--", "train"), "No such option: --gpsu. Did you mean `--gpu`?"),
        (("vast", "train", "--image", "32"), "Write: run.py launch vast -- train --image 32"),
        (("vast", "--", "train", "--size", "10B"), "Did you mean `10M`?"),
        (("vast", "--", "train", "--private"), "--private has an effect with --upload only"),
        (("vast", "--disk-gb", "10", "--", "train"), "disk_gb=10 is too small"),
        (("hfjobs", "--", "train"), "Add --upload"),
        (("docker", "--", "train", "--checkpoints", "runs"), "--checkpoints runs is not on the rented machine"),
        (("docker", "--", "train", "--dataset", "./pets"), "--dataset ./pets is not on the rented machine"),
        (("slurm", "--", "train", "--dataset", "diffraction", "--data", "p"), "--data p is not on the rented machine"),
        (
            ("slurm", "--", "train", "--dataset", "diffraction", "--data", "/workspace/a.pt,/home/b.pt"),
            "--data /home/b.pt is not on the rented machine. Copy it there, and give a path below /workspace",
        ),
        (
            ("vast", "--", "train", "--dataset", "nested_cylinder", "--data", "/workspace/d", "--design", "d.csv"),
            "--design d.csv is not on the rented machine",
        ),
    ],
)
def test_what_cannot_be_launched_is_refused_in_a_sentence(call, arguments, says):
    code, out, err = call(*arguments)
    assert code == 2 and says in err and not out


def test_what_is_missing_for_a_launch_is_said(call, monkeypatch):
    code, out, err = call("docker", "--", "train", "--batch_size", "8")
    assert code == 0 and "OWNER" in out and "replace OWNER" in err and "without --upload" in err
    assert "HF_TOKEN" not in out and "--batch-size 8" in re.sub(r"\\\n\s*", "", out)
    monkeypatch.delenv("HF_REPOSITORY")
    code, out, err = call("docker", "--", "train", "--upload")
    assert code == 2 and "HF_REPOSITORY is not set" in err


def test_an_endpoint_with_a_password_is_refused_without_showing_it(call, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://me:hf_secret@hub.example")
    code, out, err = call("docker", "--image", IMAGE, "--", *TRAIN)
    assert code == 2 and "HF_ENDPOINT contains a name or a password" in err and "hf_secret" not in out + err


def here(tool):
    return pytest.mark.skipif(not shutil.which(tool), reason=f"{tool} is not installed here")


@here("shellcheck")
@pytest.mark.parametrize("place", BASH)
def test_shellcheck_finds_nothing(place, tmp_path):
    """But that a script within quotes keeps its variables, as it shall (SC2016)."""
    whole = text(place, job())
    (tmp_path / "text.sh").write_text(whole if whole.startswith("#!") else f"#!/usr/bin/env bash\n{whole}\n")
    ended = subprocess.run(
        ["shellcheck", "--exclude=SC2016", "text.sh"], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.slow
@here("docker")
@pytest.mark.parametrize("gpus", [1, 2])
def test_docker_knows_every_option(gpus):
    where = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
    ended = subprocess.run(["bash", "-c", text("docker", job(gpus=gpus))], env=os.environ | where, text=True,
                           capture_output=True, check=False)  # fmt: skip
    assert "Cannot connect to the Docker daemon" in ended.stderr  # after the options were read


@pytest.mark.slow
@here("vastai")
def test_vast_s_client_sends_what_is_meant(asked):
    search, create = (line for line in re.sub(r"\\\n\s*", "", text("vast", job())).splitlines()
                      if re.match(r"vastai (search|create instance)", line))  # fmt: skip
    to = f"vastai --url http://127.0.0.1:{asked.server_port} --api-key x --retry 1"
    for line in (search, create.replace("OFFER", "123")):
        subprocess.run(["bash", "-c", line.replace("vastai", to, 1)], capture_output=True, check=False, timeout=60)
    sent = [json.loads(body) for method, path, _, body in asked.asked if "/asks/123" in path]
    assert (
        sent and sent[0]["image"] == IMAGE and sent[0]["disk"] == 60 and sent[0]["env"] == {"HF_REPOSITORY": "o/runs"}
    )
    assert sent[0]["runtype"] == "args" and sent[0]["args"] == ["-g", "bash", "-c", until_done(job(), "vast")]
    assert any("cuda_max_good" in path or b"cuda_max_good" in body for _, path, _, body in asked.asked)


@pytest.mark.slow
@here("sky")
def test_skypilot_s_schema_takes_the_task(tmp_path):
    (tmp_path / "task.yaml").write_text(text("skypilot", job()))
    python = os.path.join(os.path.dirname(os.path.realpath(shutil.which("sky"))), "python")  # noqa: PTH118, PTH120
    code = (
        "import jsonschema, yaml; from sky.utils import schemas as s; task = yaml.safe_load(open('task.yaml'));"
        "check = jsonschema.validate; check(task, s.get_task_schema());"
        "check(task['resources'], s.get_resources_schema());"
        "check(task['config'], s.get_config_schema()); print('taken')"
    )
    ended = subprocess.run([python, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert ended.stdout == "taken\n", ended.stderr
