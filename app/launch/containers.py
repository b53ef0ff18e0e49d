"""Places that start one container: Docker on any host, vast.ai, RunPod, Hugging Face Jobs."""

from __future__ import annotations

import json
import re
import shlex

from ..errors import InputError
from .job import Job, in_shell, until_done

_VAST_GPU, _RUNPOD_GPU = "RTX_4090", "NVIDIA GeForce RTX 4090"
_FLAVORS = {1: "l40sx1", 4: "l40sx4", 8: "l40sx8"}  # of HF Jobs, by GPUs
_CONTAINER_DISK = 20  # GB on RunPod beside the volume: what is written outside of /workspace
_ATTEMPTS = 5  # times that a job is started again after a failure


def docker(job: Job) -> str:
    """`docker run` on a host with NVIDIA's container toolkit: one's own, or a virtual machine such as Lambda's."""
    words = [
        "docker", "run", "--detach", "--name", job.name, "--gpus", _devices(job),
        "--ipc=host", "--stop-timeout", "120", "--restart", "no" if job.is_timed else f"on-failure:{_ATTEMPTS}",
        "--volume", f"{job.name}:/workspace", *_variables(job),
    ]  # fmt: skip
    words += [job.image, *job.train] if job.gpus == 1 else ["--entrypoint", "tini", job.image, "-g", *job.command]
    return "\n".join(
        [
            "# On the host; --env NAME alone passes on the value that the shell has.",
            *(f"# before: export {name}=..." for name in job.secrets),
            in_shell(words),
            f"# its output: docker logs --follow {job.name}",
            f"# stop, with the state saved: docker stop {job.name}    go on: docker start {job.name}",
            f"# the files: docker cp {job.name}:/workspace/checkpoints .",
        ]
    )


def _devices(job: Job) -> str:
    """What `docker run --gpus` takes; it reads a CSV, in which a list of devices stands in quotes of its own."""
    given = (job.gpu or ("all" if job.gpus == 1 else str(job.gpus))).strip('"')
    if not re.fullmatch(r"all|\d+|device=[\w:.-]+(,[\w:.-]+)*", given, re.ASCII):
        raise InputError(f"gpu={job.gpu!r} is nothing that `docker run --gpus` takes: all, a number, or device=0,1")
    return f'"{given}"' if "," in given else given


def _variables(job: Job) -> list[str]:
    given = [word for name, value in job.environment.items() for word in ("--env", f"{name}={value}")]
    return [*given, *(word for name in job.secrets for word in ("--env", name))]


def vast(job: Job) -> str:
    """A search for offers and a machine in args mode, which keeps the image's variables and has no SSH."""
    cuda = [f"cuda_vers>={job.cuda}"] if job.cuda else []
    query = " ".join(
        [f"num_gpus={job.gpus}", f"gpu_name={job.gpu_or(_VAST_GPU, _VAST_GPU)}", *cuda,
         f"disk_space>={job.disk_gb}", f"cpu_ram>={job.memory_gb}", "reliability>0.98", "inet_down>=200"]
    )  # fmt: skip
    search = ["vastai", "search", "offers", query, "--storage", str(job.disk_gb), "--order", "dph"]
    pairs = " ".join(f"-e {name}={shlex.quote(value)}" for name, value in job.environment.items())
    create = [
        "vastai", "create", "instance", "OFFER", "--image", job.image, "--disk", str(job.disk_gb),
        "--label", job.name, "--cancel-unavail", *(["--env", pairs] if pairs else []), "--entrypoint", "tini",
        "--args", "-g", "bash", "-c", until_done(job, "vast"),
    ]  # fmt: skip
    return "\n".join(
        [
            "# 1. Offers, the cheapest first; the id is in the first column.",
            in_shell(search),
            *(["# 2. Once: secrets are variables of the account, so that no command and no template holds them."]
              if job.secrets else []),
            *(f'vastai create env-var {name} "${name}"' for name in job.secrets),
            "# 3. The machine, with the offer's id for OFFER; add --bid_price X for one that can be taken away.",
            in_shell(create),
            "# its output: vastai logs ID    when it is done it stops itself and costs its disk only, until:",
            "# vastai destroy instance ID",
        ]
    )  # fmt: skip


def runpod(job: Job) -> str:
    """A pod by RunPod's API, version 2. It starts a container again forever, hence the stop from within."""
    args = {"entrypoint": ["tini", "-g", "--"], "cmd": ["bash", "-c", until_done(job, "runpod")]}
    secrets = {name: f"{{{{ RUNPOD_SECRET_{name} }}}}" for name in job.secrets}
    gpu = {"id": job.gpu or _RUNPOD_GPU, "count": job.gpus, "minRamPerGpu": max(1, job.memory_gb // job.gpus)}
    pod = {
        "name": job.name,
        "image": job.image,
        "args": json.dumps(args),
        "disk": _CONTAINER_DISK,
        "mounts": {"persistent": {"size": job.disk_gb, "path": "/workspace"}},
        "env": job.environment | secrets,
        "gpu": gpu | ({"minCudaVersion": job.cuda} if job.cuda else {}),
    }
    return "\n".join(
        [
            *(f"# Once: a secret of the name {name}, under Secrets in RunPod's console." for name in job.secrets),
            "# before: export RUNPOD_API_KEY=...",
            "curl --fail-with-body --request POST https://api.runpod.io/v2/pods \\",
            '  --header "Authorization: Bearer $RUNPOD_API_KEY" --header "Content-Type: application/json" \\',
            "  --data @- <<'POD'",
            json.dumps(pod, indent=2),
            "POD",
            "# its output: in the console under Logs    when it is done it stops itself; its volume costs until it is",
            "# terminated there",
        ]
    )


def hfjobs(job: Job) -> str:
    """`hf jobs run`. A job keeps no files, and ends after 30 minutes unless told otherwise."""
    if not job.uploads:
        raise InputError("HF Jobs keep no files: what is not uploaded is lost with the machine; add --upload")
    if job.gpu is None and job.gpus not in _FLAVORS:
        raise InputError(f"gpus={job.gpus} has no usual flavor; name one of `hf jobs hardware` with --gpu")
    flavor = job.gpu or _FLAVORS[job.gpus]
    if not re.fullmatch(r"[a-z0-9-]+", flavor):
        raise InputError(f"gpu={flavor!r} is no flavor of HF Jobs; `hf jobs hardware` lists them")
    words = [
        "hf", "jobs", "run", "--detach", "--name", job.name, "--flavor", flavor, "--timeout", f"{job.minutes}m",
        "--attempts", "1" if job.is_timed else str(_ATTEMPTS),
        *(word for name, value in job.environment.items() for word in ("--env", f"{name}={value}")),
        *(word for name in job.secrets for word in ("--secrets", name)),
        job.image, "tini", "-g", *job.command,
    ]  # fmt: skip
    return "\n".join(
        [
            "# --secrets NAME takes the value from the shell, HF_TOKEN's also from `hf auth login`",
            in_shell(words),
            f"# after {job.hours:g} h it is ended; the same command goes on from what is on the Hub",
        ]
    )
